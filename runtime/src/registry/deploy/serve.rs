//! The last step of every deployment: its row, the switch to it, and the schedules of what it serves.

use uuid::Uuid;

use super::affinity::{Affinity, Percent};
use super::stored::{Active, StoredVersion};
use super::terms::Terms;
use crate::registry::audit::{Author, Deed};
use crate::registry::error::RegistryError;
use crate::registry::manifest::Manifest;
use crate::registry::pool::DbConnection;
use crate::registry::{policy_sets, schedule_sync, settings};

/// Who deploys what.
#[derive(Clone, Copy)]
pub(super) struct Deploying {
    pub(super) project: Uuid,
    pub(super) function: Uuid,
    pub(super) by: Uuid,
}

/// What serves from now on.
pub(super) struct Serving<'a> {
    /// The version whose path, regions and schedules are the function's.
    pub(super) base: (&'a StoredVersion, &'a Manifest),
    /// The version with a share of the calls.
    pub(super) canary: Option<(Uuid, Percent)>,
    pub(super) terms: Terms,
}

/// Makes it serve. Answers the deployment's number.
pub(super) async fn serve(
    conn: &mut DbConnection,
    what: Deploying,
    serving: Serving<'_>,
) -> Result<i32, RegistryError> {
    let (version, manifest) = serving.base;
    settings::allow_regions(conn, what.project, manifest).await?;
    policy_sets::keep(conn, what.project, what.function).await?;
    let terms = serving.terms;
    let rule = terms.auto_rollback.map(serde_json::to_value).transpose();
    let deployment = sqlx::query!(
        "INSERT INTO koyalite.deployments (id, function_id, number, version_id, regions, created_by,
             canary_version_id, canary_weight, affinity, auto_rollback, message, cause, actor)
         SELECT $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
         FROM koyalite.deployments WHERE function_id = $2
         RETURNING id, number",
        Uuid::now_v7(),
        what.function,
        version.id,
        &manifest.region,
        what.by,
        serving.canary.map(|(version, _)| version),
        serving.canary.map(|(_, weight)| i32::from(weight.get())),
        terms.affinity.as_ref().map(Affinity::to_string),
        rule.map_err(RegistryError::internal)?,
        terms.message,
        terms.cause.word(),
        Author::current().actor,
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE koyalite.functions SET active_deployment_id = $2, path = $3, updated_at = now()
         WHERE id = $1",
        what.function,
        deployment.id,
        manifest.path,
    )
    .execute(&mut *conn)
    .await?;
    schedule_sync::sync(conn, what.project, what.function, manifest).await?;
    Ok(deployment.number)
}

/// The terms of a step with this canary, or towards it. What the step before said of it goes on where this
/// one says nothing; else its manifest says what callers are told apart by.
pub(super) fn carried_on(
    terms: &Terms,
    current: &Active,
    (newer, manifests): (Uuid, &[&Manifest]),
) -> Terms {
    let mut terms = terms.clone();
    let goes_on = current.canary.is_some_and(|(canary, _)| canary == newer);
    if goes_on {
        terms.affinity = terms.affinity.or_else(|| current.affinity.clone());
        terms.auto_rollback = terms.auto_rollback.or(current.auto_rollback);
    }
    let declared = manifests.iter().find_map(|it| it.affinity.as_deref());
    terms.affinity = terms.affinity.or_else(|| declared?.parse().ok());
    terms
}

/// A record with what somebody wanted to say of it.
pub(in crate::registry) fn explained(deed: Deed, terms: &Terms) -> Deed {
    match &terms.message {
        Some(message) => deed.with("message", message.as_str()),
        None => deed,
    }
}
