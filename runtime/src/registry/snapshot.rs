//! What requests are served from: all projects with their rules, secrets and functions, in memory.
//!
//! Loaded from one consistent view of the database, then never changed; a change makes another one.
//! One broken project is not everybody's outage: it is left out, or its tables answer nobody, and
//! the log says so.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use koyalite_host_api::Relationship;
use koyalite_host_api::db::{DatabaseAccess, Mirror, Password};
use koyalite_policy::{FunctionName, PolicySource, ProjectName, Schema};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::columns::{self, StoredTable};
use super::error::RegistryError;
use super::functions::number;
use super::manifest::Manifest;
use super::secret::{Column, Secret, unseal};
use super::verdict::{Rules, policy_readable};
use super::{claims, mirror, policies};
pub use crate::engine::Handler;
use crate::keys::KeyRing;

/// All that is served, as of `seq`.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The state of the database that this is a copy of.
    pub seq: i64,
    projects: BTreeMap<ProjectName, Arc<ProjectEntry>>,
    by_id: HashMap<Uuid, Arc<ProjectEntry>>,
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
    /// What its tokens are signed with.
    pub jwt_secret: Secret,
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
    /// The version that serves.
    pub active: Arc<VersionEntry>,
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
    /// Its HTTP export.
    pub handler: Handler,
    /// Does it export `scheduled`?
    pub scheduled: bool,
}

/// What a project is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

const HANDLERS: [Handler; 3] = [Handler::P3, Handler::P2, Handler::None];

/// How a handler's generation is stored.
pub(crate) fn handler_word(handler: Handler) -> &'static str {
    match handler {
        Handler::P3 => "p3",
        Handler::P2 => "p2",
        Handler::None => "none",
    }
}

/// Reads everything in one view of the database.
pub(crate) async fn load(pool: &PgPool, ring: &KeyRing) -> Result<Snapshot, RegistryError> {
    let mut tx = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .await?;
    let seq = sqlx::query_scalar!("SELECT seq FROM koyalite.head")
        .fetch_one(&mut *tx)
        .await?;
    let mut parts = Parts {
        tables: grouped(columns::load(&mut tx, None).await?, |table| {
            table.project_id
        }),
        policies: HashMap::new(),
        functions: functions(&mut tx).await?,
    };
    for (project, policy) in policies::load(&mut tx, None).await? {
        parts
            .policies
            .entry(project)
            .or_default()
            .push(policy.source);
    }
    let mut snapshot = Snapshot {
        seq,
        ..Snapshot::default()
    };
    for row in projects(&mut tx).await? {
        let (id, name) = (row.id, row.name.clone());
        match entry(row, &mut parts, ring) {
            Ok(entry) => {
                let entry = Arc::new(entry);
                snapshot.by_id.insert(id, entry.clone());
                snapshot.projects.insert(entry.name.clone(), entry);
            }
            Err(error) => {
                tracing::error!(
                    project = name,
                    error = error.detail(),
                    "a project is left out"
                );
            }
        }
    }
    tx.commit().await?;
    Ok(snapshot)
}

/// What belongs to projects, by the project's id.
struct Parts {
    tables: HashMap<Uuid, Vec<StoredTable>>,
    policies: HashMap<Uuid, Vec<PolicySource>>,
    functions: HashMap<Uuid, Vec<Arc<FunctionEntry>>>,
}

fn grouped<T>(items: Vec<T>, key: impl Fn(&T) -> Uuid) -> HashMap<Uuid, Vec<T>> {
    let mut groups: HashMap<Uuid, Vec<T>> = HashMap::new();
    for item in items {
        groups.entry(key(&item)).or_default().push(item);
    }
    groups
}

struct ProjectRow {
    id: Uuid,
    name: String,
    environment: String,
    database_schema: String,
    database_role: String,
    jwt_secret: Vec<u8>,
    database_password: Vec<u8>,
    claims: serde_json::Value,
    mirrored: bool,
}

async fn projects(conn: &mut PgConnection) -> Result<Vec<ProjectRow>, RegistryError> {
    let rows = sqlx::query_as!(
        ProjectRow,
        "SELECT id, name, environment, database_schema, database_role, jwt_secret,
             database_password, claims,
             (settings -> 'native_mirror' = 'true') IS TRUE AS \"mirrored!\"
         FROM koyalite.projects",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

fn entry(
    row: ProjectRow,
    parts: &mut Parts,
    ring: &KeyRing,
) -> Result<ProjectEntry, RegistryError> {
    let name: ProjectName = row.name.parse().map_err(RegistryError::internal)?;
    let tables = parts.tables.remove(&row.id).unwrap_or_default();
    let relationships = tables.iter().flat_map(StoredTable::relationships).collect();
    let rules_of = Rules {
        tables: tables.iter().map(StoredTable::shape).collect(),
        policies: parts.policies.remove(&row.id).unwrap_or_default(),
        claims: claims::read(row.claims)?,
        policy_readable: policy_readable(&tables),
    };
    let password = unseal(
        ring,
        row.id,
        Column::DatabasePassword,
        row.database_password,
    )?;
    let mut functions = parts.functions.remove(&row.id).unwrap_or_default();
    functions.sort_by_key(|function| std::cmp::Reverse(function.active.manifest.path.len()));
    Ok(ProjectEntry {
        id: row.id,
        environment: row.environment.parse()?,
        schema: Arc::new(rules(&name, rules_of)),
        relationships,
        jwt_secret: unseal(ring, row.id, Column::JwtSecret, row.jwt_secret)?,
        database: DatabaseAccess {
            role: row.database_role,
            password: Password::new(password.expose()),
            schema: row.database_schema,
        },
        mirror: mirror::of(row.mirrored, &tables),
        functions,
        name,
    })
}

/// The rules of a project. Where a stored policy no longer makes sense, none is in force and every
/// table is closed: leaving only that one out could open what it denied.
fn rules(project: &ProjectName, rules: Rules) -> Schema {
    let shapes = rules.tables.clone();
    rules.build().unwrap_or_else(|errors| {
        for error in errors {
            tracing::error!(%project, %error, "a stored policy is wrong; the tables are closed");
        }
        Schema::build(shapes, Vec::new()).unwrap_or_default()
    })
}

/// All functions that have a deployment, by project.
async fn functions(
    conn: &mut PgConnection,
) -> Result<HashMap<Uuid, Vec<Arc<FunctionEntry>>>, RegistryError> {
    let mut versions = versions(conn).await?;
    let rows = sqlx::query!(
        "SELECT f.id, f.project_id, f.name, f.user_id, f.enabled, v.number
         FROM koyalite.functions f
         JOIN koyalite.deployments d ON d.id = f.active_deployment_id
         JOIN koyalite.versions v ON v.id = d.version_id",
    )
    .fetch_all(conn)
    .await?;
    let mut functions: HashMap<Uuid, Vec<Arc<FunctionEntry>>> = HashMap::new();
    for row in rows {
        let versions = versions.remove(&row.id).unwrap_or_default();
        let Some(active) = versions.get(&number(row.number)?).cloned() else {
            tracing::error!(
                function = row.name,
                "a function is left out: its version is broken"
            );
            continue;
        };
        functions
            .entry(row.project_id)
            .or_default()
            .push(Arc::new(FunctionEntry {
                id: row.id,
                name: row.name.parse().map_err(RegistryError::internal)?,
                owner_id: row.user_id,
                enabled: row.enabled,
                active,
                versions,
            }));
    }
    Ok(functions)
}

type Versions = BTreeMap<u32, Arc<VersionEntry>>;

/// All versions that can be read, by function.
async fn versions(conn: &mut PgConnection) -> Result<HashMap<Uuid, Versions>, RegistryError> {
    let rows = sqlx::query!(
        "SELECT id, function_id, number, sha256, manifest, handler, scheduled
         FROM koyalite.versions",
    )
    .fetch_all(conn)
    .await?;
    let mut versions: HashMap<Uuid, Versions> = HashMap::new();
    for row in rows {
        let handler = HANDLERS
            .into_iter()
            .find(|handler| handler_word(*handler) == row.handler);
        let (Ok(manifest), Some(handler)) = (Manifest::from_stored(row.manifest), handler) else {
            tracing::error!(version = %row.id, "a version is left out: it cannot be read");
            continue;
        };
        let number = number(row.number)?;
        let entry = VersionEntry {
            id: row.id,
            function_id: row.function_id,
            number,
            sha256: row.sha256,
            manifest: Arc::new(manifest),
            handler,
            scheduled: row.scheduled,
        };
        versions
            .entry(row.function_id)
            .or_default()
            .insert(number, Arc::new(entry));
    }
    Ok(versions)
}
