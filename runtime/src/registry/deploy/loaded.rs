//! From a stored deployment to what requests are shared out by. What cannot be read is left out and said:
//! then the version that is sure has all calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::affinity::Percent;
use super::entry::{CanaryEntry, DeploymentEntry};
use super::watch::Watch;
use crate::registry::snapshot::{FunctionEntry, VersionEntry};

/// A deployment that serves, as it is stored.
pub(in crate::registry) struct DeploymentRow {
    pub(in crate::registry) id: Uuid,
    /// The other version and its percentage.
    pub(in crate::registry) canary: Option<(Uuid, i32)>,
    pub(in crate::registry) affinity: Option<String>,
    pub(in crate::registry) auto_rollback: Option<serde_json::Value>,
    pub(in crate::registry) preview_epoch: i32,
    pub(in crate::registry) revoked_previews: Vec<Uuid>,
}

/// The entry of a deployment. `known` is the function as it was served before: what it has counted goes on
/// where the deployment is the same.
pub(in crate::registry) fn entry(
    row: DeploymentRow,
    (active, versions): (&VersionEntry, &BTreeMap<u32, Arc<VersionEntry>>),
    known: Option<&Arc<FunctionEntry>>,
) -> DeploymentEntry {
    let canary = row.canary.and_then(|(version, weight)| {
        let found = versions.values().find(|it| it.id == version).cloned();
        let canary = found.zip(Percent::new(weight.into()));
        if canary.is_none() {
            tracing::error!(deployment = %row.id, "a canary is left out: it cannot be read");
        }
        canary
    });
    let watched = canary.as_ref().map_or(active.id, |(version, _)| version.id);
    let known = known.and_then(|function| function.deployment.watch.clone());
    let known = known.filter(|watch| (watch.deployment, watch.version) == (row.id, watched));
    let rule = row.auto_rollback.and_then(|stored| {
        let read = serde_json::from_value(stored);
        read.inspect_err(|error| tracing::error!(%error, "a rule cannot be read"))
            .ok()
    });
    DeploymentEntry {
        id: row.id,
        canary: canary.map(|(version, weight)| CanaryEntry {
            version,
            weight,
            affinity: row.affinity.and_then(|text| text.parse().ok()),
        }),
        watch: known.or_else(|| rule.map(|rule| Arc::new(Watch::new(row.id, watched, rule)))),
        preview_epoch: row.preview_epoch,
        revoked_previews: row.revoked_previews,
    }
}
