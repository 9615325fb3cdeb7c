//! A project's secrets: set and deleted, listed by name. Their values never come out here again.

use axum::extract::State;
use axum::response::NoContent;
use serde::Deserialize;

use crate::registry::reseal::{self, Resealed};
use crate::registry::secrets::{self, Listed, SecretName};

use super::Shared;
use super::answer::{Answer, Items, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::json::Json;
use super::paging::{Paging, part};
use super::unchanged::{Tagged, Unchanged, tagged, tagged_as};

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Listed>>, ApiError> {
    let page = paging.page("secrets")?;
    let secrets = secrets::list(&control.registry, &project.name, &page).await?;
    part("secrets", secrets, |secret| secret.name.clone())
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, name)): At<(String, String)>,
) -> Result<Tagged<Answer<Listed>>, ApiError> {
    let name = name.parse::<SecretName>()?;
    tagged(ok(
        secrets::get(&control.registry, &project.name, &name).await?
    ))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = SecretValue)]
pub(super) struct Wanted {
    value: String,
}

pub(super) async fn set(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, name)): At<(String, String)>,
    operator: Operator,
    (Unchanged(condition), Json(wanted)): (Unchanged, Json<Wanted>),
) -> Result<Tagged<NoContent>, ApiError> {
    let (name, value) = (name.parse::<SecretName>()?, secrets::chosen(wanted.value)?);
    let secret = (&name, &value);
    let set = secrets::set(&control.registry, &project.name, secret, &condition).await?;
    tracing::info!(operator = operator.subject, project = %project.name, secret = %name, "set a secret");
    tagged_as(NoContent, &set)
}

pub(super) async fn remove(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, name)): At<(String, String)>,
    operator: Operator,
) -> Result<NoContent, ApiError> {
    let name = name.parse::<SecretName>()?;
    secrets::delete(&control.registry, &project.name, &name).await?;
    tracing::info!(operator = operator.subject, project = %project.name, secret = %name, "deleted a secret");
    Ok(NoContent)
}

/// Seals every stored secret with the active key of the ring.
pub(super) async fn reseal(
    State(control): State<Shared>,
    operator: Operator,
) -> Result<Answer<Resealed>, ApiError> {
    let done = reseal::reseal(&control.registry).await?;
    tracing::info!(
        operator = operator.subject,
        key = done.key,
        resealed = done.resealed,
        "sealed stored secrets anew"
    );
    Ok(ok(done))
}
