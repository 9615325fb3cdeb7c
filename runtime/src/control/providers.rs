//! Identity servers whose tokens a project takes. Whoever adds one decides who its users are, so that
//! takes the permission for the secret that users' tokens are signed with.

use axum::extract::State;
use axum::response::NoContent;
use serde::Deserialize;

use crate::delivery::target;
use crate::http::Mistake;
use crate::registry::providers::{self, NewProvider, Provider};

use super::Shared;
use super::answer::{Answer, Created, Items, created, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::json::Json;
use super::paging::{Paging, part};

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = NewIdentityProvider)]
pub(super) struct Wanted {
    name: String,
    issuer: String,
    audience: String,
    jwks_url: String,
}

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Provider>>, ApiError> {
    let page = paging.page("identity-providers")?;
    let found = providers::list(&control.registry, &project.name, &page).await?;
    part("identity-providers", found, |provider| {
        provider.name.clone()
    })
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, provider)): At<(String, String)>,
) -> Result<Answer<Provider>, ApiError> {
    let found = providers::get(&control.registry, &project.name, &provider).await?;
    Ok(ok(found))
}

pub(super) async fn create(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Json(wanted): Json<Wanted>,
) -> Result<Created<Provider>, ApiError> {
    target::check(&wanted.jwks_url, control.targets)
        .map_err(|error| ApiError::Invalid(vec![Mistake::at("jwks_url", error.to_string())]))?;
    let new = NewProvider {
        name: wanted.name,
        issuer: wanted.issuer,
        audience: wanted.audience,
        jwks_url: wanted.jwks_url,
        by: operator.subject.clone(),
    };
    let provider = providers::create(&control.registry, &project.name, new).await?;
    tracing::info!(
        operator = operator.subject,
        project = %project.name,
        issuer = provider.issuer,
        "added an identity provider"
    );
    Ok(created(provider))
}

pub(super) async fn remove(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, provider)): At<(String, String)>,
    operator: Operator,
) -> Result<NoContent, ApiError> {
    providers::delete(&control.registry, &project.name, &provider).await?;
    tracing::info!(operator = operator.subject, project = %project.name, provider, "removed an identity provider");
    Ok(NoContent)
}
