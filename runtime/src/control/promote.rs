//! A function goes from one project to another. It takes the right to deploy in both: what is in the one
//! is read with its secrets' names and its policies, and what is in the other is replaced.

use axum::extract::State;
use koyalite_policy::{FunctionName, ProjectName};
use serde::Deserialize;

use crate::registry::deploy::terms::Terms;
use crate::registry::functions::{Deployed, Policies};
use crate::registry::promote::{Promotion, promote};

use super::Shared;
use super::answer::{Answer, ok};
use super::auth::{Operator, admit};
use super::deployments::message;
use super::error::ApiError;
use super::extract::{At, InProject, name};
use super::functions::{WithUrl, with_url};
use super::json::Json;
use super::permission::Permission;
use super::route::Access;

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = Promotion)]
pub(super) struct Wanted {
    to: String,
    version: Option<u32>,
    #[serde(default)]
    with_policies: bool,
    message: Option<String>,
}

pub(super) async fn run(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
    operator: Operator,
    Json(asked): Json<Wanted>,
) -> Result<Answer<WithUrl<Deployed>>, ApiError> {
    let function: FunctionName = name(&wanted)?;
    let to: ProjectName = name(&asked.to)?;
    let there = operator.elsewhere(&control.registry, &to).await?;
    admit(
        &there,
        Access::Needs(Permission::FunctionDeploy),
        Some(to.as_str()),
    )?;
    let target = control.project(to.as_str())?;
    let policies = match asked.with_policies {
        true => {
            operator.demand(Permission::PolicyRead)?;
            there.demand(Permission::PolicyWrite)?;
            Policies::Restored
        }
        false => Policies::Stay,
    };
    let promotion = Promotion {
        from: project.name.clone(),
        name: function,
        version: asked.version,
        to,
        policies,
        terms: Terms {
            message: message(asked.message)?,
            ..Terms::default()
        },
        by: operator.user_id(&control.registry),
    };
    let deployed = promote(&control.registry, promotion).await?;
    tracing::info!(
        operator = operator.subject,
        from = %project.name,
        to = %target.name,
        function = %deployed.name,
        version = deployed.version,
        "promoted a function"
    );
    Ok(ok(with_url(&control, &target, deployed)))
}
