//! Projects: the tenants. Made by an admin, seen by everyone who may see anything.

use axum::extract::State;
use serde::Deserialize;
use uuid::Uuid;

use crate::registry::project_change::{self, ProjectPatch};
use crate::registry::projects::{self, NewProject, Project, ProjectFilter};
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

/// Which projects.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedProjects)]
pub(super) struct Narrowed {
    /// Whose name begins so.
    name: Option<String>,
    /// For development, for rehearsal, or the real thing.
    environment: Option<Environment>,
    /// The id of the user who owns them.
    owner: Option<Uuid>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Those that the operator may see.
pub(super) async fn list(
    State(control): State<Shared>,
    operator: Operator,
    Asked(narrowed): Asked<Narrowed>,
) -> Result<Answer<Items<Project>>, ApiError> {
    let (limit, cursor) = (narrowed.limit, narrowed.cursor);
    let page = Paging { limit, cursor }.page("projects")?;
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
    let filter = ProjectFilter {
        only: only.map(|ids| ids.into_iter().collect()),
        name: narrowed.name,
        environment: narrowed.environment,
        owner: narrowed.owner,
    };
    let projects = projects::list(&control.registry, &filter, &page).await?;
    part("projects", projects, |project| project.name.to_string())
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
) -> Result<Tagged<Answer<Project>>, ApiError> {
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
) -> Result<Tagged<Answer<Project>>, ApiError> {
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
