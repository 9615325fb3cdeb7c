//! Endpoints: who has subscribed to which events, and what signs their deliveries.
//!
//! A secret is shown when it is made and never again; the one before a rotation signs beside it for a
//! day, so that receivers can change over at leisure.

use chrono::{DateTime, Utc};
use koyalite_policy::ProjectName;
use serde::Serialize;
use uuid::Uuid;

use super::super::Registry;
use super::super::audit::{Action, Deed};
use super::super::change::Change;
use super::super::columns;
use super::super::condition::Condition;
use super::super::error::{RegistryError, Standing};
use super::endpoint_list::find;
use super::input::{Columns, EndpointPatch, Judged, NewEndpoint};
use super::tables;
use crate::keys::{Context, KeyRing, Sealed, Signature, WebhookKey};
use crate::registry::pool::DbConnection;

/// Endpoints of one project. An event is written once for each that wants it, in its own statement.
pub const ENDPOINTS_MAX: i64 = 1000;

/// How long the secret before a rotation signs too, in hours: a working day everywhere.
pub const ROTATION_HOURS: i32 = 24;

/// An endpoint as operators see it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Endpoint {
    /// Its id.
    pub id: Uuid,
    /// Where deliveries go.
    pub target_url: String,
    /// For people.
    pub description: String,
    /// What it has subscribed to.
    pub event_types: Vec<String>,
    /// What events of tables carry beside the primary key.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub columns: Columns,
    /// How deliveries are signed.
    pub signature: Signature,
    /// What receivers verify with, where that is no secret.
    pub public_key: Option<String>,
    /// Until when the secret before the last rotation signs too.
    pub previous_until: Option<DateTime<Utc>>,
    /// One delivery after the other.
    pub ordered: bool,
    /// Where in a payload it stands what a delivery is about; those about the same go one after the other.
    pub order_key: Option<String>,
    /// Deliveries a minute at most.
    pub rate_per_minute: Option<i32>,
    /// Whether anything is delivered.
    pub enabled: bool,
    /// Why not, where the host decided so.
    pub disabled_reason: Option<String>,
    /// Deliveries that have failed since the last that did not.
    pub failures: i32,
    /// Since when.
    pub failing_since: Option<DateTime<Utc>>,
    /// Until when nothing is tried.
    pub open_until: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Endpoint {
    /// The same without what deliveries have made of it: what a change may be held against.
    #[must_use]
    pub fn decided(&self) -> Self {
        Self {
            failures: 0,
            failing_since: None,
            open_until: None,
            ..self.clone()
        }
    }
}

/// An endpoint with what its receiver verifies with: the only time that it is shown.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Revealed {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// `whsec_…`, or for ed25519 the public `whpk_…`.
    pub secret: String,
}

/// Makes an endpoint.
///
/// # Errors
/// `Invalid` with every mistake.
pub async fn create(
    registry: &Registry,
    project: &ProjectName,
    new: &NewEndpoint,
) -> Result<Revealed, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let known = columns::load(change.conn(), Some(locked.id)).await?;
    let judged = Judged {
        target_url: &new.target_url,
        description: &new.description,
        event_types: &new.event_types,
        columns: &new.columns,
        order_key: new.order_key.as_deref(),
        rate_per_minute: new.rate_per_minute,
    };
    judged.check(&known)?;
    has_room(change.conn(), locked.id).await?;
    let id = Uuid::now_v7();
    let key = WebhookKey::random(new.signature);
    sqlx::query!(
        "INSERT INTO koyalite.webhook_endpoints
             (id, project_id, target_url, description, event_types, columns, signature, secret,
              ordered, rate_per_minute, order_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        id,
        locked.id,
        new.target_url,
        new.description,
        &new.event_types,
        serde_json::to_value(&new.columns).map_err(RegistryError::internal)?,
        new.signature.as_str(),
        seal(&registry.ring(), id, &key)?,
        new.ordered,
        new.rate_per_minute,
        new.order_key,
    )
    .execute(change.conn())
    .await?;
    tables::renew(&mut change, &locked, &tables::named(&new.event_types)).await?;
    let endpoint = find(change.conn(), &registry.ring(), (locked.id, id)).await?;
    let deed = Deed::new(Action::EndpointCreate, id).with("endpoint", recorded(&endpoint)?);
    change.commit(deed).await?;
    let secret = key.for_receiver();
    Ok(Revealed { endpoint, secret })
}

async fn has_room(conn: &mut DbConnection, project: Uuid) -> Result<(), RegistryError> {
    let there = sqlx::query_scalar!(
        "SELECT count(*) AS \"count!\" FROM koyalite.webhook_endpoints WHERE project_id = $1",
        project,
    )
    .fetch_one(conn)
    .await?;
    match there < ENDPOINTS_MAX {
        true => Ok(()),
        false => {
            let reason = format!("a project has at most {ENDPOINTS_MAX} endpoints");
            Err(RegistryError::conflict(Standing::State, reason))
        }
    }
}

/// An endpoint in a record: what an operator sees has no secret in it.
fn recorded(endpoint: &Endpoint) -> Result<serde_json::Value, RegistryError> {
    serde_json::to_value(endpoint).map_err(RegistryError::internal)
}

/// Changes an endpoint.
///
/// # Errors
/// `NotFound`, or `Invalid` with every mistake.
pub async fn update(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
    (condition, patch): (&Condition, EndpointPatch),
) -> Result<Endpoint, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let known = columns::load(change.conn(), Some(locked.id)).await?;
    let mut endpoint = find(change.conn(), &registry.ring(), (locked.id, id)).await?;
    condition.check(&endpoint.decided())?;
    let deed = Deed::new(Action::EndpointUpdate, id).with("before", recorded(&endpoint)?);
    let mut affected = tables::named(&endpoint.event_types);
    let on_again = patch.enabled == Some(true) && !endpoint.enabled;
    apply(&mut endpoint, patch);
    let judged = Judged {
        target_url: &endpoint.target_url,
        description: &endpoint.description,
        event_types: &endpoint.event_types,
        columns: &endpoint.columns,
        order_key: endpoint.order_key.as_deref(),
        rate_per_minute: endpoint.rate_per_minute,
    };
    judged.check(&known)?;
    sqlx::query!(
        "UPDATE koyalite.webhook_endpoints SET target_url = $2, description = $3, event_types = $4,
             columns = $5, ordered = $6, enabled = $7, rate_per_minute = $9, paced_until = NULL,
             order_key = $10, updated_at = now(),
             disabled_reason = CASE WHEN $8 THEN NULL ELSE disabled_reason END,
             failures = CASE WHEN $8 THEN 0 ELSE failures END,
             failing_since = CASE WHEN $8 THEN NULL ELSE failing_since END,
             open_until = CASE WHEN $8 THEN NULL ELSE open_until END
         WHERE id = $1",
        id,
        endpoint.target_url,
        endpoint.description,
        &endpoint.event_types,
        serde_json::to_value(&endpoint.columns).map_err(RegistryError::internal)?,
        endpoint.ordered,
        endpoint.enabled,
        on_again,
        endpoint.rate_per_minute,
        endpoint.order_key,
    )
    .execute(change.conn())
    .await?;
    affected.extend(tables::named(&endpoint.event_types));
    tables::renew(&mut change, &locked, &affected).await?;
    let endpoint = find(change.conn(), &registry.ring(), (locked.id, id)).await?;
    let deed = deed.with("endpoint", recorded(&endpoint)?);
    change.commit(deed).await?;
    Ok(endpoint)
}

fn apply(endpoint: &mut Endpoint, patch: EndpointPatch) {
    fn put<T>(to: &mut T, from: Option<T>) {
        if let Some(value) = from {
            *to = value;
        }
    }
    put(&mut endpoint.target_url, patch.target_url);
    put(&mut endpoint.description, patch.description);
    put(&mut endpoint.event_types, patch.event_types);
    put(&mut endpoint.columns, patch.columns);
    put(&mut endpoint.ordered, patch.ordered);
    put(&mut endpoint.order_key, patch.order_key);
    put(&mut endpoint.rate_per_minute, patch.rate_per_minute);
    put(&mut endpoint.enabled, patch.enabled);
}

/// Deletes an endpoint with its deliveries.
///
/// # Errors
/// `NotFound` where the project has none of this id.
pub async fn delete(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let endpoint = find(change.conn(), &registry.ring(), (locked.id, id)).await?;
    sqlx::query!("DELETE FROM koyalite.webhook_endpoints WHERE id = $1", id)
        .execute(change.conn())
        .await?;
    tables::renew(&mut change, &locked, &tables::named(&endpoint.event_types)).await?;
    let deed = Deed::new(Action::EndpointDelete, id).with("before", recorded(&endpoint)?);
    change.commit(deed).await
}

/// Makes a new secret; the one so far goes on signing beside it for a while.
///
/// # Errors
/// `NotFound` where the project has none of this id.
pub async fn rotate(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
) -> Result<Revealed, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let endpoint = find(change.conn(), &registry.ring(), (locked.id, id)).await?;
    let key = WebhookKey::random(endpoint.signature);
    sqlx::query!(
        "UPDATE koyalite.webhook_endpoints SET previous_secret = secret, secret = $2,
             previous_until = now() + make_interval(hours => $3), updated_at = now()
         WHERE id = $1",
        id,
        seal(&registry.ring(), id, &key)?,
        ROTATION_HOURS,
    )
    .execute(change.conn())
    .await?;
    let endpoint = find(change.conn(), &registry.ring(), (locked.id, id)).await?;
    change.commit(Deed::new(Action::EndpointRotate, id)).await?;
    let secret = key.for_receiver();
    Ok(Revealed { endpoint, secret })
}

pub(super) fn signature_of(word: &str) -> Result<Signature, RegistryError> {
    Signature::parse(word)
        .ok_or_else(|| RegistryError::internal(format!("unknown signature {word:?}")))
}

/// Both secrets of a row have one place: a rotation moves the bytes from one column to the other.
fn place(row: &str) -> Context<'_> {
    Context {
        table: "webhook_endpoints",
        row,
        column: "secret",
    }
}

fn seal(ring: &KeyRing, id: Uuid, key: &WebhookKey) -> Result<Vec<u8>, RegistryError> {
    let row = id.to_string();
    let sealed = ring.seal(key.expose(), &place(&row));
    Ok(sealed.map_err(RegistryError::internal)?.into_bytes())
}

pub(super) fn unseal(
    ring: &KeyRing,
    id: Uuid,
    signature: Signature,
    sealed: Vec<u8>,
) -> Result<WebhookKey, RegistryError> {
    let row = id.to_string();
    let plain = ring
        .unseal(&Sealed::from_bytes(sealed), &place(&row))
        .map_err(RegistryError::internal)?;
    WebhookKey::from_bytes(signature, &plain)
        .ok_or_else(|| RegistryError::internal("a webhook's secret of another length"))
}
