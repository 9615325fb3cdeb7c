//! The claims that a project declares its users' tokens to carry.

use axum::extract::State;
use koyalite_policy::Claims;

use crate::registry::claims;

use super::Shared;
use super::answer::{Answer, ok};
use super::error::ApiError;
use super::extract::InProject;
use super::json::Json;

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
) -> Result<Answer<Claims>, ApiError> {
    Ok(ok(claims::get(&control.registry, &project.name).await?))
}

pub(super) async fn replace(
    State(control): State<Shared>,
    InProject(project): InProject,
    Json(wanted): Json<Claims>,
) -> Result<Answer<Claims>, ApiError> {
    claims::replace(&control.registry, &project.name, &wanted).await?;
    Ok(ok(wanted))
}
