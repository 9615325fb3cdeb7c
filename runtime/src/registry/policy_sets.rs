//! The policies that a version is used with: noted when its deployment begins, kept when it stops serving,
//! restored by a rollback or taken along by a promotion that asks for it.
//!
//! A policy is the same where its id is. What is restored is checked against the tables as they are now,
//! for those are not restored: a set that no longer fits is refused with every policy that does not.

use std::collections::HashMap;

use koyalite_policy::{PolicySource, Resource, TableName};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::change::{Change, LockedProject};
use super::columns;
use super::error::{Mistake, RegistryError, Standing};
use super::policies::{self, Policy};
use super::pool::DbConnection;
use super::verdict::{self, Rules};

/// What a rollback does with the project's policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policies {
    /// They stay.
    Stay,
    /// They become those that the version was last used with.
    Restored,
}

/// What restoring came to: names of policies, each with its table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Restored {
    /// Made again, or made to say what they said.
    pub restored: Vec<String>,
    /// Deleted, for they were not there then.
    pub removed: Vec<String>,
}

/// Keeps the project's policies with the deployment of the function that serves now, if one does.
pub(crate) async fn keep(
    conn: &mut DbConnection,
    project: Uuid,
    function: Uuid,
) -> Result<(), RegistryError> {
    let id = stored(&mut *conn, project).await?;
    sqlx::query!(
        "UPDATE koyalite.deployments d SET policy_set_id = $2
         FROM koyalite.functions f WHERE f.id = $1 AND d.id = f.active_deployment_id",
        function,
        id,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes the project's policies with the deployments that began in this transaction.
pub(super) async fn begin(conn: &mut DbConnection, project: Uuid) -> Result<(), RegistryError> {
    let id = stored(&mut *conn, project).await?;
    sqlx::query!(
        "UPDATE koyalite.deployments d SET first_policy_set_id = $2
         FROM koyalite.functions f WHERE f.project_id = $1 AND d.id = f.active_deployment_id
             AND d.first_policy_set_id IS NULL AND d.created_at = now()",
        project,
        id,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The set of all policies that the project has now.
async fn stored(conn: &mut DbConnection, project: Uuid) -> Result<Uuid, RegistryError> {
    let policies = policies::sources(conn, project).await?;
    let set = serde_json::to_value(policies).map_err(RegistryError::internal)?;
    let sha256 = hex::encode(Sha256::digest(set.to_string()));
    let id = sqlx::query_scalar!(
        "INSERT INTO koyalite.policy_sets (id, project_id, sha256, policies)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (project_id, sha256) DO UPDATE SET sha256 = excluded.sha256
         RETURNING id",
        Uuid::now_v7(),
        project,
        sha256,
        set,
    );
    Ok(id.fetch_one(conn).await?)
}

/// Restores the set that was kept last for a version.
pub(crate) async fn restore(
    change: &mut Change<'_>,
    project: &LockedProject,
    version: Uuid,
    by: Uuid,
) -> Result<Restored, RegistryError> {
    let wanted = kept(change.conn(), version).await?;
    apply(change, project, (wanted, by)).await
}

/// Makes these the policies of a project, all of them.
pub(super) async fn apply(
    change: &mut Change<'_>,
    project: &LockedProject,
    (wanted, by): (Vec<PolicySource>, Uuid),
) -> Result<Restored, RegistryError> {
    let now = policies::load(change.conn(), Some(project.id)).await?;
    let now: HashMap<Uuid, Policy> = now
        .into_iter()
        .map(|(_, policy)| (policy.source.id, policy))
        .collect();
    let tables = columns::load(change.conn(), Some(project.id)).await?;
    let tables: HashMap<TableName, Uuid> = tables
        .into_iter()
        .map(|table| (table.name, table.id))
        .collect();
    let mut done = Restored::default();
    for (id, policy) in &now {
        let same = wanted.contains(&policy.source);
        if !same {
            sqlx::query!("DELETE FROM koyalite.policies WHERE id = $1", id)
                .execute(change.conn())
                .await?;
        }
        if wanted.iter().all(|source| source.id != *id) {
            done.removed.push(named(&policy.source));
        }
    }
    let mut homeless = Vec::new();
    for source in &wanted {
        let known = now.get(&source.id);
        if known.is_some_and(|policy| policy.source == *source) {
            continue;
        }
        let table = match Resource::of(&source.table) {
            Some(resource) => {
                Some(policies::resource_row(change.conn(), project.id, resource).await?)
            }
            None => tables.get(&source.table).copied(),
        };
        let Some(table) = table else {
            let message = format!("policy {:?}: there is no such table", source.name);
            homeless.push(Mistake::new(source.table.as_str(), message));
            continue;
        };
        let made = known.map_or((by, None), |policy| {
            (policy.created_by, Some(policy.created_at))
        });
        policies::insert(change.conn(), table, source, made).await?;
        done.restored.push(named(source));
    }
    fits(change, project, homeless).await?;
    done.removed.sort();
    Ok(done)
}

fn named(source: &PolicySource) -> String {
    format!("{}: {}", source.table, source.name)
}

pub(super) async fn kept(
    conn: &mut DbConnection,
    version: Uuid,
) -> Result<Vec<PolicySource>, RegistryError> {
    let set = sqlx::query_scalar!(
        "SELECT s.policies FROM koyalite.deployments d
         JOIN koyalite.policy_sets s
             ON s.id = coalesce(d.policy_set_id, d.first_policy_set_id)
         WHERE d.version_id = $1 ORDER BY d.number DESC LIMIT 1",
        version,
    )
    .fetch_optional(conn)
    .await?;
    let set = set.ok_or_else(|| {
        let reason = "no policies were kept with that version; roll back without them";
        RegistryError::conflict(Standing::NothingToRollBack, reason)
    })?;
    serde_json::from_value(set).map_err(RegistryError::internal)
}

const NO_FIT: &str = "those policies do not fit the tables and claims that the project has now";

/// Refuses what makes no sense any more, all at once.
async fn fits(
    change: &mut Change<'_>,
    project: &LockedProject,
    mut wrong: Vec<Mistake>,
) -> Result<(), RegistryError> {
    let rules = Rules::load(change.conn(), project.id).await?;
    if let Err(errors) = rules.build() {
        wrong.extend(errors.iter().map(verdict::broken));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(RegistryError::conflicts(Standing::InUse, NO_FIT, wrong)),
    }
}
