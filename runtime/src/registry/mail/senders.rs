//! The addresses that a project sends from. The oldest is the one where a message names none.

use chrono::{DateTime, Utc};
use koyalite_host_api::outbox::email::{is_address, is_line};
use koyalite_policy::ProjectName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::Registry;
use super::super::audit::{Action, Deed};
use super::super::change::{Change, project_id};
use super::super::error::{Mistake, RegistryError, refuse_if_any};

/// Characters of the name beside an address.
pub const SENDER_NAME_CHARS_MAX: usize = 100;

/// An address to send from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Sender {
    /// Its id.
    pub id: Uuid,
    /// The address.
    pub address: String,
    /// The name that recipients see beside it.
    pub name: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
}

/// An address to add.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
pub struct NewSender {
    /// The address.
    pub address: String,
    /// The name that recipients see beside it.
    #[serde(default)]
    pub name: String,
}

/// Adds an address.
///
/// # Errors
/// `Invalid` with every mistake; `Conflict` where it is there.
pub async fn create(
    registry: &Registry,
    project: &ProjectName,
    new: &NewSender,
) -> Result<Sender, RegistryError> {
    let mut wrong = Vec::new();
    if !is_address(&new.address) {
        let message = "write one plain address, as in shop@example.com";
        wrong.push(Mistake::new("address", message));
    }
    if !is_line(&new.name) || new.name.chars().count() > SENDER_NAME_CHARS_MAX {
        let message = format!("write one line of at most {SENDER_NAME_CHARS_MAX} characters");
        wrong.push(Mistake::new("name", message));
    }
    refuse_if_any(wrong)?;
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    let sender = sqlx::query_as!(
        Sender,
        "INSERT INTO koyalite.email_senders (id, project_id, address, name) VALUES ($1, $2, $3, $4)
         RETURNING id, address, name, created_at",
        Uuid::now_v7(),
        project,
        new.address,
        new.name,
    )
    .fetch_one(change.conn())
    .await?;
    let deed = Deed::new(Action::SenderCreate, sender.id).with("address", sender.address.clone());
    change.commit(deed).await?;
    Ok(sender)
}

/// The addresses of a project, the first one first.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
) -> Result<Vec<Sender>, RegistryError> {
    let project = project_id(registry, project).await?;
    let senders = sqlx::query_as!(
        Sender,
        "SELECT id, address, name, created_at FROM koyalite.email_senders
         WHERE project_id = $1 ORDER BY created_at, id",
        project,
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(senders)
}

/// Removes an address.
///
/// # Errors
/// `NotFound` where the project has none of this id.
pub async fn delete(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    let deleted = sqlx::query!(
        "DELETE FROM koyalite.email_senders WHERE project_id = $1 AND id = $2",
        project,
        id,
    )
    .execute(change.conn())
    .await?;
    match deleted.rows_affected() {
        0 => Err(RegistryError::not_found("sender", id)),
        _ => change.commit(Deed::new(Action::SenderDelete, id)).await,
    }
}
