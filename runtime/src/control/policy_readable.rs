//! Whether policies read a table past its own policies. A permission of its own, and the log says who.

use axum::extract::State;
use serde::Deserialize;

use crate::registry::policy_readable::{self, InnerReads};
use crate::registry::tables::Table;

use super::Shared;
use super::answer::{Answer, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{At, InProject, name};
use super::json::Json;
use super::unchanged::{Tagged, Unchanged, tagged};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = PolicyReadable)]
pub(super) struct Wanted {
    enabled: bool,
}

pub(super) async fn replace(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, table)): At<(String, String)>,
    operator: Operator,
    (Unchanged(condition), Json(wanted)): (Unchanged, Json<Wanted>),
) -> Result<Tagged<Answer<Table>>, ApiError> {
    let table = name(&table)?;
    let reads = match wanted.enabled {
        true => InnerReads::PastPolicies,
        false => InnerReads::UnderPolicies,
    };
    let wanted = (&condition, reads);
    let changed = policy_readable::set(&control.registry, &project.name, &table, wanted).await?;
    tracing::info!(
        operator = operator.subject, project = %project.name, %table, ?reads,
        "changed how policies read a table"
    );
    tagged(ok(changed))
}
