//! Roles: the built-in ones to read, custom ones to make of permissions that their maker holds.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::NoContent;
use serde::Deserialize;

use crate::http::Mistake;
use crate::registry::custom_roles::{self, Role, RoleChange};
use crate::registry::roles::Permission;

use super::Shared;
use super::answer::{Answer, Created, Items, created, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At};
use super::json::Json;
use super::paging::{Paging, part};
use super::permission::name;
use super::unchanged::{Tagged, Unchanged, tagged};

pub(super) async fn list(
    State(control): State<Shared>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Role>>, ApiError> {
    let page = paging.page("roles")?;
    let roles = custom_roles::list(&control.registry).await?;
    let key = |role: &Role| role.name.clone();
    part("roles", page.cut(roles, key), key)
}

pub(super) async fn show(
    State(control): State<Shared>,
    At(role): At<String>,
) -> Result<Tagged<Answer<Role>>, ApiError> {
    tagged(ok(custom_roles::get(&control.registry, &role).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = NewRole)]
pub(super) struct Wanted {
    name: String,
    permissions: Vec<String>,
}

pub(super) async fn create(
    State(control): State<Shared>,
    operator: Operator,
    Json(wanted): Json<Wanted>,
) -> Result<Tagged<Created<Role>>, ApiError> {
    let permissions = read(&wanted.permissions)?;
    operator.hold(&permissions)?;
    let role = custom_roles::create(&control.registry, &wanted.name, &permissions).await?;
    tracing::info!(operator = operator.subject, role = role.name, "made a role");
    tagged(created(role))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = RolePatch)]
pub(super) struct Patch {
    permissions: Vec<String>,
}

pub(super) async fn change(
    State(control): State<Shared>,
    operator: Operator,
    At(role): At<String>,
    Unchanged(condition): Unchanged,
    Json(patch): Json<Patch>,
) -> Result<Tagged<Answer<Role>>, ApiError> {
    let permissions = read(&patch.permissions)?;
    operator.hold(&permissions)?;
    // To take something away from a role is to take it from its holders.
    let before = custom_roles::get(&control.registry, &role).await?;
    condition.check(&before)?;
    operator.hold(&before.permissions)?;
    let wanted = RoleChange {
        permissions,
        before: before.permissions,
    };
    let role = custom_roles::change(&control.registry, &role, &wanted).await?;
    tracing::info!(
        operator = operator.subject,
        role = role.name,
        "changed a role"
    );
    tagged(ok(role))
}

pub(super) async fn remove(
    State(control): State<Shared>,
    operator: Operator,
    At(role): At<String>,
) -> Result<NoContent, ApiError> {
    custom_roles::remove(&control.registry, &role).await?;
    tracing::info!(operator = operator.subject, role, "deleted a role");
    Ok(NoContent)
}

/// Permissions by their names; all that are none are told at once, with those that there are.
fn read(names: &[String]) -> Result<BTreeSet<Permission>, ApiError> {
    let of = |text: &String| Permission::ALL.into_iter().find(|one| name(*one) == *text);
    let known: BTreeSet<Permission> = names.iter().filter_map(of).collect();
    let unknown = names
        .iter()
        .enumerate()
        .filter(|(_, text)| of(text).is_none());
    let mistakes: Vec<Mistake> = unknown
        .map(|(index, text)| {
            let message = format!("{text:?} is not a permission; there are {}", all());
            Mistake::at(format!("permissions[{index}]"), message)
        })
        .collect();
    match mistakes.is_empty() {
        true => Ok(known),
        false => Err(ApiError::Invalid(mistakes)),
    }
}

fn all() -> String {
    Permission::ALL.map(name).join(", ")
}
