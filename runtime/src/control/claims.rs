//! The claims that a project declares its users' tokens to carry.

use axum::extract::State;
use koyalite_policy::Claims;

use crate::registry::claims;

use super::Shared;
use super::answer::{Answer, ok};
use super::error::ApiError;
use super::extract::InProject;
use super::json::Json;
use super::unchanged::{Tagged, Unchanged, tagged};

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
) -> Result<Tagged<Answer<Claims>>, ApiError> {
    tagged(ok(claims::get(&control.registry, &project.name).await?))
}

pub(super) async fn replace(
    State(control): State<Shared>,
    InProject(project): InProject,
    Unchanged(condition): Unchanged,
    Json(wanted): Json<Claims>,
) -> Result<Tagged<Answer<Claims>>, ApiError> {
    let claims = (&condition, &wanted);
    claims::replace(&control.registry, &project.name, claims).await?;
    tagged(ok(wanted))
}
