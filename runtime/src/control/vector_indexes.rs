//! Vector indexes: what rows are found by that are near.

use axum::extract::State;
use axum::response::NoContent;

use crate::registry::vectors::{self, NewVectorIndex, VectorIndex, VectorIndexPatch};

use super::Shared;
use super::answer::{Answer, Created, Items, created, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::json::Json;
use super::paging::{Paging, part};
use super::unchanged::{Tagged, Unchanged, tagged};

const LIST: &str = "vector-indexes";

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<VectorIndex>>, ApiError> {
    let page = paging.page(LIST)?;
    let found = vectors::list(&control.registry, &project.name, &page).await?;
    part(LIST, found, |index| index.name.clone())
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, name)): At<(String, String)>,
) -> Result<Tagged<Answer<VectorIndex>>, ApiError> {
    tagged(ok(
        vectors::get(&control.registry, &project.name, &name).await?
    ))
}

pub(super) async fn create(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Json(new): Json<NewVectorIndex>,
) -> Result<Tagged<Created<VectorIndex>>, ApiError> {
    let owner = operator.user_id(&control.registry);
    let made = vectors::create(&control.registry, &project.name, (&new, owner)).await?;
    tracing::info!(
        operator = operator.subject,
        index = made.name,
        "made a vector index"
    );
    tagged(created(made))
}

pub(super) async fn change(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, name)): At<(String, String)>,
    Unchanged(condition): Unchanged,
    Json(patch): Json<VectorIndexPatch>,
) -> Result<Tagged<Answer<VectorIndex>>, ApiError> {
    let wanted = (name.as_str(), &patch);
    let changed = vectors::update(&control.registry, &project.name, wanted, &condition).await?;
    tagged(ok(changed))
}

pub(super) async fn remove(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, name)): At<(String, String)>,
    Unchanged(condition): Unchanged,
) -> Result<NoContent, ApiError> {
    vectors::delete(&control.registry, &project.name, &name, &condition).await?;
    Ok(NoContent)
}
