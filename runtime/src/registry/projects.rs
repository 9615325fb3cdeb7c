//! Projects: the tenants. Creating one makes its row, its secrets, its schema and its role at once.
//!
//! The database password is made here, sent to Postgres only as a SCRAM verifier, and kept sealed.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use koyalite_host_api::db::Databases;
use koyalite_host_api::files::Files;
use koyalite_host_api::limits::SELECT_ROWS;
use koyalite_policy::ProjectName;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::audit::{Action, Deed};
use super::change::Change;
use super::error::RegistryError;
use super::page::{Page, Part};
use super::pool::DbConnection;
use super::secret::{Column, Secret, seal};
use super::settings::Settings;
use super::snapshot::{Environment, ProjectEntry};
use super::{Registry, ddl};

/// A project as operators see it. Its secrets are in the snapshot only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Project {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the installation.
    pub name: ProjectName,
    /// The user who owns it.
    pub owner_id: Uuid,
    /// What it is for.
    pub environment: Environment,
    /// What its owner has decided about it.
    pub settings: Settings,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A project to create.
#[derive(Debug, Clone)]
pub struct NewProject {
    /// Its name.
    pub name: ProjectName,
    /// What it is for.
    pub environment: Environment,
    /// The user who will own it.
    pub owner: Uuid,
}

impl ProjectEntry {
    /// The project as host calls know it.
    #[must_use]
    pub fn for_host(&self, databases: &Databases) -> koyalite_host_api::Project {
        koyalite_host_api::Project {
            id: self.id,
            name: self.name.clone(),
            schema: self.schema.clone(),
            relationships: self.relationships.clone(),
            vectors: self.vectors.clone(),
            database: databases.project(self.id, &self.database),
            mirror: self.mirror.clone(),
            // Known where it is known who asks, and for what.
            reads: Default::default(),
            files: Files::taking(self.settings.files.limits()),
            select_rows: SELECT_ROWS,
        }
    }
}

/// The names of a project's schema and role. Made from its id, so that they need no escaping and a
/// project can be renamed.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) schema: String,
    pub(crate) role: String,
}

impl Tenant {
    fn of(project: Uuid) -> Self {
        let id = project.simple();
        Self {
            schema: format!("p_{id}"),
            role: format!("koya_p_{id}"),
        }
    }
}

/// Creates a project.
///
/// # Errors
/// `Conflict` where the name is taken.
pub async fn create(registry: &Registry, new: NewProject) -> Result<Project, RegistryError> {
    let id = Uuid::now_v7();
    let tenant = Tenant::of(id);
    let password = Secret::random_text();
    let ring = registry.ring();
    let jwt_secret = seal(&ring, id, Column::JwtSecret, &Secret::random_key())?;
    let sealed_password = seal(&ring, id, Column::DatabasePassword, &password)?;

    let mut change = Change::begin(registry).await?;
    change.take_turn().await?;
    let row = sqlx::query!(
        "INSERT INTO koyalite.projects (id, name, owner_id, environment, database_schema,
             database_role, jwt_secret, database_password)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         RETURNING created_at, current_database()::text AS \"database!\"",
        id,
        new.name.as_str(),
        new.owner,
        new.environment.as_str(),
        tenant.schema,
        tenant.role,
        jwt_secret,
        sealed_password,
    )
    .fetch_one(change.conn())
    .await?;
    let verifier = scram_verifier(password.expose(), rand::random());
    change
        .run(ddl::create_tenant(&tenant, &verifier, &row.database))
        .await?;
    change.concerns(id);
    let deed = Deed::new(Action::ProjectCreate, id)
        .with("name", new.name.as_str())
        .with("environment", new.environment.as_str());
    change.commit(deed).await?;
    Ok(Project {
        id,
        name: new.name,
        owner_id: new.owner,
        environment: new.environment,
        settings: Settings::default(),
        created_at: row.created_at,
        updated_at: row.created_at,
    })
}

/// The project of that name.
///
/// # Errors
/// `NotFound` where there is none.
pub async fn get(registry: &Registry, name: &ProjectName) -> Result<Project, RegistryError> {
    let mut conn = registry.pool.acquire().await?;
    named(&mut conn, name).await
}

/// The project of that name, as a change sees it.
pub(crate) async fn named(
    conn: &mut DbConnection,
    name: &ProjectName,
) -> Result<Project, RegistryError> {
    let filter = ProjectFilter::default();
    let mut found = select(conn, (Some(name), &filter), &Page::first(1)).await?;
    found
        .pop()
        .ok_or_else(|| RegistryError::not_found("project", name))
}

/// Which projects; what is not given narrows nothing.
#[derive(Debug, Clone, Default)]
pub struct ProjectFilter {
    /// Of these ids.
    pub only: Option<Vec<Uuid>>,
    /// Whose name begins so.
    pub name: Option<String>,
    /// For this.
    pub environment: Option<Environment>,
    /// Of this user.
    pub owner: Option<Uuid>,
}

/// The projects, by name.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn list(
    registry: &Registry,
    filter: &ProjectFilter,
    page: &Page<String>,
) -> Result<Part<Project>, RegistryError> {
    let mut conn = registry.pool.acquire().await?;
    Ok(page.part(select(&mut conn, (None, filter), page).await?))
}

async fn select(
    conn: &mut DbConnection,
    (name, filter): (Option<&ProjectName>, &ProjectFilter),
    page: &Page<String>,
) -> Result<Vec<Project>, RegistryError> {
    let rows = sqlx::query!(
        "SELECT id, name, owner_id, environment, settings, created_at, updated_at
         FROM koyalite.projects
         WHERE ($1::text IS NULL OR name = $1) AND ($2::text IS NULL OR name > $2)
             AND ($4::uuid[] IS NULL OR id = ANY($4))
             AND ($5::text IS NULL OR starts_with(name, $5))
             AND ($6::text IS NULL OR environment = $6) AND ($7::uuid IS NULL OR owner_id = $7)
         ORDER BY name LIMIT $3",
        name.map(ProjectName::as_str),
        page.after.as_deref(),
        page.rows(),
        filter.only.as_deref(),
        filter.name,
        filter.environment.map(Environment::as_str),
        filter.owner,
    )
    .fetch_all(conn)
    .await?;
    let projects = rows.into_iter().map(|row| {
        Ok(Project {
            id: row.id,
            name: row.name.parse().map_err(RegistryError::internal)?,
            owner_id: row.owner_id,
            environment: row.environment.parse()?,
            settings: Settings::from_stored(row.settings)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    });
    projects.collect()
}

/// As many rounds as Postgres itself uses. The password has 256 random bits: rounds add nothing.
const SCRAM_ROUNDS: u32 = 4096;

/// What Postgres stores instead of a password (RFC 5802). Sent in its place, so that no log of
/// statements holds a password.
fn scram_verifier(password: &[u8], salt: [u8; 16]) -> String {
    let salted = salted_password(password, &salt);
    let stored_key = Sha256::digest(hmac(&salted, b"Client Key"));
    let server_key = hmac(&salted, b"Server Key");
    let base64 = |bytes: &[u8]| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
    format!(
        "SCRAM-SHA-256${SCRAM_ROUNDS}:{}${}:{}",
        base64(&salt),
        base64(&stored_key),
        base64(&server_key),
    )
}

/// PBKDF2 with HMAC-SHA-256 and one block of output.
fn salted_password(password: &[u8], salt: &[u8]) -> [u8; 32] {
    let first = [salt, &1_u32.to_be_bytes()].concat();
    let mut block = hmac(password, &first);
    let mut salted = block;
    for _ in 1..SCRAM_ROUNDS {
        block = hmac(password, &block);
        for (sum, byte) in salted.iter_mut().zip(block) {
            *sum ^= byte;
        }
    }
    salted
}

/// HMAC-SHA-256 under a key of any length that fits the hash's block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // Padded with zeros as HMAC does itself; both keys used here are at most 64 bytes long.
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_what_the_standard_says() {
        // The example of RFC 7677, section 3: user `user`, password `pencil`.
        let salt = base64::Engine::decode(
            &base64::prelude::BASE64_STANDARD,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
        )
        .unwrap();
        let verifier = scram_verifier(b"pencil", salt.try_into().unwrap());
        assert_eq!(
            verifier,
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }
}
