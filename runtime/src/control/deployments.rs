//! Deployments of a function: which versions have served, with what shares, by whom and why; and the next.

use axum::extract::State;
use serde::Deserialize;

use crate::http::Code;
use crate::registry::RegistryError;
use crate::registry::deploy::history::{self, Deployment, Share};
use crate::registry::deploy::rule::AutoRollback;
use crate::registry::deploy::terms::{Terms, WrittenTerms};
use crate::registry::deploy::weights::{self, NewShares};

use super::Shared;
use super::answer::{Answer, Created, Items, created, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At, InProject, name};
use super::functions::numbered;
use super::json::Json;
use super::paging::{Paging, part};

/// The terms of a deploy, in its query: its body is a component.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeployQuery {
    weight: Option<u32>,
    message: Option<String>,
    affinity: Option<String>,
    error_percent_max: Option<u32>,
    p99_ms_max: Option<u32>,
    window_s: Option<u32>,
    requests_min: Option<u32>,
}

impl DeployQuery {
    /// Reads them.
    pub(super) fn read(self) -> Result<Terms, ApiError> {
        let numbers = [
            ("error_percent_max", self.error_percent_max),
            ("p99_ms_max", self.p99_ms_max),
            ("window_s", self.window_s),
            ("requests_min", self.requests_min),
        ];
        let rule: serde_json::Map<_, _> = numbers
            .into_iter()
            .filter_map(|(field, value)| Some((field.to_owned(), value?.into())))
            .collect();
        let rule = match rule.is_empty() {
            true => None,
            // Numbers under its own names are a rule.
            false => serde_json::from_value(rule.into()).map_err(|_| ApiError::Unwritable)?,
        };
        let written = WrittenTerms {
            weight: self.weight,
            affinity: self.affinity,
            auto_rollback: rule,
            message: self.message,
        };
        read(written)
    }
}

fn read(written: WrittenTerms) -> Result<Terms, ApiError> {
    written.read().map_err(invalid)
}

/// A message by itself.
pub(super) fn message(text: Option<String>) -> Result<Option<String>, ApiError> {
    let terms = read(WrittenTerms {
        message: text,
        ..WrittenTerms::default()
    });
    Ok(terms?.message)
}

fn invalid(error: RegistryError) -> ApiError {
    ApiError::invalid_as(Code::InvalidField)(error)
}

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Deployment>>, ApiError> {
    let (wanted, page) = (name(&wanted)?, paging.page("deployments")?);
    let deployments = history::list(&control.registry, &project.name, &wanted, &page).await?;
    part("deployments", deployments, |one| one.number)
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted, number)): At<(String, String, String)>,
) -> Result<Answer<Deployment>, ApiError> {
    let (wanted, number) = (name(&wanted)?, numbered("deployment", &number)?);
    let found = history::get(&control.registry, &project.name, &wanted, number).await?;
    Ok(ok(found))
}

/// Which versions are to serve.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = NewDeployment)]
pub(super) struct Wanted {
    /// One with the weight 100, or two that have 100 together.
    versions: Vec<Share>,
    /// The number of the deployment that this one follows: another one in between is a 412.
    after: Option<u32>,
    message: Option<String>,
    affinity: Option<String>,
    auto_rollback: Option<AutoRollback>,
}

pub(super) async fn create(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
    operator: Operator,
    Json(asked): Json<Wanted>,
) -> Result<Created<Deployment>, ApiError> {
    let wanted = name(&wanted)?;
    let terms = read(WrittenTerms {
        weight: None,
        affinity: asked.affinity,
        auto_rollback: asked.auto_rollback,
        message: asked.message,
    });
    let shares = NewShares {
        versions: asked.versions,
        terms: terms?,
        after: asked.after,
        by: operator.user_id(&control.registry),
    };
    let made = weights::set(&control.registry, &project.name, &wanted, shares).await;
    Ok(created(made.map_err(invalid)?))
}
