//! The manifest: what a function asks for, besides its code. Part of every version.
//!
//! Written as `koyalite.toml` or as JSON of the same shape; reading reports every mistake at once
//! and names unknown fields. A value of [`Manifest`] is complete: defaults are filled in, so a
//! stored version keeps its meaning when a default changes.

mod fields;
mod read;
pub(crate) mod schedules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use koyalite_host_api::invocation::LOG_BYTES_MAX;
use koyalite_host_api::limits::{HOST_CALLS, SELECT_ROWS, STATEMENT_TIME};
use koyalite_policy::FunctionName;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::error::RegistryError;
use crate::egress::{REQUEST_TIMEOUT, REQUEST_TIMEOUT_MAX, REQUESTS_PER_INVOCATION_MAX};
use crate::scheduler::rules::Rules;

/// A function's manifest, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The function.
    pub name: FunctionName,
    /// Where the component lies, for the command line alone: it is not part of a version.
    #[serde(skip)]
    pub component: Option<String>,
    /// Where it is served below the project: a prefix of the paths that it answers.
    pub path: String,
    /// The regions it is deployed to; `*` is all.
    pub region: Vec<String>,
    /// How instances and requests relate.
    pub isolation: Isolation,
    /// Whom it answers.
    pub verify: Verify,
    /// What callers are told apart by while two versions share them, as `claim:sub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<String>,
    /// What a call may cost.
    pub limits: Limits,
    /// What the guest reads through `config`.
    pub config: BTreeMap<String, String>,
    /// The project's secrets that it reads through `config` too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Where the guest may send.
    pub outbound: Outbound,
    /// When it runs by itself.
    pub schedules: Vec<ScheduleSpec>,
}

/// How instances and requests relate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// A fresh instance for every call.
    #[default]
    Request,
    /// One instance serves many calls.
    Shared,
}

/// Whom a function answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Everyone; a token that is there must be good.
    #[default]
    Optional,
    /// Only callers with a good token.
    Required,
}

/// What a call may cost. Versions of before a field have what is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// All memories and tables of an instance together.
    pub memory_mib: u64,
    /// CPU time.
    pub cpu_ms: u64,
    /// Until the answer begins.
    pub first_byte_ms: u64,
    /// Between two pieces of an answer.
    pub silence_ms: u64,
    /// Until everything is done.
    pub wall_ms: u64,
    /// The request's body.
    pub body_mib: u64,
    /// Calls at once on a node; none: as many as its operator lets a function have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u64>,
    /// Calls of the host.
    pub host_calls: u64,
    /// Requests that it sends.
    pub outbound_requests: u64,
    /// What it logs.
    pub log_kib: u64,
    /// Rows of a select.
    pub select_rows: u64,
    /// A statement on tables.
    pub statement_ms: u64,
    /// Until a request that it sends is answered, and between two pieces of the answer.
    pub outbound_ms: u64,
}

impl Limits {
    /// What a function gets that asks for nothing: plenty for a request handler, and a runaway one
    /// is stopped before it bothers anybody.
    pub const DEFAULT: Self = Self {
        memory_mib: 128,
        cpu_ms: 2_000,
        first_byte_ms: 30_000,
        silence_ms: 60_000,
        wall_ms: 900_000,
        body_mib: 16,
        concurrency: None,
        host_calls: HOST_CALLS as u64,
        outbound_requests: REQUESTS_PER_INVOCATION_MAX as u64,
        log_kib: (LOG_BYTES_MAX / 1024) as u64,
        select_rows: SELECT_ROWS as u64,
        statement_ms: STATEMENT_TIME.as_secs() * 1_000,
        outbound_ms: REQUEST_TIMEOUT.as_secs() * 1_000,
    };

    /// What a function may ask for at most. Memory: the engine's largest single memory. CPU and
    /// first byte: what a caller may reasonably wait. Silence: as long as proxies are ever told to bear.
    /// Wall: a day. Body: what a node can hold of a few of them at once. Statement: what the
    /// project's role in Postgres has, so a function may ask for less. Outbound: as long as for the first byte.
    /// The others: ten or twenty times what is usual, so that a mistake still ends.
    pub const CAP: Self = Self {
        memory_mib: 1_024,
        cpu_ms: 60_000,
        first_byte_ms: 300_000,
        silence_ms: 3_600_000,
        wall_ms: 86_400_000,
        body_mib: 256,
        concurrency: Some(10_000),
        host_calls: 10_000,
        outbound_requests: 1_000,
        log_kib: 1_024,
        select_rows: 10_000,
        statement_ms: STATEMENT_TIME.as_secs() * 1_000,
        outbound_ms: REQUEST_TIMEOUT_MAX.as_secs() * 1_000,
    };
}

impl Limits {
    /// These limits, each no higher than the cap's.
    #[must_use]
    pub fn at_most(self, cap: Self) -> Self {
        Self {
            memory_mib: self.memory_mib.min(cap.memory_mib),
            cpu_ms: self.cpu_ms.min(cap.cpu_ms),
            first_byte_ms: self.first_byte_ms.min(cap.first_byte_ms),
            silence_ms: self.silence_ms.min(cap.silence_ms),
            wall_ms: self.wall_ms.min(cap.wall_ms),
            body_mib: self.body_mib.min(cap.body_mib),
            concurrency: self.concurrency,
            host_calls: self.host_calls.min(cap.host_calls),
            outbound_requests: self.outbound_requests.min(cap.outbound_requests),
            log_kib: self.log_kib.min(cap.log_kib),
            select_rows: self.select_rows.min(cap.select_rows),
            statement_ms: self.statement_ms.min(cap.statement_ms),
            outbound_ms: self.outbound_ms.min(cap.outbound_ms),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Where the guest may send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    /// Origins, in the language of [`crate::egress::AllowList`]; checked.
    pub allow: Vec<String>,
}

/// A cron entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ScheduleSpec {
    /// Unique in the function.
    pub name: String,
    /// Five or six fields; see [`crate::scheduler::cron`].
    pub cron: String,
    /// An IANA zone.
    pub timezone: String,
    /// Where a component without the `scheduled` export is posted to; none: the function's path.
    pub path: Option<String>,
    /// What becomes of firings that overlap, come late or fail.
    #[serde(flatten)]
    pub rules: Rules,
}

impl Manifest {
    /// Reads `koyalite.toml`.
    ///
    /// # Errors
    /// `Invalid` with every mistake, each with its field.
    pub fn parse_toml(text: &str) -> Result<Self, RegistryError> {
        let value = read::toml_value(text)?;
        read::manifest(&value)
    }

    /// Reads JSON of the same shape.
    ///
    /// # Errors
    /// `Invalid` with every mistake, each with its field.
    pub fn parse_json(bytes: &[u8]) -> Result<Self, RegistryError> {
        let value = read::json_value(bytes)?;
        read::manifest(&value)
    }

    /// The manifest of a function that was deployed without one.
    #[must_use]
    pub fn default_for(name: &FunctionName) -> Self {
        Self {
            name: name.clone(),
            component: None,
            path: format!("/{name}"),
            region: vec!["*".to_owned()],
            isolation: Isolation::default(),
            verify: Verify::default(),
            affinity: None,
            limits: Limits::DEFAULT,
            config: BTreeMap::new(),
            secrets: Vec::new(),
            outbound: Outbound::default(),
            schedules: Vec::new(),
        }
    }

    /// Names everything that a version is made of beside its component: SHA-256 of the manifest's
    /// JSON, in lower-case hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        // Nothing in a manifest fails to serialise: no floats, no maps with keys other than text.
        let json = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(json))
    }

    /// As a version keeps it.
    pub(crate) fn to_stored(&self) -> Result<Json, RegistryError> {
        serde_json::to_value(self).map_err(RegistryError::internal)
    }

    /// A version's own. It was checked when it was deployed and is not refused for a cap that was
    /// lowered since.
    pub(crate) fn from_stored(stored: Json) -> Result<Self, RegistryError> {
        serde_json::from_value(stored).map_err(RegistryError::internal)
    }
}
