//! Versions as they are stored: the one that serves, the one before it, one by its number, and the one
//! that has a component and a manifest.

use koyalite_policy::FunctionName;
use uuid::Uuid;

use super::affinity::{Affinity, Percent};
use super::rule::AutoRollback;
use super::{DeployInput, Deployed};
use crate::registry::audit::{Action, Deed};
use crate::registry::error::{RegistryError, Standing};
use crate::registry::functions::number;
use crate::registry::manifest::Manifest;
use crate::registry::pool::DbConnection;
use crate::registry::snapshot::handler_word;

/// The version that serves a function.
pub(in crate::registry) struct Active {
    pub(in crate::registry) function: Uuid,
    pub(in crate::registry) deployment: Uuid,
    pub(in crate::registry) deployment_number: i32,
    /// The version with a share of the calls.
    pub(in crate::registry) canary: Option<(Uuid, Percent)>,
    pub(in crate::registry) affinity: Option<Affinity>,
    pub(in crate::registry) auto_rollback: Option<AutoRollback>,
    /// Where its component was fetched from.
    pub(in crate::registry) source_url: Option<String>,
    pub(in crate::registry) version: StoredVersion,
}

/// A version with its manifest as stored.
#[derive(Clone)]
pub(in crate::registry) struct StoredVersion {
    pub(in crate::registry) id: Uuid,
    pub(in crate::registry) number: i32,
    pub(in crate::registry) sha256: String,
    pub(in crate::registry) manifest: serde_json::Value,
    pub(in crate::registry) manifest_hash: String,
    pub(in crate::registry) imports: Vec<String>,
    pub(in crate::registry) exports: Vec<String>,
}

impl StoredVersion {
    /// That it was made to serve.
    pub(in crate::registry) fn deed(&self, action: Action, function: &FunctionName) -> Deed {
        Deed::new(action, function)
            .with("version", self.number)
            .with("sha256", self.sha256.as_str())
    }
}

/// A version where it serves now.
pub(in crate::registry) struct Placed {
    /// The number of the deployment.
    pub(in crate::registry) deployment: i32,
    pub(in crate::registry) version: StoredVersion,
    /// Percent.
    pub(in crate::registry) weight: u8,
    pub(in crate::registry) changed: Changed,
}

impl Placed {
    pub(in crate::registry) fn deployed(
        self,
        name: &FunctionName,
        path: &str,
    ) -> Result<Deployed, RegistryError> {
        let version = self.version;
        Ok(Deployed {
            name: name.clone(),
            version: number(version.number)?,
            weight: self.weight,
            deployment: number(self.deployment)?,
            sha256: version.sha256,
            exports: version.exports,
            imports: version.imports,
            path: path.to_owned(),
            changed: self.changed == Changed::Yes,
            policies: None,
        })
    }
}

/// Whether a deploy came to anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::registry) enum Changed {
    Yes,
    No,
}

/// The version that serves a function of that name, where there is one.
pub(in crate::registry) async fn active(
    conn: &mut DbConnection,
    project: Uuid,
    name: &FunctionName,
) -> Result<Option<Active>, RegistryError> {
    let row = sqlx::query!(
        "SELECT f.id AS function, f.source_url, d.id AS deployment, d.number AS deployment_number,
             d.canary_version_id, d.canary_weight, d.affinity, d.auto_rollback,
             v.id, v.number, v.sha256, v.manifest, v.manifest_hash, v.imports, v.exports
         FROM koyalite.functions f
         JOIN koyalite.deployments d ON d.id = f.active_deployment_id
         JOIN koyalite.versions v ON v.id = d.version_id
         WHERE f.project_id = $1 AND f.name = $2",
        project,
        name.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Active {
        function: row.function,
        deployment: row.deployment,
        deployment_number: row.deployment_number,
        canary: row
            .canary_version_id
            .zip(row.canary_weight.and_then(|it| Percent::new(it.into()))),
        affinity: row.affinity.and_then(|text| text.parse().ok()),
        auto_rollback: row
            .auto_rollback
            .and_then(|rule| serde_json::from_value(rule).ok()),
        source_url: row.source_url,
        version: StoredVersion {
            id: row.id,
            number: row.number,
            sha256: row.sha256,
            manifest: row.manifest,
            manifest_hash: row.manifest_hash,
            imports: row.imports,
            exports: row.exports,
        },
    }))
}

/// The version of the latest earlier deployment that served another one.
pub(in crate::registry) async fn previous(
    conn: &mut DbConnection,
    active: &Active,
) -> Result<StoredVersion, RegistryError> {
    sqlx::query_as!(
        StoredVersion,
        "SELECT v.id, v.number, v.sha256, v.manifest, v.manifest_hash, v.imports, v.exports
         FROM koyalite.deployments d JOIN koyalite.versions v ON v.id = d.version_id
         WHERE d.function_id = $1 AND d.number < $2 AND d.version_id <> $3
         ORDER BY d.number DESC LIMIT 1",
        active.function,
        active.deployment_number,
        active.version.id,
    )
    .fetch_optional(conn)
    .await?
    .ok_or_else(|| {
        let reason = "no other version served before; name a version";
        RegistryError::conflict(Standing::NothingToRollBack, reason)
    })
}

/// The version of that number.
pub(in crate::registry) async fn version(
    conn: &mut DbConnection,
    function: Uuid,
    wanted: u32,
) -> Result<StoredVersion, RegistryError> {
    let unknown = || RegistryError::not_found("version", wanted);
    let stored = i32::try_from(wanted).map_err(|_| unknown())?;
    sqlx::query_as!(
        StoredVersion,
        "SELECT id, number, sha256, manifest, manifest_hash, imports, exports
         FROM koyalite.versions WHERE function_id = $1 AND number = $2",
        function,
        stored,
    )
    .fetch_optional(conn)
    .await?
    .ok_or_else(unknown)
}

/// The version of that id.
pub(in crate::registry) async fn by_id(
    conn: &mut DbConnection,
    version: Uuid,
) -> Result<StoredVersion, RegistryError> {
    let version = sqlx::query_as!(
        StoredVersion,
        "SELECT id, number, sha256, manifest, manifest_hash, imports, exports
         FROM koyalite.versions WHERE id = $1",
        version,
    );
    Ok(version.fetch_one(conn).await?)
}

/// The version with this component and manifest: an older one, or a new one.
pub(in crate::registry) async fn find_or_insert(
    conn: &mut DbConnection,
    function: Uuid,
    input: &DeployInput,
    manifest: &Manifest,
) -> Result<StoredVersion, RegistryError> {
    let found = sqlx::query_as!(
        StoredVersion,
        "SELECT id, number, sha256, manifest, manifest_hash, imports, exports
         FROM koyalite.versions
         WHERE function_id = $1 AND sha256 = $2 AND manifest_hash = $3",
        function,
        input.sha256,
        manifest.hash(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(found) = found {
        return Ok(found);
    }
    let inserted = sqlx::query_as!(
        StoredVersion,
        "INSERT INTO koyalite.versions (id, function_id, number, sha256, manifest, manifest_hash,
             imports, exports, handler, scheduled, shared_refused, created_by)
         SELECT $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11
         FROM koyalite.versions WHERE function_id = $2
         RETURNING id, number, sha256, manifest, manifest_hash, imports, exports",
        Uuid::now_v7(),
        function,
        input.sha256,
        manifest.to_stored()?,
        manifest.hash(),
        &input.imports,
        &input.exports,
        handler_word(input.handler),
        input.scheduled,
        input.shared_refused,
        input.deployer,
    )
    .fetch_one(conn)
    .await?;
    Ok(inserted)
}
