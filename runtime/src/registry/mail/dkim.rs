//! The keys that a project's mail is signed with, one for each address that it sends from.

use koyalite_policy::ProjectName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::Registry;
use super::super::audit::{Action, Deed};
use super::super::change::Change;
use super::super::condition::Condition;
use super::super::error::{Mistake, RegistryError, refuse_if_any};
use super::senders::{self, Sender};
use crate::keys::{Context, DkimAlgorithm, DkimKey, KeyRing, Sealed};

/// The longest selector: a label of DNS.
const SELECTOR_BYTES_MAX: usize = 63;

/// How mail of an address is signed, and what its domain has to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Dkim {
    /// Names the key among those of the domain.
    pub selector: String,
    /// `rsa-sha256` or `ed25519-sha256`.
    pub algorithm: String,
    /// The name of the TXT record.
    pub record_name: String,
    /// What it has to say.
    pub record: String,
}

/// How mail of an address is to be signed.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct NewDkim {
    /// A label of DNS.
    pub selector: String,
    /// None: RSA.
    #[serde(default)]
    pub algorithm: DkimAlgorithm,
    /// One that is there already; none: a fresh one.
    pub private_key: Option<String>,
}

impl Dkim {
    pub(super) fn of(
        address: &str,
        (selector, algorithm, record): (Option<String>, Option<String>, Option<String>),
    ) -> Option<Self> {
        let (selector, domain) = (selector?, address.rsplit_once('@')?.1);
        Some(Self {
            record_name: format!("{selector}._domainkey.{domain}"),
            algorithm: algorithm?,
            record: record?,
            selector,
        })
    }
}

/// Signs the mail of an address from now on, where that is as the condition says.
///
/// # Errors
/// `Invalid` with every mistake; `NotFound` where the project has none of this id; `Conflict` where the
/// condition does not hold.
pub async fn set(
    registry: &Registry,
    project: &ProjectName,
    (sender, new): (Uuid, NewDkim),
    condition: &Condition,
) -> Result<Sender, RegistryError> {
    let key = key(&new).await?;
    let row = sender.to_string();
    let sealed = registry.ring().seal(key.expose(), &place(&row));
    let sealed = sealed.map_err(RegistryError::internal)?.into_bytes();
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    condition.check(&senders::find(change.conn(), project, sender).await?)?;
    sqlx::query!(
        "UPDATE koyalite.email_senders
         SET dkim_key = $3, dkim_selector = $4, dkim_algorithm = $5, dkim_record = $6
         WHERE project_id = $1 AND id = $2",
        project,
        sender,
        sealed,
        new.selector,
        new.algorithm.as_str(),
        key.record(),
    )
    .execute(change.conn())
    .await?;
    let signed = senders::find(change.conn(), project, sender).await?;
    let deed = Deed::new(Action::SenderSign, sender).with("selector", new.selector.as_str());
    change.commit(deed).await?;
    Ok(signed)
}

/// The key that is asked for: read, or made away from the threads that serve.
async fn key(new: &NewDkim) -> Result<DkimKey, RegistryError> {
    let mut wrong = Vec::new();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if new.selector.is_empty()
        || new.selector.len() > SELECTOR_BYTES_MAX
        || new.selector.starts_with('-')
        || !new.selector.bytes().all(plain)
    {
        let message = "write a label of DNS: lower-case letters, digits and -";
        wrong.push(Mistake::new("selector", message));
    }
    let brought = new.private_key.as_ref();
    let brought = brought.map(|text| DkimKey::parse(new.algorithm, text));
    if matches!(brought, Some(None)) {
        let message =
            "write an RSA key of 2048 to 4096 bits as PEM, or 32 bytes of Ed25519 as base64";
        wrong.push(Mistake::new("private_key", message));
    }
    refuse_if_any(wrong)?;
    if let Some(Some(key)) = brought {
        return Ok(key);
    }
    let algorithm = new.algorithm;
    let made = tokio::task::spawn_blocking(move || DkimKey::random(algorithm));
    let made = made.await.map_err(RegistryError::internal)?;
    made.ok_or_else(|| RegistryError::internal(std::io::Error::other("no key could be made")))
}

/// Sends the mail of an address unsigned from now on.
///
/// # Errors
/// `NotFound` where the project has none of this id.
pub async fn remove(
    registry: &Registry,
    project: &ProjectName,
    sender: Uuid,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    let removed = sqlx::query!(
        "UPDATE koyalite.email_senders
         SET dkim_key = NULL, dkim_selector = NULL, dkim_algorithm = NULL, dkim_record = NULL
         WHERE project_id = $1 AND id = $2",
        project,
        sender,
    )
    .execute(change.conn())
    .await?;
    match removed.rows_affected() {
        0 => Err(RegistryError::not_found("sender", sender)),
        _ => change.commit(Deed::new(Action::SenderUnsign, sender)).await,
    }
}

/// The key of a row, opened.
pub(crate) fn open(
    ring: &KeyRing,
    sender: Uuid,
    (algorithm, sealed): (&str, Vec<u8>),
) -> Option<DkimKey> {
    let row = sender.to_string();
    let plain = ring
        .unseal(&Sealed::from_bytes(sealed), &place(&row))
        .ok()?;
    let text = std::str::from_utf8(&plain).ok()?;
    DkimKey::parse(DkimAlgorithm::parse(algorithm)?, text)
}

fn place(row: &str) -> Context<'_> {
    Context {
        table: "email_senders",
        row,
        column: "dkim_key",
    }
}
