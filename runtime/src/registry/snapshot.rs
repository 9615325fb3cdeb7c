//! What requests are served from: all projects with their rules, secrets and functions, in memory.
//!
//! Loaded from one consistent view of the database (`load`), then never changed; a change makes
//! another one, which shares with the one before what has not changed.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use koyalite_host_api::Relationship;
use koyalite_host_api::db::{DatabaseAccess, Mirror};
use koyalite_host_api::vectors::Vectors;
use koyalite_policy::{FunctionName, ProjectName, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::api_keys::Keys;
use super::deploy::entry::DeploymentEntry;
use super::error::RegistryError;
use super::manifest::Manifest;
use super::providers::ProviderEntry;
use super::rates::Limiter;
use super::redaction::Redaction;
use super::secret::Secret;
use super::settings::Settings;
pub use crate::engine::Handler;

mod load;

pub(crate) use load::load;

/// All that is served, as of `seq`.
#[derive(Debug, Default, Clone)]
pub struct Snapshot {
    /// The state of the database that this is a copy of.
    pub seq: i64,
    projects: BTreeMap<ProjectName, Arc<ProjectEntry>>,
    by_id: HashMap<Uuid, Arc<ProjectEntry>>,
    /// Projects that could not be read: looked at again with each change of any.
    left_out: Vec<Uuid>,
}

impl Snapshot {
    /// The project of that name.
    #[must_use]
    pub fn project(&self, name: &ProjectName) -> Option<&Arc<ProjectEntry>> {
        self.projects.get(name)
    }

    /// The project of that id.
    #[must_use]
    pub fn project_by_id(&self, id: Uuid) -> Option<&Arc<ProjectEntry>> {
        self.by_id.get(&id)
    }

    fn add(&mut self, project: Arc<ProjectEntry>) {
        self.by_id.insert(project.id, Arc::clone(&project));
        self.projects.insert(project.name.clone(), project);
    }

    fn remove(&mut self, project: Uuid) {
        if let Some(entry) = self.by_id.remove(&project) {
            self.projects.remove(&entry.name);
        }
    }

    /// All projects, by name.
    pub fn projects(&self) -> impl Iterator<Item = &Arc<ProjectEntry>> {
        self.projects.values()
    }
}

/// One project.
#[derive(Debug)]
pub struct ProjectEntry {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: ProjectName,
    /// What it is for.
    pub environment: Environment,
    /// Its tables and policies.
    pub schema: Arc<Schema>,
    /// Which of its tables refer to which.
    pub relationships: Arc<[Relationship]>,
    /// What its rows are found by that are near.
    pub vectors: Arc<Vectors>,
    /// What its tokens are signed with.
    pub jwt_secret: Secret,
    /// What its owner has decided about it.
    pub settings: Settings,
    /// What keeps its rate limits; none where it has none. The same one as long as they stay.
    pub limiter: Option<Arc<Limiter>>,
    /// What is masked in its logs.
    pub redaction: Option<Arc<Redaction>>,
    /// What programs call its functions with.
    pub api_keys: Keys,
    /// Whose tokens it takes beside its own.
    pub providers: Vec<Arc<ProviderEntry>>,
    /// What its functions may read by name.
    pub secrets: BTreeMap<String, Secret>,
    /// How its tables are reached.
    pub database: DatabaseAccess,
    /// Whether Postgres enforces its policies too.
    pub mirror: Mirror,
    /// Its functions, longest path first: the first prefix that matches is the longest.
    pub functions: Vec<Arc<FunctionEntry>>,
}

impl ProjectEntry {
    /// The function of that id.
    #[must_use]
    pub fn function_by_id(&self, id: Uuid) -> Option<&Arc<FunctionEntry>> {
        self.functions.iter().find(|function| function.id == id)
    }
}

/// One function.
#[derive(Debug)]
pub struct FunctionEntry {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: FunctionName,
    /// Who deployed it last.
    pub owner_id: Uuid,
    /// Does it serve?
    pub enabled: bool,
    /// The version that serves, or that has what its canary leaves.
    pub active: Arc<VersionEntry>,
    /// What else its deployment says.
    pub deployment: DeploymentEntry,
    /// All versions, by number.
    pub versions: BTreeMap<u32, Arc<VersionEntry>>,
}

/// One version of a function.
#[derive(Debug)]
pub struct VersionEntry {
    /// Its id.
    pub id: Uuid,
    /// The function that it is a version of.
    pub function_id: Uuid,
    /// Counted from 1.
    pub number: u32,
    /// Its component.
    pub sha256: String,
    /// Its manifest.
    pub manifest: Arc<Manifest>,
    /// What it reads through `config` where that is more than its manifest has: secrets too.
    pub config: Option<Config>,
    /// Its HTTP export.
    pub handler: Handler,
    /// Does it export `scheduled`?
    pub scheduled: bool,
}

/// Configuration that may hold secrets. Cheap to clone.
#[derive(Clone)]
pub struct Config(Arc<BTreeMap<String, String>>);

impl Config {
    /// What a manifest has, and the secrets that it names and that are text.
    pub(crate) fn of(manifest: &Manifest, secrets: &BTreeMap<String, Secret>) -> Option<Self> {
        if manifest.secrets.is_empty() {
            return None;
        }
        let mut values = manifest.config.clone();
        for name in &manifest.secrets {
            let text = secrets
                .get(name)
                .map(|secret| std::str::from_utf8(secret.expose()));
            if let Some(Ok(text)) = text {
                values.insert(name.clone(), text.to_owned());
            }
        }
        Some(Self(Arc::new(values)))
    }

    /// All of it.
    #[must_use]
    pub fn values(&self) -> Arc<BTreeMap<String, String>> {
        Arc::clone(&self.0)
    }
}

/// How many values there are, and none of them.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config({} values)", self.0.len())
    }
}

/// What a project is for.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Development.
    #[default]
    Dev,
    /// Rehearsal.
    Staging,
    /// The real thing: path-style URLs are off.
    Prod,
}

impl Environment {
    const ALL: [Self; 3] = [Self::Dev, Self::Staging, Self::Prod];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        Self::ALL
            .into_iter()
            .find(|environment| environment.as_str() == text)
            .ok_or_else(|| {
                RegistryError::invalid(
                    "environment",
                    format!("{text:?}; write dev, staging or prod"),
                )
            })
    }
}

pub(crate) const HANDLERS: [Handler; 3] = [Handler::P3, Handler::P2, Handler::None];

/// How a handler's generation is stored.
pub(crate) fn handler_word(handler: Handler) -> &'static str {
    match handler {
        Handler::P3 => "p3",
        Handler::P2 => "p2",
        Handler::None => "none",
    }
}
