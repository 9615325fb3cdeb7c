//! Users: listed, made, changed and deleted by those who hold `user:write`, who neither give nor take
//! over more than they may do themselves.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::NoContent;
use serde::Deserialize;
use uuid::Uuid;

use crate::accounts::Password;
use crate::http::Mistake;
use crate::registry::custom_roles;
use crate::registry::mail::messages::{self, Message};
use crate::registry::owned::{self, Estate, Owned, Possession};
use crate::registry::roles::{BuiltInRole, Permission};
use crate::registry::users::{self, NewUser, PasswordHash, User, UserChange, UserFilter};
use crate::registry::{RegistryError, Standing, operators};

use super::answer::{Answer, Created, Items, created, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At};
use super::json::Json;
use super::paging::{Paging, part};
use super::unchanged::{Tagged, Unchanged, tagged};
use super::{Control, Shared, removal};

/// The lists, in their cursors.
const USERS: &str = "users";
const POSSESSIONS: &str = "possessions";

/// The log of their mail, in its cursors.
const EMAIL_LOGS: &str = "email-logs";

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    limit: Option<u32>,
    cursor: Option<String>,
    email: Option<String>,
    role: Option<String>,
}

pub(super) async fn list(
    State(control): State<Shared>,
    Asked(query): Asked<Query>,
) -> Result<Answer<Items<User>>, ApiError> {
    let (limit, cursor) = (query.limit, query.cursor);
    let page = Paging { limit, cursor }.page(USERS)?;
    let filter = UserFilter {
        email: query.email,
        role: query.role,
    };
    let found = users::list(&control.registry, &filter, &page).await?;
    part(USERS, found, |user| user.id)
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = NewUser)]
pub(super) struct Wanted {
    email: String,
    role: Option<String>,
    password: Option<String>,
}

pub(super) async fn create(
    State(control): State<Shared>,
    operator: Operator,
    Json(wanted): Json<Wanted>,
) -> Result<Tagged<Created<User>>, ApiError> {
    let member = || BuiltInRole::Member.name().to_owned();
    let role = wanted.role.unwrap_or_else(member);
    operator.hold(&permitted(&control, &role).await?)?;
    let new = NewUser {
        email: address(&wanted.email)?,
        hashed_password: hashed(&control, wanted.password).await?,
        role,
    };
    let user = users::create(&control.registry, &new).await?;
    tracing::info!(operator = operator.subject, user = %user.id, "made a user");
    tagged(created(user))
}

pub(super) async fn show(
    State(control): State<Shared>,
    At(id): At<String>,
) -> Result<Tagged<Answer<User>>, ApiError> {
    let user = users::get(&control.registry, known(&id)?).await?;
    tagged(ok(user))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = UserPatch)]
pub(super) struct Patch {
    email: Option<String>,
    role: Option<String>,
    password: Option<String>,
}

pub(super) async fn change(
    State(control): State<Shared>,
    operator: Operator,
    At(id): At<String>,
    Unchanged(condition): Unchanged,
    Json(patch): Json<Patch>,
) -> Result<Tagged<Answer<User>>, ApiError> {
    let before = users::get(&control.registry, known(&id)?).await?;
    condition.check(&before)?;
    operator.hold(&operators::reach(&control.registry, before.id).await?)?;
    if let Some(role) = &patch.role {
        operator.hold(&permitted(&control, role).await?)?;
        if before.id == control.registry.admin() {
            return Err(stays(
                "this user stands for the installation and keeps its role",
            ));
        }
    }
    let wanted = UserChange {
        email: patch.email.as_deref().map(address).transpose()?,
        role: patch.role,
        hashed_password: hashed(&control, patch.password).await?,
    };
    // Judged as they were: if they have another role by now, somebody has to look again.
    let seen = (before.id, before.updated_at);
    let user = users::change(&control.registry, seen, &wanted).await?;
    tracing::info!(operator = operator.subject, user = %user.id, role = user.role, "changed a user");
    tagged(ok(user))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Removal {
    transfer_to: Option<Uuid>,
}

pub(super) async fn remove(
    State(control): State<Shared>,
    operator: Operator,
    At(id): At<String>,
    Asked(removal): Asked<Removal>,
) -> Result<NoContent, ApiError> {
    let user = users::get(&control.registry, known(&id)?).await?;
    operator.hold(&operators::reach(&control.registry, user.id).await?)?;
    let estate = removal
        .transfer_to
        .map_or(Estate::Remove, Estate::TransferTo);
    let components = owned::remove_user(&control.registry, user.id, estate).await?;
    tracing::info!(operator = operator.subject, user = %user.id, "deleted a user");
    removal::clear_components(&control, &components).await;
    control.sweeper.sweep().await;
    Ok(NoContent)
}

pub(super) async fn projects(
    State(control): State<Shared>,
    At(id): At<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Possession>>, ApiError> {
    possessions(&control, &id, Owned::Projects, &paging).await
}

pub(super) async fn functions(
    State(control): State<Shared>,
    At(id): At<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Possession>>, ApiError> {
    possessions(&control, &id, Owned::Functions, &paging).await
}

pub(super) async fn email_logs(
    State(control): State<Shared>,
    At(id): At<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Message>>, ApiError> {
    let page = paging.page(EMAIL_LOGS)?;
    let found = messages::of_user(&control.registry, known(&id)?, &page).await?;
    part(EMAIL_LOGS, found, |message| message.number)
}

pub(super) async fn files(
    State(control): State<Shared>,
    At(id): At<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Possession>>, ApiError> {
    possessions(&control, &id, Owned::Files, &paging).await
}

pub(super) async fn vector_indexes(
    State(control): State<Shared>,
    At(id): At<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Possession>>, ApiError> {
    possessions(&control, &id, Owned::VectorIndexes, &paging).await
}

async fn possessions(
    control: &Control,
    id: &str,
    kind: Owned,
    paging: &Paging,
) -> Result<Answer<Items<Possession>>, ApiError> {
    let page = paging.page(POSSESSIONS)?;
    let found = owned::list(&control.registry, known(id)?, kind, &page).await?;
    part(POSSESSIONS, found, |one| one.id)
}

/// A user's id out of a path.
pub(super) fn known(id: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(id).map_err(|_| ApiError::UnknownUser(id.to_owned()))
}

/// What a role permits.
pub(super) async fn permitted(
    control: &Control,
    role: &str,
) -> Result<BTreeSet<Permission>, ApiError> {
    Ok(custom_roles::get(&control.registry, role)
        .await?
        .permissions)
}

async fn hashed(
    control: &Control,
    password: Option<String>,
) -> Result<Option<PasswordHash>, ApiError> {
    match password {
        None => Ok(None),
        Some(text) => Ok(Some(
            control.accounts.hash_new(Password::claimed(text)).await?,
        )),
    }
}

fn address(text: &str) -> Result<crate::registry::email::Email, ApiError> {
    let wrong = |error| ApiError::Invalid(vec![Mistake::at("email", format!("{error}"))]);
    text.parse()
        .map_err(|error: crate::registry::email::EmailError| wrong(error))
}

fn stays(reason: &str) -> ApiError {
    ApiError::from(RegistryError::Conflict {
        kind: Standing::State,
        reason: reason.to_owned(),
        errors: Vec::new(),
    })
}
