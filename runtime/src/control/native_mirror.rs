//! Whether Postgres enforces a project's policies beside the host.

use axum::extract::State;
use koyalite_host_api::db::Mirror;
use serde::{Deserialize, Serialize};

use crate::registry::mirror;

use super::Shared;
use super::answer::{Answer, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::InProject;
use super::json::Json;

/// The setting, as it is asked for and answered.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct NativeMirror {
    enabled: bool,
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
) -> Result<Answer<NativeMirror>, ApiError> {
    let stored = mirror::get(&control.registry, &project.name).await?;
    Ok(ok(NativeMirror {
        enabled: stored == Mirror::On,
    }))
}

pub(super) async fn replace(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Json(wanted): Json<NativeMirror>,
) -> Result<Answer<NativeMirror>, ApiError> {
    let mirror = mirror::from_stored(wanted.enabled);
    mirror::set(&control.registry, &project.name, mirror).await?;
    tracing::info!(
        operator = operator.subject, project = %project.name, ?mirror, "changed the mirror"
    );
    Ok(ok(wanted))
}
