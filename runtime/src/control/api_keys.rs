//! A project's API keys. A key is in the answer that makes it, and in no other.

use axum::extract::State;
use axum::response::NoContent;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::registry::api_keys::{self, KeyFilter, KeyStatus, Listed, NewKey, Scope};

use super::Shared;
use super::answer::{Answer, Created, Items, created, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::json::Json;
use super::paging::{Paging, part};
use super::permission::Permission;

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = NewApiKey)]
pub(super) struct Wanted {
    name: String,
    scopes: Vec<Scope>,
    expires_at: Option<DateTime<Utc>>,
}

/// A key, this once.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = NewApiKeyMade)]
pub(super) struct Made {
    key: String,
    #[serde(flatten)]
    listed: Listed,
}

/// Which keys.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedApiKeys)]
pub(super) struct Narrowed {
    /// Whose name begins so.
    name: Option<String>,
    /// How the key itself begins.
    prefix: Option<String>,
    /// With this scope.
    scope: Option<Scope>,
    /// Good still, or not.
    status: Option<KeyStatus>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(narrowed): Asked<Narrowed>,
) -> Result<Answer<Items<Listed>>, ApiError> {
    let (limit, cursor) = (narrowed.limit, narrowed.cursor);
    let page = Paging { limit, cursor }.page("api-keys")?;
    let filter = KeyFilter {
        name: narrowed.name,
        prefix: narrowed.prefix,
        scope: narrowed.scope,
        status: narrowed.status,
    };
    let keys = api_keys::list(&control.registry, &project.name, &filter, &page).await?;
    part("api-keys", keys, |key| key.name.clone())
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, key)): At<(String, String)>,
) -> Result<Answer<Listed>, ApiError> {
    let found = api_keys::get(&control.registry, &project.name, &key).await?;
    Ok(ok(found))
}

pub(super) async fn create(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Json(wanted): Json<Wanted>,
) -> Result<Created<Made>, ApiError> {
    if wanted.scopes.contains(&Scope::Service) {
        operator.demand(Permission::ServiceKeyGrant)?;
    }
    let new = NewKey {
        name: wanted.name,
        scopes: wanted.scopes,
        expires_at: wanted.expires_at,
        by: operator.subject.clone(),
    };
    let (key, listed) = api_keys::create(&control.registry, &project.name, new).await?;
    tracing::info!(
        operator = operator.subject,
        project = %project.name,
        key = listed.prefix,
        scopes = ?listed.scopes,
        "made an API key"
    );
    Ok(created(Made {
        key: key.expose().to_owned(),
        listed,
    }))
}

pub(super) async fn remove(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, key)): At<(String, String)>,
    operator: Operator,
) -> Result<NoContent, ApiError> {
    api_keys::delete(&control.registry, &project.name, &key).await?;
    tracing::info!(operator = operator.subject, project = %project.name, key, "deleted an API key");
    Ok(NoContent)
}
