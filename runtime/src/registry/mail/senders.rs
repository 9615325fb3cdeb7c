//! The addresses that a project sends from. The oldest is the one where a message names none.

use chrono::{DateTime, Utc};
use koyalite_host_api::outbox::email::{is_address, is_line};
use koyalite_policy::ProjectName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::Registry;
use super::super::audit::{Action, Deed};
use super::super::change::{Change, project_id};
use super::super::condition::Condition;
use super::super::error::{Mistake, RegistryError, refuse_if_any};
use super::dkim::Dkim;
use crate::registry::pool::DbConnection;

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
    /// Where bounces go to, with a message's id behind a plus sign; none: to the address itself, as it is.
    pub return_path: Option<String>,
    /// How its mail is signed; none: it is not.
    pub dkim: Option<Dkim>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
}

/// A row as it is stored.
struct Row {
    id: Uuid,
    address: String,
    name: String,
    return_path: Option<String>,
    dkim_selector: Option<String>,
    dkim_algorithm: Option<String>,
    dkim_record: Option<String>,
    created_at: DateTime<Utc>,
}

impl Row {
    fn sender(self) -> Sender {
        let dkim = (self.dkim_selector, self.dkim_algorithm, self.dkim_record);
        Sender {
            dkim: Dkim::of(&self.address, dkim),
            id: self.id,
            address: self.address,
            name: self.name,
            return_path: self.return_path,
            created_at: self.created_at,
        }
    }
}

/// An address to add.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
pub struct NewSender {
    /// The address.
    pub address: String,
    /// The name that recipients see beside it.
    #[serde(default)]
    pub name: String,
    /// Where bounces go to.
    pub return_path: Option<String>,
}

fn check_return_path(address: Option<&str>) -> Option<Mistake> {
    let fits = address.is_none_or(|address| is_address(address) && !address.contains('+'));
    let message = "write one plain address without a plus sign, as in bounces@example.com";
    (!fits).then(|| Mistake::new("return_path", message))
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
    wrong.extend(check_return_path(new.return_path.as_deref()));
    refuse_if_any(wrong)?;
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    let sender = sqlx::query_as!(
        Row,
        "INSERT INTO koyalite.email_senders (id, project_id, address, name, return_path)
         VALUES ($1, $2, $3, $4, $5)
         RETURNING id, address, name, return_path, dkim_selector, dkim_algorithm, dkim_record,
             created_at",
        Uuid::now_v7(),
        project,
        new.address,
        new.name,
        new.return_path,
    )
    .fetch_one(change.conn())
    .await?
    .sender();
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
    let mut conn = registry.pool.acquire().await?;
    list_in(&mut conn, project).await
}

async fn list_in(conn: &mut DbConnection, project: Uuid) -> Result<Vec<Sender>, RegistryError> {
    let senders = sqlx::query_as!(
        Row,
        "SELECT id, address, name, return_path, dkim_selector, dkim_algorithm, dkim_record,
             created_at
         FROM koyalite.email_senders
         WHERE project_id = $1 ORDER BY created_at, id",
        project,
    )
    .fetch_all(conn)
    .await?;
    Ok(senders.into_iter().map(Row::sender).collect())
}

/// The address of that id.
///
/// # Errors
/// `NotFound` where the project has none.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
) -> Result<Sender, RegistryError> {
    let project = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    find(&mut conn, project, id).await
}

/// The same, inside a change or not.
pub(super) async fn find(
    conn: &mut DbConnection,
    project: Uuid,
    id: Uuid,
) -> Result<Sender, RegistryError> {
    let mut senders = list_in(conn, project).await?.into_iter();
    let found = senders.find(|sender| sender.id == id);
    found.ok_or_else(|| RegistryError::not_found("sender", id))
}

/// Has bounces of an address go to another one, or to itself, where that address is as the condition says.
///
/// # Errors
/// `Invalid`; `NotFound` where the project has none of this id; `Conflict` where the condition does not hold.
pub async fn set_return_path(
    registry: &Registry,
    project: &ProjectName,
    (id, address): (Uuid, Option<String>),
    condition: &Condition,
) -> Result<Sender, RegistryError> {
    refuse_if_any(check_return_path(address.as_deref()).into_iter().collect())?;
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    condition.check(&find(change.conn(), project, id).await?)?;
    let sender = sqlx::query_as!(
        Row,
        "UPDATE koyalite.email_senders SET return_path = $3 WHERE project_id = $1 AND id = $2
         RETURNING id, address, name, return_path, dkim_selector, dkim_algorithm, dkim_record,
             created_at",
        project,
        id,
        address,
    )
    .fetch_optional(change.conn())
    .await?
    .ok_or_else(|| RegistryError::not_found("sender", id))?
    .sender();
    let deed = Deed::new(Action::SenderReturnPath, id).with("return_path", address);
    change.commit(deed).await?;
    Ok(sender)
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
