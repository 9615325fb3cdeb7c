//! The deployment that serves a function, as requests see it.

use std::sync::Arc;

use uuid::Uuid;

use super::affinity::{Affinity, Percent};
use super::watch::Watch;
use crate::registry::snapshot::{FunctionEntry, VersionEntry};

/// What a deployment says beside which version is active.
#[derive(Debug, Default)]
pub struct DeploymentEntry {
    /// Its id.
    pub id: Uuid,
    /// The version that has a share of the calls.
    pub canary: Option<CanaryEntry>,
    /// Counts the calls of its newer version, where it may be taken back by itself. The same one as long
    /// as the deployment serves.
    pub watch: Option<Arc<Watch>>,
    /// Preview URLs of another time are good no longer.
    pub preview_epoch: i32,
    /// Nor are these, which were taken back one by one.
    pub revoked_previews: Vec<Uuid>,
}

/// A version beside the active one.
#[derive(Debug)]
pub struct CanaryEntry {
    /// The version.
    pub version: Arc<VersionEntry>,
    /// Its share.
    pub weight: Percent,
    /// What callers are told apart by; none: each request is for itself.
    pub affinity: Option<Affinity>,
}

impl FunctionEntry {
    /// The version of that number, if it is one of those that serve.
    #[must_use]
    pub fn serving(&self, number: u32) -> Option<&Arc<VersionEntry>> {
        let canary = self.deployment.canary.as_ref().map(|it| &it.version);
        let mut both = std::iter::once(&self.active).chain(canary);
        both.find(|version| version.number == number)
    }

    /// What counts the calls of a version, if anything does.
    #[must_use]
    pub fn watch_of(&self, version: &VersionEntry) -> Option<&Arc<Watch>> {
        let watch = self.deployment.watch.as_ref();
        watch.filter(|watch| watch.version == version.id)
    }
}
