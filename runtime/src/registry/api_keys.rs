//! A project's API keys: made, listed, deleted, and known by their hashes to whoever serves requests.
//! The key itself passes through here once and is not kept.
//!
//! When a key was last used is noted in memory by each request and written now and then, for all keys
//! at once: no request waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use koyalite_policy::ProjectName;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::audit::{Action, Deed};
use super::change::{Change, project_id};
use super::error::{Mistake, RegistryError, Standing, refuse_if_any};
use super::page::{Page, Part};
use super::pool::DbConnection;
use super::snapshot::{ProjectEntry, Snapshot};
use super::{Outage, Registry};
use crate::keys::{ApiKey, KeyHash};

/// Every node holds all of them; a project has one for each program that calls it.
pub const API_KEYS_MAX: i64 = 100;

/// As long as a policy's name.
pub const API_KEY_NAME_CHARS_MAX: usize = 100;

/// How late `last_used_at` may be. One statement for all keys.
const NOTE_INTERVAL: Duration = Duration::from_secs(30);

/// As whom a key's bearer calls.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// As nobody: `anon`.
    Anon,
    /// As the function that is called: `service_role`.
    Service,
}

impl Scope {
    const ALL: [Self; 2] = [Self::Anon, Self::Service];

    fn as_str(self) -> &'static str {
        match self {
            Self::Anon => "anon",
            Self::Service => "service",
        }
    }
}

/// A key as operators see it, without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ApiKey)]
pub struct Listed {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// How it begins.
    pub prefix: String,
    /// As whom its bearer may call.
    pub scopes: Vec<String>,
    /// When it ends; none: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// The subject of the operator's token that made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used, half a minute late at most; none: never.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A key to make.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What it is called, unique in the project.
    pub name: String,
    /// As whom its bearer may call.
    pub scopes: Vec<Scope>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// Who makes it.
    pub by: String,
}

/// A key as requests are judged by it.
#[derive(Debug)]
pub struct KeyEntry {
    /// Its id.
    pub id: Uuid,
    /// As whom its bearer calls: the strongest of its scopes.
    pub scope: Scope,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    used: Arc<Used>,
}

/// In microseconds since 1970; 0 is never. Shared by all entries of one key, for those come and go.
#[derive(Debug, Default)]
struct Used {
    at: AtomicI64,
    noted: AtomicI64,
}

/// The keys of one project, by hash.
pub type Keys = HashMap<KeyHash, KeyEntry>;

impl KeyEntry {
    /// Remembers that it was used.
    pub fn used(&self, now: DateTime<Utc>) {
        self.used
            .at
            .store(now.timestamp_micros(), Ordering::Relaxed);
    }
}

/// Makes a key. It is answered here and never again.
///
/// # Errors
/// `Invalid` where the name or the end make no sense; `Conflict` where the name is taken or there are
/// too many.
pub async fn create(
    registry: &Registry,
    project: &ProjectName,
    new: NewKey,
) -> Result<(ApiKey, Listed), RegistryError> {
    check(&new, Utc::now())?;
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let environment = has_room(change.conn(), locked.id).await?;
    let key = ApiKey::random(&environment);
    let hash = key.hash();
    let scopes: Vec<String> = new.scopes.iter().map(|s| s.as_str().to_owned()).collect();
    let listed = sqlx::query_as!(
        Listed,
        "INSERT INTO koyalite.api_keys (id, project_id, name, prefix, sha256, scopes, expires_at,
             created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         RETURNING id, name, prefix, scopes, expires_at, created_by, created_at, last_used_at",
        Uuid::now_v7(),
        locked.id,
        new.name,
        key.prefix(),
        hash.as_slice(),
        &scopes,
        new.expires_at,
        new.by,
    )
    .fetch_one(change.conn())
    .await?;
    let deed = Deed::new(Action::ApiKeyCreate, &listed.name).with("scopes", listed.scopes.clone());
    change.commit(deed).await?;
    Ok((key, listed))
}

fn check(new: &NewKey, now: DateTime<Utc>) -> Result<(), RegistryError> {
    let mut mistakes = Vec::new();
    if !(1..=API_KEY_NAME_CHARS_MAX).contains(&new.name.chars().count()) {
        let message = format!("write 1 to {API_KEY_NAME_CHARS_MAX} characters");
        mistakes.push(Mistake::new("name", message));
    }
    if new.scopes.is_empty() {
        mistakes.push(Mistake::new("scopes", "write [\"anon\"] or [\"service\"]"));
    }
    if new.expires_at.is_some_and(|end| end <= now) {
        mistakes.push(Mistake::new("expires_at", "must be in the future"));
    }
    refuse_if_any(mistakes)
}

/// The project's environment, where it may have another key.
async fn has_room(conn: &mut DbConnection, project: Uuid) -> Result<String, RegistryError> {
    let row = sqlx::query!(
        "SELECT environment, (SELECT count(*) FROM koyalite.api_keys WHERE project_id = $1) AS \"keys!\"
         FROM koyalite.projects WHERE id = $1",
        project,
    )
    .fetch_one(conn)
    .await?;
    match row.keys < API_KEYS_MAX {
        true => Ok(row.environment),
        false => Err(RegistryError::conflict(
            Standing::State,
            format!("a project has at most {API_KEYS_MAX} API keys; delete one that is not used"),
        )),
    }
}

/// Which keys; what is not given narrows nothing.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Whose name begins so.
    pub name: Option<String>,
    /// That begin so themselves.
    pub prefix: Option<String>,
    /// With this scope.
    pub scope: Option<Scope>,
    /// In this state.
    pub status: Option<KeyStatus>,
}

/// Whether a key is good still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ApiKeyStatus)]
pub enum KeyStatus {
    /// It is.
    Active,
    /// Its end has come.
    Expired,
}

/// The keys of a project, by name.
///
/// # Errors
/// `NotFound` for an unknown project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    filter: &KeyFilter,
    page: &Page<String>,
) -> Result<Part<Listed>, RegistryError> {
    let project = project_id(registry, project).await?;
    let rows = sqlx::query_as!(
        Listed,
        "SELECT id, name, prefix, scopes, expires_at, created_by, created_at, last_used_at
         FROM koyalite.api_keys
         WHERE project_id = $1 AND ($2::text IS NULL OR name > $2)
             AND ($4::text IS NULL OR starts_with(name, $4))
             AND ($5::text IS NULL OR starts_with(prefix, $5))
             AND ($6::text IS NULL OR $6 = ANY(scopes))
             AND ($7::boolean IS NULL OR $7 = (expires_at IS NOT NULL AND expires_at <= now()))
         ORDER BY name LIMIT $3",
        project,
        page.after.as_deref(),
        page.rows(),
        filter.name,
        filter.prefix,
        filter.scope.map(Scope::as_str),
        filter.status.map(|status| status == KeyStatus::Expired),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(rows))
}

/// A key, by its id or its name.
///
/// # Errors
/// `NotFound` for an unknown project or key.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    key: &str,
) -> Result<Listed, RegistryError> {
    let project = project_id(registry, project).await?;
    let found = sqlx::query_as!(
        Listed,
        "SELECT id, name, prefix, scopes, expires_at, created_by, created_at, last_used_at
         FROM koyalite.api_keys
         WHERE project_id = $1 AND (id::text = $2 OR name = $2)
         ORDER BY id::text = $2 DESC LIMIT 1",
        project,
        key,
    )
    .fetch_optional(&registry.pool)
    .await?;
    found.ok_or_else(|| RegistryError::not_found("api key", key))
}

/// Deletes a key, by its id or its name. Its bearer is refused from then on.
///
/// # Errors
/// `NotFound` for an unknown project or key.
pub async fn delete(
    registry: &Registry,
    project: &ProjectName,
    key: &str,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    sqlx::query_scalar!(
        "DELETE FROM koyalite.api_keys WHERE project_id = $1 AND (id::text = $2 OR name = $2)
         RETURNING id",
        project,
        key,
    )
    .fetch_optional(change.conn())
    .await?
    .ok_or_else(|| RegistryError::not_found("api key", key))?;
    change.commit(Deed::new(Action::ApiKeyDelete, key)).await
}

/// The keys of projects, by hash. Those that are known already keep when they were used.
pub(crate) async fn load(
    conn: &mut DbConnection,
    projects: &[Uuid],
    before: &Snapshot,
) -> Result<HashMap<Uuid, Keys>, RegistryError> {
    let rows = sqlx::query!(
        "SELECT id, project_id, sha256, scopes, expires_at FROM koyalite.api_keys
         WHERE project_id = ANY($1)",
        projects,
    )
    .fetch_all(conn)
    .await?;
    let mut keys: HashMap<Uuid, Keys> = HashMap::new();
    for row in rows {
        let hash = KeyHash::try_from(row.sha256.as_slice()).map_err(RegistryError::internal)?;
        let named = |scope: &Scope| row.scopes.iter().any(|word| word == scope.as_str());
        // A scope of a later release gives nothing here.
        let Some(scope) = Scope::ALL.into_iter().filter(named).max() else {
            continue;
        };
        let known = before.project_by_id(row.project_id);
        let known = known.and_then(|project| project.api_keys.get(&hash));
        let entry = KeyEntry {
            id: row.id,
            scope,
            expires_at: row.expires_at,
            used: known.map(|key| Arc::clone(&key.used)).unwrap_or_default(),
        };
        keys.entry(row.project_id).or_default().insert(hash, entry);
    }
    Ok(keys)
}

impl Registry {
    /// Writes down when keys were used, until `stop`, and a last time then.
    pub async fn note_used_keys(&self, stop: CancellationToken) {
        let mut outage = Outage::default();
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(NOTE_INTERVAL) => false,
            };
            outage.note(self.note_now().await, "noting when API keys were used");
            if stopped {
                return;
            }
        }
    }

    async fn note_now(&self) -> Result<(), RegistryError> {
        let snapshot = self.snapshot();
        let keys = snapshot.projects().flat_map(keys_of);
        let fresh = keys.filter_map(|key| {
            let at = key.used.at.load(Ordering::Relaxed);
            (at > key.used.noted.swap(at, Ordering::Relaxed)).then_some((key.id, at))
        });
        let (ids, times): (Vec<Uuid>, Vec<i64>) = fresh.unzip();
        if ids.is_empty() {
            return Ok(());
        }
        let times: Vec<_> = times
            .iter()
            .filter_map(|at| DateTime::from_timestamp_micros(*at))
            .collect();
        sqlx::query!(
            "UPDATE koyalite.api_keys k SET last_used_at = greatest(k.last_used_at, used.at)
             FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, at) WHERE k.id = used.id",
            &ids,
            &times,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn keys_of(project: &Arc<ProjectEntry>) -> impl Iterator<Item = &KeyEntry> {
    project.api_keys.values()
}
