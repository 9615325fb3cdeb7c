//! Projects: the tenants. Made by an admin, seen by everyone who may see anything.

use axum::extract::State;
use serde::Deserialize;
use uuid::Uuid;

use crate::registry::project_change::{self, ProjectPatch};
use crate::registry::projects::{self, NewProject, Project};
use crate::registry::roles::Permission;
use crate::registry::settings::SettingsPatch;
use crate::registry::{Environment, operators};

use super::Shared;
use super::answer::{Answer, Created, Items, created, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, InProject, name};
use super::json::Json;
use super::paging::{Paging, part};
use super::unchanged::{Tagged, Unchanged, tagged};

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = NewProject)]
pub(super) struct Wanted {
    name: String,
    #[serde(default)]
    environment: Environment,
}

/// Those that the operator may see.
pub(super) async fn list(
    State(control): State<Shared>,
    operator: Operator,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Project>>, ApiError> {
    let page = paging.page("projects")?;
    let only = match (operator.may(Permission::ProjectRead), operator.user) {
        (true, _) => None,
        (false, Some(user)) => Some(operators::projects_of(&control.registry, user).await?),
        (false, None) => {
            return Err(operator
                .demand(Permission::ProjectRead)
                .err()
                .unwrap_or(ApiError::Unauthenticated));
        }
    };
    let only: Option<Vec<Uuid>> = only.map(|ids| ids.into_iter().collect());
    let projects = projects::list(&control.registry, only.as_deref(), &page).await?;
    part("projects", projects, |project| project.name.to_string())
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
) -> Result<Tagged<Project>, ApiError> {
    tagged(ok(projects::get(&control.registry, &project.name).await?))
}

pub(super) async fn create(
    State(control): State<Shared>,
    operator: Operator,
    Json(wanted): Json<Wanted>,
) -> Result<Created<Project>, ApiError> {
    let new = NewProject {
        name: name(&wanted.name)?,
        environment: wanted.environment,
        owner: operator.user_id(&control.registry),
    };
    Ok(created(projects::create(&control.registry, new).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = ProjectPatch)]
pub(super) struct Patch {
    name: Option<String>,
    owner_id: Option<Uuid>,
    environment: Option<Environment>,
    settings: Option<SettingsPatch>,
}

pub(super) async fn change(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Unchanged(condition): Unchanged,
    Json(wanted): Json<Patch>,
) -> Result<Tagged<Project>, ApiError> {
    let patch = ProjectPatch {
        name: wanted.name.as_deref().map(name).transpose()?,
        owner: wanted.owner_id,
        environment: wanted.environment,
        settings: wanted.settings,
    };
    let changed = project_change::update(&control.registry, &project.name, patch, &condition);
    let changed = changed.await?;
    tracing::info!(operator = operator.subject, project = %changed.name, "changed a project");
    tagged(ok(changed))
}
