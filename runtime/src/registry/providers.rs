//! Identity servers that a project trusts to say who its users are: their issuer, their audience, and
//! where their public keys are. The keys themselves are fetched and kept by whoever verifies tokens.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use koyalite_policy::ProjectName;
use serde::Serialize;
use uuid::Uuid;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::{Change, project_id};
use super::error::{Mistake, RegistryError, Standing, refuse_if_any};
use super::page::{Page, Part};
use super::pool::DbConnection;
use crate::keys::token::ISSUER;

/// A project has one, and a second while it moves to another.
pub const PROVIDERS_MAX: i64 = 10;

/// As long as a policy's name.
pub const PROVIDER_NAME_CHARS_MAX: usize = 100;

/// Of an issuer, an audience and a URL; each is one in practice.
pub const PROVIDER_TEXT_BYTES_MAX: usize = 1000;

/// Audiences that begin so are this installation's own, or a project's.
const OWN_AUDIENCES: [&str; 2] = ["koyalite:", "project:"];

/// An identity server, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = IdentityProvider)]
pub struct Provider {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// `iss` of its tokens.
    pub issuer: String,
    /// What `aud` of its tokens must name.
    pub audience: String,
    /// Where its keys are.
    pub jwks_url: String,
    /// The subject of the operator's token that added it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// An identity server to add.
#[derive(Debug, Clone)]
pub struct NewProvider {
    /// What it is called, unique in the project.
    pub name: String,
    /// `iss` of its tokens, unique in the project.
    pub issuer: String,
    /// What `aud` of its tokens must name.
    pub audience: String,
    /// Where its keys are; already judged as a place that this node may ask.
    pub jwks_url: String,
    /// Who adds it.
    pub by: String,
}

/// The same as tokens are judged by it. Another id for every change: a provider never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderEntry {
    /// Its id.
    pub id: Uuid,
    /// `iss` of its tokens.
    pub issuer: String,
    /// What `aud` of its tokens must name.
    pub audience: String,
    /// Where its keys are.
    pub jwks_url: String,
}

/// Adds one. Its tokens count from then on.
///
/// # Errors
/// `Invalid` where a field makes no sense; `Conflict` where name or issuer are taken, or there are too
/// many.
pub async fn create(
    registry: &Registry,
    project: &ProjectName,
    new: NewProvider,
) -> Result<Provider, RegistryError> {
    check(&new)?;
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    has_room(change.conn(), project).await?;
    let provider = sqlx::query_as!(
        Provider,
        "INSERT INTO koyalite.identity_providers
             (id, project_id, name, issuer, audience, jwks_url, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         RETURNING id, name, issuer, audience, jwks_url, created_by, created_at",
        Uuid::now_v7(),
        project,
        new.name,
        new.issuer,
        new.audience,
        new.jwks_url,
        new.by,
    )
    .fetch_one(change.conn())
    .await?;
    let deed = Deed::new(Action::ProviderCreate, &provider.name)
        .with("issuer", provider.issuer.as_str())
        .with("audience", provider.audience.as_str())
        .with("jwks_url", provider.jwks_url.as_str());
    change.commit(deed).await?;
    Ok(provider)
}

fn check(new: &NewProvider) -> Result<(), RegistryError> {
    let mut mistakes = Vec::new();
    if !(1..=PROVIDER_NAME_CHARS_MAX).contains(&new.name.chars().count()) {
        let message = format!("write 1 to {PROVIDER_NAME_CHARS_MAX} characters");
        mistakes.push(Mistake::new("name", message));
    }
    let texts = [
        ("issuer", &new.issuer),
        ("audience", &new.audience),
        ("jwks_url", &new.jwks_url),
    ];
    for (field, text) in texts {
        let plain = !text.chars().any(char::is_control);
        if !(plain && (1..=PROVIDER_TEXT_BYTES_MAX).contains(&text.len())) {
            let message = format!("write 1 to {PROVIDER_TEXT_BYTES_MAX} bytes of plain text");
            mistakes.push(Mistake::new(field, message));
        }
    }
    if new.issuer == ISSUER {
        mistakes.push(Mistake::new("issuer", "is this installation's own"));
    }
    if OWN_AUDIENCES
        .iter()
        .any(|own| new.audience.starts_with(own))
    {
        let message = "begins like this installation's own; write the one that the server gives \
                       tokens for this application";
        mistakes.push(Mistake::new("audience", message));
    }
    refuse_if_any(mistakes)
}

async fn has_room(conn: &mut DbConnection, project: Uuid) -> Result<(), RegistryError> {
    let providers = sqlx::query_scalar!(
        r#"SELECT count(*) AS "providers!" FROM koyalite.identity_providers WHERE project_id = $1"#,
        project,
    );
    match providers.fetch_one(conn).await? < PROVIDERS_MAX {
        true => Ok(()),
        false => Err(RegistryError::conflict(
            Standing::State,
            format!("a project has at most {PROVIDERS_MAX} identity providers; delete one first"),
        )),
    }
}

/// The providers of a project, by name.
///
/// # Errors
/// `NotFound` for an unknown project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    page: &Page<String>,
) -> Result<Part<Provider>, RegistryError> {
    let project = project_id(registry, project).await?;
    let rows = sqlx::query_as!(
        Provider,
        "SELECT id, name, issuer, audience, jwks_url, created_by, created_at
         FROM koyalite.identity_providers
         WHERE project_id = $1 AND ($2::text IS NULL OR name > $2) ORDER BY name LIMIT $3",
        project,
        page.after.as_deref(),
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(rows))
}

/// One, by its id or its name.
///
/// # Errors
/// `NotFound` for an unknown project or provider.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    provider: &str,
) -> Result<Provider, RegistryError> {
    let project = project_id(registry, project).await?;
    let found = sqlx::query_as!(
        Provider,
        "SELECT id, name, issuer, audience, jwks_url, created_by, created_at
         FROM koyalite.identity_providers
         WHERE project_id = $1 AND (id::text = $2 OR name = $2)
         ORDER BY id::text = $2 DESC LIMIT 1",
        project,
        provider,
    )
    .fetch_optional(&registry.pool)
    .await?;
    found.ok_or_else(|| RegistryError::not_found("identity provider", provider))
}

/// Removes one, by its id or its name. Its tokens are refused from then on.
///
/// # Errors
/// `NotFound` for an unknown project or provider.
pub async fn delete(
    registry: &Registry,
    project: &ProjectName,
    provider: &str,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    sqlx::query_scalar!(
        "DELETE FROM koyalite.identity_providers
         WHERE project_id = $1 AND (id::text = $2 OR name = $2) RETURNING id",
        project,
        provider,
    )
    .fetch_optional(change.conn())
    .await?
    .ok_or_else(|| RegistryError::not_found("identity provider", provider))?;
    let deed = Deed::new(Action::ProviderDelete, provider);
    change.commit(deed).await
}

/// The providers of projects.
pub(crate) async fn load(
    conn: &mut DbConnection,
    projects: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Arc<ProviderEntry>>>, RegistryError> {
    let rows = sqlx::query!(
        "SELECT id, project_id, issuer, audience, jwks_url FROM koyalite.identity_providers
         WHERE project_id = ANY($1)",
        projects,
    );
    let mut providers: HashMap<Uuid, Vec<Arc<ProviderEntry>>> = HashMap::new();
    for row in rows.fetch_all(conn).await? {
        let entry = ProviderEntry {
            id: row.id,
            issuer: row.issuer,
            audience: row.audience,
            jwks_url: row.jwks_url,
        };
        providers
            .entry(row.project_id)
            .or_default()
            .push(Arc::new(entry));
    }
    Ok(providers)
}
