//! From a stored version to what the engine runs, made once per version.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use uuid::Uuid;

use super::Selected;
use super::error::DispatchError;
use crate::egress::AllowList;
use crate::engine::{CallLimits, Isolation, Target, Tenant};
use crate::registry::VersionEntry;
use crate::registry::manifest;

/// Targets of the versions that have been called.
#[derive(Default)]
pub(super) struct Targets {
    targets: DashMap<Uuid, Arc<Target>>,
    configs: DashMap<Uuid, Arc<BTreeMap<String, String>>>,
}

impl Targets {
    /// The target of a version.
    pub(super) fn of(&self, selected: &Selected) -> Result<Arc<Target>, DispatchError> {
        if let Some(target) = self.targets.get(&selected.version.id) {
            return Ok(Arc::clone(&target));
        }
        let target = Arc::new(make(selected)?);
        self.targets
            .insert(selected.version.id, Arc::clone(&target));
        Ok(target)
    }

    /// Makes the target of a version with this list in place of its manifest's.
    pub(super) fn let_out(
        &self,
        selected: &Selected,
        outbound: AllowList,
    ) -> Result<(), DispatchError> {
        let target = Target {
            outbound: Arc::new(outbound),
            ..make(selected)?
        };
        self.targets.insert(selected.version.id, Arc::new(target));
        Ok(())
    }

    /// The configuration of a version.
    pub(super) fn config(&self, version: &VersionEntry) -> Arc<BTreeMap<String, String>> {
        if let Some(config) = self.configs.get(&version.id) {
            return Arc::clone(&config);
        }
        let config = Arc::new(version.manifest.config.clone());
        self.configs.insert(version.id, Arc::clone(&config));
        config
    }
}

fn make(selected: &Selected) -> Result<Target, DispatchError> {
    let Selected {
        project,
        function,
        version,
    } = selected;
    let manifest = &version.manifest;
    // Checked when the version was deployed; a failure means that the rules have changed since.
    let outbound =
        AllowList::parse(&manifest.outbound.allow).map_err(|error| DispatchError::Unusable {
            inside: error.to_string(),
        })?;
    let memory_bytes = usize::try_from(manifest.limits.memory_mib << 20).unwrap_or(usize::MAX);
    Ok(Target {
        sha256: version.sha256.clone(),
        version: version.id,
        tenant: Tenant {
            project: project.id,
            function: function.id,
        },
        isolation: match manifest.isolation {
            manifest::Isolation::Request => Isolation::Request,
            manifest::Isolation::Shared => Isolation::Shared,
        },
        limits: CallLimits {
            memory_bytes,
            cpu: Duration::from_millis(manifest.limits.cpu_ms),
            first_byte: Duration::from_millis(manifest.limits.first_byte_ms),
            silence: Duration::from_millis(manifest.limits.silence_ms),
            wall: Duration::from_millis(manifest.limits.wall_ms),
            outbound_requests: u32::try_from(manifest.limits.outbound_requests).unwrap_or(u32::MAX),
            outbound: Duration::from_millis(manifest.limits.outbound_ms),
        },
        outbound: Arc::new(outbound),
    })
}
