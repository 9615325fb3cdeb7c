//! Addresses that take no mail: put here by a bounce, taken away by an operator who knows better.

use chrono::{DateTime, Utc};
use koyalite_policy::ProjectName;
use serde::Serialize;

use super::super::Registry;
use super::super::audit::{Action, Deed};
use super::super::change::{Change, project_id};
use super::super::error::RegistryError;
use super::super::page::{Page, Part};

/// An address that takes no mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Suppression {
    /// In lower case.
    pub address: String,
    /// What the receiving side said.
    pub reason: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// A part of a project's, the latest first.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    page: &Page<(DateTime<Utc>, String)>,
) -> Result<Part<Suppression>, RegistryError> {
    let project = project_id(registry, project).await?;
    let (made, last) = page.after.clone().unzip();
    let suppressions = sqlx::query_as!(
        Suppression,
        "SELECT address, reason, created_at FROM koyalite.email_suppressions
         WHERE project_id = $1 AND ($2::timestamptz IS NULL OR created_at < $2
             OR (created_at = $2 AND address > $3))
         ORDER BY created_at DESC, address LIMIT $4",
        project,
        made,
        last,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(suppressions))
}

/// Lets an address have mail again.
///
/// # Errors
/// `NotFound` where it is not suppressed.
pub async fn delete(
    registry: &Registry,
    project: &ProjectName,
    address: &str,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    let deleted = sqlx::query!(
        "DELETE FROM koyalite.email_suppressions WHERE project_id = $1 AND address = lower($2)",
        project,
        address,
    )
    .execute(change.conn())
    .await?;
    match deleted.rows_affected() {
        0 => Err(RegistryError::not_found("suppression", address)),
        _ => {
            change
                .commit(Deed::new(Action::SuppressionLift, address))
                .await
        }
    }
}
