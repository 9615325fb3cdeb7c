//! From the database to a snapshot: all at the start, later what has changed.
//!
//! One broken project is not everybody's outage: it is left out, or its tables answer nobody, and
//! the log says so.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use koyalite_host_api::db::{DatabaseAccess, Password};
use koyalite_host_api::vectors::Vectors;
use koyalite_policy::{PolicySource, ProjectName, Schema};
use uuid::Uuid;

use super::{Config, FunctionEntry, HANDLERS, ProjectEntry, Snapshot, VersionEntry, handler_word};
use crate::keys::KeyRing;
use crate::registry::api_keys::{self, Keys};
use crate::registry::columns::{self, StoredTable};
use crate::registry::deploy::loaded::{self, DeploymentRow};
use crate::registry::error::RegistryError;
use crate::registry::functions::number;
use crate::registry::manifest::Manifest;
use crate::registry::pool::{DbConnection, Pool};
use crate::registry::providers::ProviderEntry;
use crate::registry::rates::Limiter;
use crate::registry::redaction::Redaction;
use crate::registry::secret::{Column, Secret, unseal};
use crate::registry::settings::Settings;
use crate::registry::verdict::{Rules, policy_readable};
use crate::registry::{claims, mirror, policies, providers, secrets, vectors};

/// Reads in one view of the database what has changed since `before`, and keeps the rest of it.
pub(crate) async fn load(
    pool: &Pool,
    ring: &KeyRing,
    before: &Snapshot,
) -> Result<Snapshot, RegistryError> {
    let mut tx = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .await?;
    let seq = sqlx::query_scalar!("SELECT seq FROM koyalite.head")
        .fetch_one(&mut *tx)
        .await?;
    let mut snapshot = before.clone();
    snapshot.seq = seq;
    for project in removed(&mut tx, before.seq).await? {
        snapshot.remove(project);
    }
    let mut changed = changed(&mut tx, before.seq).await?;
    // Whatever was wrong with them may be right by now.
    changed.append(&mut snapshot.left_out);
    changed.sort_unstable();
    changed.dedup();
    changed.iter().for_each(|project| snapshot.remove(*project));
    // One is what a change changes. Where it is many, as at the start, one question for all is less.
    let only = match changed.as_slice() {
        [] => return Ok(snapshot),
        [one] => Some(*one),
        _ => None,
    };
    let mut parts = Parts::load(&mut tx, only, &changed, ring).await?;
    parts.functions = functions(&mut tx, &changed, (&parts.secrets, before)).await?;
    parts.api_keys = api_keys::load(&mut tx, &changed, before).await?;
    parts.providers = providers::load(&mut tx, &changed).await?;
    for row in projects(&mut tx, &changed).await? {
        let name = row.name.clone();
        let (id, known) = (row.id, before.by_id.get(&row.id));
        match entry(row, &mut parts, ring, known) {
            Ok(entry) => snapshot.add(Arc::new(entry)),
            Err(error) => {
                tracing::error!(
                    project = name,
                    error = error.detail(),
                    "a project is left out"
                );
                snapshot.left_out.push(id);
            }
        }
    }
    tx.commit().await?;
    Ok(snapshot)
}

/// Projects that have changed since.
async fn changed(conn: &mut DbConnection, since: i64) -> Result<Vec<Uuid>, RegistryError> {
    // At the start all of them, those as well that no change has numbered.
    let since = if since == 0 { -1 } else { since };
    let changed = sqlx::query_scalar!("SELECT id FROM koyalite.projects WHERE seq > $1", since);
    Ok(changed.fetch_all(conn).await?)
}

/// Projects that are gone since.
async fn removed(conn: &mut DbConnection, since: i64) -> Result<Vec<Uuid>, RegistryError> {
    let removed = sqlx::query_scalar!(
        "SELECT id FROM koyalite.removed_projects WHERE seq > $1",
        since
    );
    Ok(removed.fetch_all(conn).await?)
}

/// What belongs to projects, by the project's id.
struct Parts {
    tables: HashMap<Uuid, Vec<StoredTable>>,
    policies: HashMap<Uuid, Vec<PolicySource>>,
    vectors: HashMap<Uuid, Vectors>,
    secrets: Secrets,
    api_keys: HashMap<Uuid, Keys>,
    providers: HashMap<Uuid, Vec<Arc<ProviderEntry>>>,
    functions: HashMap<Uuid, Vec<Arc<FunctionEntry>>>,
}

/// Secrets by project and name.
type Secrets = HashMap<Uuid, BTreeMap<String, Secret>>;

impl Parts {
    /// Those of one project, or of all; functions, of which there are many, of the changed alone.
    async fn load(
        conn: &mut DbConnection,
        only: Option<Uuid>,
        changed: &[Uuid],
        ring: &KeyRing,
    ) -> Result<Self, RegistryError> {
        let tables = columns::load(conn, only).await?;
        let mut policies: HashMap<Uuid, Vec<PolicySource>> = HashMap::new();
        for (project, policy) in policies::load(conn, only).await? {
            policies.entry(project).or_default().push(policy.source);
        }
        let secrets = secrets::load(conn, ring, changed).await?;
        Ok(Self {
            tables: grouped(tables, |table| table.project_id),
            policies,
            vectors: vectors::load(conn, only).await?,
            functions: HashMap::new(),
            secrets,
            api_keys: HashMap::new(),
            providers: HashMap::new(),
        })
    }
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
    settings: serde_json::Value,
    mirrored: bool,
}

async fn projects(
    conn: &mut DbConnection,
    changed: &[Uuid],
) -> Result<Vec<ProjectRow>, RegistryError> {
    let rows = sqlx::query_as!(
        ProjectRow,
        "SELECT id, name, environment, database_schema, database_role, jwt_secret,
             database_password, claims, settings,
             (settings -> 'native_mirror' = 'true') IS TRUE AS \"mirrored!\"
         FROM koyalite.projects WHERE id = ANY($1)",
        changed,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

fn entry(
    row: ProjectRow,
    parts: &mut Parts,
    ring: &KeyRing,
    before: Option<&Arc<ProjectEntry>>,
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
    let settings = Settings::from_stored(row.settings)?;
    let mut functions = parts.functions.remove(&row.id).unwrap_or_default();
    functions.sort_by_key(|function| std::cmp::Reverse(function.active.manifest.path.len()));
    Ok(ProjectEntry {
        id: row.id,
        environment: row.environment.parse()?,
        schema: Arc::new(rules(&name, rules_of)),
        relationships,
        vectors: parts.vectors.remove(&row.id).unwrap_or_default().into(),
        limiter: limiter(&settings, before),
        redaction: Redaction::of(&settings).map(Arc::new),
        settings,
        api_keys: parts.api_keys.remove(&row.id).unwrap_or_default(),
        providers: parts.providers.remove(&row.id).unwrap_or_default(),
        secrets: parts.secrets.remove(&row.id).unwrap_or_default(),
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

/// The limiter of before where the limits are the same: it knows what has come of late.
fn limiter(settings: &Settings, before: Option<&Arc<ProjectEntry>>) -> Option<Arc<Limiter>> {
    let known = before.and_then(|before| before.limiter.clone());
    known
        .filter(|known| known.limits() == settings.rate_limits)
        .or_else(|| Limiter::new(settings.rate_limits).map(Arc::new))
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
    conn: &mut DbConnection,
    changed: &[Uuid],
    (secrets, before): (&Secrets, &Snapshot),
) -> Result<HashMap<Uuid, Vec<Arc<FunctionEntry>>>, RegistryError> {
    let mut versions = versions(conn, changed, secrets).await?;
    let rows = sqlx::query!(
        "SELECT f.id, f.project_id, f.name, f.user_id, f.enabled, f.preview_epoch, v.number,
             d.id AS deployment, d.canary_version_id, d.canary_weight, d.affinity, d.auto_rollback,
             ARRAY(SELECT r.id FROM koyalite.revoked_previews r
                   WHERE r.function_id = f.id AND r.expires_at > now()) AS \"revoked_previews!\"
         FROM koyalite.functions f
         JOIN koyalite.deployments d ON d.id = f.active_deployment_id
         JOIN koyalite.versions v ON v.id = d.version_id
         WHERE f.project_id = ANY($1)",
        changed,
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
        let deployment = DeploymentRow {
            id: row.deployment,
            canary: row.canary_version_id.zip(row.canary_weight),
            affinity: row.affinity,
            auto_rollback: row.auto_rollback,
            preview_epoch: row.preview_epoch,
            revoked_previews: row.revoked_previews,
        };
        let known = before.by_id.get(&row.project_id);
        let known = known.and_then(|project| project.function_by_id(row.id));
        functions
            .entry(row.project_id)
            .or_default()
            .push(Arc::new(FunctionEntry {
                id: row.id,
                name: row.name.parse().map_err(RegistryError::internal)?,
                owner_id: row.user_id,
                enabled: row.enabled,
                deployment: loaded::entry(deployment, (&active, &versions), known),
                active,
                versions,
            }));
    }
    Ok(functions)
}

type Versions = BTreeMap<u32, Arc<VersionEntry>>;

/// All versions that can be read, by function.
async fn versions(
    conn: &mut DbConnection,
    changed: &[Uuid],
    secrets: &Secrets,
) -> Result<HashMap<Uuid, Versions>, RegistryError> {
    let rows = sqlx::query!(
        "SELECT v.id, v.function_id, f.project_id, v.number, v.sha256, v.manifest, v.handler,
             v.scheduled
         FROM koyalite.versions v JOIN koyalite.functions f ON f.id = v.function_id
         WHERE f.project_id = ANY($1)",
        changed,
    )
    .fetch_all(conn)
    .await?;
    let none = BTreeMap::new();
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
            config: Config::of(&manifest, secrets.get(&row.project_id).unwrap_or(&none)),
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
