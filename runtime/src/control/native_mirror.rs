//! Whether Postgres enforces a project's policies beside the host, or those of some of its tables.

use axum::extract::State;
use serde::Deserialize;

use crate::registry::mirror::{self, NativeMirror, Switch};
use crate::registry::tables::Table;

use super::Shared;
use super::answer::{Answer, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{At, InProject, name};
use super::json::Json;
use super::unchanged::{Tagged, Unchanged, tagged};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = MirrorWanted)]
pub(super) struct Wanted {
    enabled: bool,
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
) -> Result<Tagged<Answer<NativeMirror>>, ApiError> {
    let stored = mirror::get(&control.registry, &project.name).await?;
    tagged(ok(stored.into()))
}

pub(super) async fn replace(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Unchanged(condition): Unchanged,
    Json(wanted): Json<Wanted>,
) -> Result<Tagged<Answer<NativeMirror>>, ApiError> {
    let mirror = wanted.switch();
    let stored = mirror::set(&control.registry, &project.name, (&condition, mirror)).await?;
    tracing::info!(
        operator = operator.subject, project = %project.name, ?mirror, "changed the mirror"
    );
    tagged(ok(stored))
}

pub(super) async fn replace_of_table(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, table)): At<(String, String)>,
    operator: Operator,
    (Unchanged(condition), Json(wanted)): (Unchanged, Json<Wanted>),
) -> Result<Tagged<Answer<Table>>, ApiError> {
    let (table, mirror) = (name(&table)?, wanted.switch());
    let switch = (&condition, mirror);
    let changed = mirror::set_table(&control.registry, &project.name, &table, switch).await?;
    tracing::info!(
        operator = operator.subject, project = %project.name, %table, ?mirror,
        "changed the mirror of a table"
    );
    tagged(ok(changed))
}

impl Wanted {
    fn switch(&self) -> Switch {
        match self.enabled {
            true => Switch::On,
            false => Switch::Off,
        }
    }
}
