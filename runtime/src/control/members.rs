//! Members of a project: who works on it, and who uses its functions. A role in a project adds to the
//! role everywhere, for this project alone.

use axum::extract::State;
use axum::response::NoContent;
use serde::Deserialize;
use uuid::Uuid;

use crate::registry::email::Email;
use crate::registry::members::{self, Member, SignUp};
use crate::registry::users;

use super::answer::{Answer, Items, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::json::Json;
use super::paging::{Paging, part};
use super::unchanged::{Tagged, Unchanged, tagged};
use super::users::permitted;
use super::{Control, Shared};

/// The list, in its cursors.
const MEMBERS: &str = "members";

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    limit: Option<u32>,
    cursor: Option<String>,
    role: Option<String>,
}

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(query): Asked<Query>,
) -> Result<Answer<Items<Member>>, ApiError> {
    let (limit, cursor) = (query.limit, query.cursor);
    let page = Paging { limit, cursor }.page(MEMBERS)?;
    let role = query.role.as_deref();
    let found = members::list(&control.registry, &project.name, role, &page).await?;
    part(MEMBERS, found, |member| member.user_id)
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, who)): At<(String, String)>,
) -> Result<Tagged<Answer<Member>>, ApiError> {
    let user = user(&control, &who).await?;
    tagged(ok(
        members::get(&control.registry, &project.name, user).await?
    ))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = NewMember)]
pub(super) struct Wanted {
    role: String,
}

pub(super) async fn put(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    At((_, who)): At<(String, String)>,
    (Unchanged(condition), Json(wanted)): (Unchanged, Json<Wanted>),
) -> Result<Tagged<Answer<Member>>, ApiError> {
    let user = user(&control, &who).await?;
    operator.hold(&permitted(&control, &wanted.role).await?)?;
    let weighed = weigh(&control, &operator, (project.id, user)).await?;
    let who = (user, wanted.role.as_str());
    let seen = (&condition, weighed.as_deref());
    let put = members::put(&control.registry, &project.name, who, seen).await?;
    tracing::info!(
        operator = operator.subject, project = %project.name, %user, role = put.role,
        "put a user into a project"
    );
    tagged(ok(put))
}

pub(super) async fn remove(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    At((_, who)): At<(String, String)>,
) -> Result<NoContent, ApiError> {
    let user = user(&control, &who).await?;
    let weighed = weigh(&control, &operator, (project.id, user)).await?;
    members::remove(&control.registry, &project.name, user, weighed.as_deref()).await?;
    tracing::info!(
        operator = operator.subject, project = %project.name, %user, "took a user out of a project"
    );
    Ok(NoContent)
}

/// Nobody takes a role from whoever may do more than they. Answers the role that was seen.
async fn weigh(
    control: &Control,
    operator: &Operator,
    (project, user): (Uuid, Uuid),
) -> Result<Option<String>, ApiError> {
    let role = members::role_of(&control.registry, project, user).await?;
    if let Some(role) = &role {
        operator.hold(&permitted(control, role).await?)?;
    }
    Ok(role)
}

/// By id or by e-mail: who runs a project need not be able to list all users.
async fn user(control: &Control, who: &str) -> Result<Uuid, ApiError> {
    let unknown = || ApiError::UnknownUser(who.to_owned());
    if let Ok(id) = Uuid::parse_str(who) {
        return Ok(id);
    }
    let email: Email = who.parse().map_err(|_| unknown())?;
    let found = users::credentials(&control.registry, &email).await?;
    found.map(|found| found.user.id).ok_or_else(unknown)
}

pub(super) async fn sign_up(
    State(control): State<Shared>,
    InProject(project): InProject,
) -> Result<Tagged<Answer<SignUp>>, ApiError> {
    let enabled = members::is_open(&control.registry, project.id).await?;
    tagged(ok(SignUp { enabled }))
}

pub(super) async fn set_sign_up(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Unchanged(condition): Unchanged,
    Json(wanted): Json<SignUp>,
) -> Result<Tagged<Answer<SignUp>>, ApiError> {
    members::set_open(&control.registry, &project.name, (&condition, &wanted)).await?;
    tracing::info!(
        operator = operator.subject, project = %project.name, enabled = wanted.enabled,
        "changed who may sign up"
    );
    tagged(ok(wanted))
}
