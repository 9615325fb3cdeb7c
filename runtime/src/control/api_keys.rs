//! A project's API keys. A key is in the answer that makes it, and in no other.

use axum::extract::State;
use axum::response::NoContent;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::registry::api_keys::{self, Listed, NewKey, Scope};

use super::Shared;
use super::answer::{Answer, Created, Items, created};
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

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Listed>>, ApiError> {
    let page = paging.page("api-keys")?;
    let keys = api_keys::list(&control.registry, &project.name, &page).await?;
    part("api-keys", keys, |key| key.name.clone())
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
