//! A project's secrets: set by operators, read by the functions whose manifest names them, shown to
//! nobody. Setting one is a change like any other: what is served from then on has the new value.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use koyalite_policy::ProjectName;
use serde::Serialize;
use uuid::Uuid;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::{Change, project_id};
use super::condition::Condition;
use super::error::{RegistryError, Standing};
use super::page::{Page, Part};
use super::pool::DbConnection;
use super::secret::Secret;
use crate::keys::{Context, KeyRing, Sealed};

/// As many as a manifest can name; every node holds all of them.
pub const SECRETS_MAX: i64 = 100;

/// As long as a value of `[config]`: a certificate with its key fits.
pub const SECRET_VALUE_BYTES_MAX: usize = 8 * 1024;

/// As long as a key of `[config]`.
const SECRET_NAME_BYTES_MAX: usize = 64;

/// A secret's name, in the form of an environment variable's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName(String);

impl SecretName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        match begins && text.len() <= SECRET_NAME_BYTES_MAX && text.bytes().all(plain) {
            true => Ok(Self(text.to_owned())),
            false => Err(RegistryError::invalid(
                "name",
                format!(
                    "a secret's name has 1 to {SECRET_NAME_BYTES_MAX} letters, digits or \
                     underscores, and no digit at its beginning"
                ),
            )),
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// That a secret is there, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = SecretListed)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// When it was first set.
    pub created_at: DateTime<Utc>,
    /// When it was last set.
    pub updated_at: DateTime<Utc>,
}

/// The secrets of a project, by name, without their values.
///
/// # Errors
/// `NotFound` for an unknown project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    page: &Page<String>,
) -> Result<Part<Listed>, RegistryError> {
    let project = project_id(registry, project).await?;
    let rows = sqlx::query_as!(
        Listed,
        "SELECT name, created_at, updated_at FROM koyalite.secrets
         WHERE project_id = $1 AND ($2::text IS NULL OR name > $2) ORDER BY name LIMIT $3",
        project,
        page.after.as_deref(),
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(rows))
}

/// A value from its owner.
///
/// # Errors
/// `Invalid` where it is empty or too long.
pub fn chosen(text: String) -> Result<Secret, RegistryError> {
    match text.len() {
        1..=SECRET_VALUE_BYTES_MAX => Ok(Secret::new(text.into_bytes())),
        _ => Err(RegistryError::invalid(
            "value",
            format!("a value has 1 to {SECRET_VALUE_BYTES_MAX} bytes"),
        )),
    }
}

/// That a secret is there.
///
/// # Errors
/// `NotFound` for an unknown project or secret.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    name: &SecretName,
) -> Result<Listed, RegistryError> {
    let project = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    let found = find(&mut conn, project, name).await?;
    found.ok_or_else(|| RegistryError::not_found("secret", name))
}

async fn find(
    conn: &mut DbConnection,
    project: Uuid,
    name: &SecretName,
) -> Result<Option<Listed>, RegistryError> {
    let found = sqlx::query_as!(
        Listed,
        "SELECT name, created_at, updated_at FROM koyalite.secrets
         WHERE project_id = $1 AND name = $2",
        project,
        name.as_str(),
    );
    Ok(found.fetch_optional(conn).await?)
}

/// Sets a secret, new or not, where it is as the condition says.
///
/// # Errors
/// `NotFound` for an unknown project, `Conflict` where it has too many or the condition does not hold.
pub async fn set(
    registry: &Registry,
    project: &ProjectName,
    (name, value): (&SecretName, &Secret),
    condition: &Condition,
) -> Result<Listed, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    condition.check(&find(change.conn(), project, name).await?)?;
    let known = sqlx::query_scalar!(
        "SELECT id FROM koyalite.secrets WHERE project_id = $1 AND name = $2",
        project,
        name.as_str(),
    )
    .fetch_optional(change.conn())
    .await?;
    if known.is_none() {
        has_room(change.conn(), project).await?;
    }
    let id = known.unwrap_or_else(Uuid::now_v7);
    let row = id.to_string();
    let sealed = registry.ring().seal(value.expose(), &place(&row));
    let set = sqlx::query_as!(
        Listed,
        "INSERT INTO koyalite.secrets (id, project_id, name, value) VALUES ($1, $2, $3, $4)
         ON CONFLICT (project_id, name) DO UPDATE SET value = excluded.value,
             updated_at = greatest(now(), secrets.updated_at + interval '1 microsecond')
         RETURNING name, created_at, updated_at",
        id,
        project,
        name.as_str(),
        sealed.map_err(RegistryError::internal)?.into_bytes(),
    )
    .fetch_one(change.conn())
    .await?;
    change.commit(Deed::new(Action::SecretSet, name)).await?;
    Ok(set)
}

async fn has_room(conn: &mut DbConnection, project: Uuid) -> Result<(), RegistryError> {
    let count = sqlx::query_scalar!(
        "SELECT count(*) AS \"count!\" FROM koyalite.secrets WHERE project_id = $1",
        project,
    )
    .fetch_one(conn)
    .await?;
    match count < SECRETS_MAX {
        true => Ok(()),
        false => Err(RegistryError::conflict(
            Standing::State,
            format!("a project has at most {SECRETS_MAX} secrets"),
        )),
    }
}

/// Deletes a secret. Functions that name it find nothing from then on.
///
/// # Errors
/// `NotFound` for an unknown project or secret.
pub async fn delete(
    registry: &Registry,
    project: &ProjectName,
    name: &SecretName,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    sqlx::query_scalar!(
        "DELETE FROM koyalite.secrets WHERE project_id = $1 AND name = $2 RETURNING id",
        project,
        name.as_str(),
    )
    .fetch_optional(change.conn())
    .await?
    .ok_or_else(|| RegistryError::not_found("secret", name))?;
    change.commit(Deed::new(Action::SecretDelete, name)).await
}

/// The secrets of projects, by name. One that does not open is left out: what needs it finds nothing.
pub(crate) async fn load(
    conn: &mut DbConnection,
    ring: &KeyRing,
    projects: &[Uuid],
) -> Result<HashMap<Uuid, BTreeMap<String, Secret>>, RegistryError> {
    let rows = sqlx::query!(
        "SELECT id, project_id, name, value FROM koyalite.secrets WHERE project_id = ANY($1)",
        projects,
    )
    .fetch_all(conn)
    .await?;
    let mut secrets: HashMap<Uuid, BTreeMap<String, Secret>> = HashMap::new();
    for row in rows {
        let id = row.id.to_string();
        match ring.unseal(&Sealed::from_bytes(row.value), &place(&id)) {
            Ok(value) => {
                let of_project = secrets.entry(row.project_id).or_default();
                of_project.insert(row.name, Secret::new(value.to_vec()));
            }
            Err(error) => tracing::error!(secret = row.name, %error, "a secret is left out"),
        }
    }
    Ok(secrets)
}

fn place(row: &str) -> Context<'_> {
    Context {
        table: "secrets",
        row,
        column: "value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, accepted: bool) {
        assert_eq!(name.parse::<SecretName>().is_ok(), accepted, "{name:?}");
    }

    #[test]
    fn names_are_those_of_environment_variables() {
        check("STRIPE_KEY", true);
        check("_x1", true);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
        for odd in ["", "1A", "A-B", "A B", "Ä", "A=", "../x"] {
            check(odd, false);
        }
    }

    #[test]
    fn values_have_an_end_and_are_not_printed() {
        assert!(chosen(String::new()).is_err());
        assert!(chosen("x".repeat(SECRET_VALUE_BYTES_MAX + 1)).is_err());
        let secret = chosen("sk_live_1".to_owned()).unwrap();
        assert!(!format!("{secret:?}").contains("sk_live"));
    }
}
