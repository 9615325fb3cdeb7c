//! Projects: the tenants. Made by an admin, seen by everyone who may see anything.

use axum::extract::State;
use serde::Deserialize;

use crate::registry::projects::{self, NewProject, Project};
use crate::registry::roles::Permission;
use crate::registry::{Environment, operators};

use super::Shared;
use super::answer::{Answer, Items, created, items, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{InProject, name};
use super::json::Json;

#[derive(Deserialize)]
pub(super) struct Wanted {
    name: String,
    #[serde(default)]
    environment: Environment,
}

/// Those that the operator may see.
pub(super) async fn list(
    State(control): State<Shared>,
    operator: Operator,
) -> Result<Answer<Items<Project>>, ApiError> {
    let mut found = projects::list(&control.registry).await?;
    match (operator.may(Permission::ProjectRead), operator.user) {
        (true, _) => {}
        (false, Some(user)) => {
            let theirs = operators::projects_of(&control.registry, user).await?;
            found.retain(|project| theirs.contains(&project.id));
        }
        (false, None) => operator.demand(Permission::ProjectRead)?,
    }
    Ok(items(found))
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
) -> Result<Answer<Project>, ApiError> {
    Ok(ok(projects::get(&control.registry, &project.name).await?))
}

pub(super) async fn create(
    State(control): State<Shared>,
    operator: Operator,
    Json(wanted): Json<Wanted>,
) -> Result<Answer<Project>, ApiError> {
    let new = NewProject {
        name: name(&wanted.name)?,
        environment: wanted.environment,
        owner: operator.user_id(&control.registry),
    };
    Ok(created(projects::create(&control.registry, new).await?))
}
