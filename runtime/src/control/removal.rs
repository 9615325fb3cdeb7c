//! Deleting functions and projects: first the rows, so that nothing is served any longer, then what
//! lies outside the database. What fails there is in the log, and harms nobody: nothing names it.

use axum::extract::State;
use axum::response::NoContent;
use koyalite_policy::FunctionName;
use object_store::ObjectStoreExt as _;
use serde::Deserialize;

use crate::engine;
use crate::registry::removal::{self, Removed};

use super::Shared;
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At, InProject, name};

/// The name once more, so that a slip of a finger deletes nothing.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Meant {
    confirm: Option<String>,
}

pub(super) async fn project(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Asked(meant): Asked<Meant>,
) -> Result<NoContent, ApiError> {
    if meant.confirm.as_deref() != Some(project.name.as_str()) {
        return Err(ApiError::Unconfirmed(project.name.to_string()));
    }
    let removed = removal::project(&control.registry, &project.name).await?;
    tracing::info!(operator = operator.subject, project = %project.name, "deleted a project");
    control.databases.forget(removed.project);
    clear(&control, &removed, None).await;
    control.sweeper.sweep().await;
    Ok(NoContent)
}

pub(super) async fn function(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
    operator: Operator,
) -> Result<NoContent, ApiError> {
    let wanted: FunctionName = name(&wanted)?;
    let removed = removal::function(&control.registry, &project.name, &wanted).await?;
    tracing::info!(
        operator = operator.subject,
        project = %project.name,
        function = %wanted,
        "deleted a function"
    );
    clear(&control, &removed, Some(wanted)).await;
    Ok(NoContent)
}

/// Takes away what nothing names any longer: components, their code, what was logged.
async fn clear(control: &Shared, removed: &Removed, function: Option<FunctionName>) {
    clear_components(control, &removed.components).await;
    if let Err(error) = control.records.forget(removed.project, function).await {
        tracing::error!(%error, "records of what was deleted are left behind");
    }
}

/// Takes components away that no version names any longer.
pub(super) async fn clear_components(control: &Shared, components: &[String]) {
    if let Err(error) = try_clear(control, components).await {
        tracing::error!(%error, "components of what was deleted are left behind");
    }
}

async fn try_clear(control: &Shared, components: &[String]) -> Result<(), ApiError> {
    let unused = removal::unused(&control.registry, components).await?;
    for sha256 in &unused.components {
        match control.objects.delete(&engine::object_path(sha256)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(ApiError::Store(error)),
        }
        control.engine.forget(sha256);
    }
    Ok(unused.release().await?)
}
