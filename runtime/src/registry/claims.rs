//! The claims that a project declares its tokens to carry, and which of them every token must have.
//!
//! Declaring is optional. Once a claim is declared, policies may read no other, so a change of the
//! declaration is checked against all policies like a change of a table.

use koyalite_policy::{Claims, ProjectName};
use uuid::Uuid;

use super::audit::{Action, Deed};
use super::change::{Change, LockedProject, project_id};
use super::error::{Mistake, RegistryError, refuse_if_any};
use super::pool::DbConnection;
use super::{Registry, mirror, tables};

/// Far above what tokens hold: all of them travel in one header line.
pub const CLAIMS_MAX: usize = 100;

/// The longest name of a claim.
pub const CLAIM_BYTES_MAX: usize = 128;

/// What a project declares.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn get(registry: &Registry, project: &ProjectName) -> Result<Claims, RegistryError> {
    let id = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    load(&mut conn, id).await
}

/// Declares these claims and no others.
///
/// # Errors
/// `Invalid` for names that no claim has; `Conflict` where a policy reads a claim that would no
/// longer be declared, with all such policies.
pub async fn replace(
    registry: &Registry,
    project: &ProjectName,
    claims: &Claims,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    replace_in(&mut change, &locked, claims).await?;
    tables::check_policies(&mut change, &locked).await?;
    let declared = serde_json::to_value(claims).map_err(RegistryError::internal)?;
    let deed = Deed::new(Action::ClaimsReplace, project).with("claims", declared);
    mirror::commit(change, &locked, deed).await
}

/// The same inside a change, whose end checks the policies.
pub(crate) async fn replace_in(
    change: &mut Change<'_>,
    project: &LockedProject,
    claims: &Claims,
) -> Result<(), RegistryError> {
    let mut mistakes = Vec::new();
    if claims.0.len() > CLAIMS_MAX {
        let message = format!("declare at most {CLAIMS_MAX} claims");
        mistakes.push(Mistake::new("claims", message));
    }
    for name in claims.0.keys() {
        if name.is_empty() || name.len() > CLAIM_BYTES_MAX || name.chars().any(char::is_control) {
            let message = format!("a claim's name has 1 to {CLAIM_BYTES_MAX} bytes");
            mistakes.push(Mistake::new("claims", message));
        }
    }
    refuse_if_any(mistakes)?;
    sqlx::query!(
        "UPDATE koyalite.projects SET claims = $2, updated_at = now() WHERE id = $1",
        project.id,
        serde_json::to_value(claims).map_err(RegistryError::internal)?,
    )
    .execute(change.conn())
    .await?;
    Ok(())
}

/// A declaration under which a policy may read whatever one of the two allows.
pub(crate) fn either(one: &Claims, other: &Claims) -> Claims {
    match one.0.is_empty() || other.0.is_empty() {
        true => Claims::default(),
        false => Claims(
            one.0
                .iter()
                .chain(&other.0)
                .map(|(k, v)| (k.clone(), *v))
                .collect(),
        ),
    }
}

/// What a project declares, inside a change or not.
pub(crate) async fn load(conn: &mut DbConnection, project: Uuid) -> Result<Claims, RegistryError> {
    let stored = sqlx::query_scalar!(
        "SELECT claims FROM koyalite.projects WHERE id = $1",
        project,
    )
    .fetch_one(conn)
    .await?;
    read(stored)
}

/// A declaration as it is stored.
pub(crate) fn read(stored: serde_json::Value) -> Result<Claims, RegistryError> {
    serde_json::from_value(stored).map_err(RegistryError::internal)
}
