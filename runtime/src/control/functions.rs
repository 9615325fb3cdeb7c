//! Functions and their versions: what runs, what ran, and the ways between the two.

use std::sync::Arc;

use axum::extract::State;
use koyalite_policy::FunctionName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::registry::functions::{
    self, Deployed, Function, FunctionFilter, Policies, Rollback, RollbackTo, Switch, Version,
};
use crate::registry::{FunctionEntry, ProjectEntry, RegistryError};

use super::answer::{Answer, Items, ok};
use super::auth::Operator;
use super::deployments::message;
use super::error::ApiError;
use super::extract::{Asked, At, InProject, name};
use super::json::Json;
use super::paging::{Paging, part};
use super::permission::Permission;
use super::unchanged::{Tagged, Unchanged, tagged_as};
use super::{Control, Shared};

/// A function, or a deployment of it, with the address where it answers.
#[derive(Serialize)]
pub(super) struct WithUrl<T> {
    #[serde(flatten)]
    what: T,
    url: String,
}

/// What has a path below its project.
pub(super) trait Served {
    fn path(&self) -> &str;
}

impl Served for Function {
    fn path(&self) -> &str {
        &self.path
    }
}

impl Served for Deployed {
    fn path(&self) -> &str {
        &self.path
    }
}

/// Adds the address.
pub(super) fn with_url<T: Served>(
    control: &Control,
    project: &ProjectEntry,
    what: T,
) -> WithUrl<T> {
    let url = control.url(project, what.path());
    WithUrl { what, url }
}

/// The function of that name in the snapshot.
pub(super) fn find<'a>(
    project: &'a ProjectEntry,
    wanted: &str,
) -> Result<&'a Arc<FunctionEntry>, ApiError> {
    let mut functions = project.functions.iter();
    functions
        .find(|function| function.name.as_str() == wanted)
        .ok_or_else(|| ApiError::UnknownFunction(wanted.to_owned()))
}

/// Which functions.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedFunctions)]
pub(super) struct Narrowed {
    /// Whose name begins so.
    name: Option<String>,
    /// Switched on, or off.
    enabled: Option<bool>,
    /// The id of the user who deployed them last.
    user: Option<Uuid>,
    /// Served in this region.
    region: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(narrowed): Asked<Narrowed>,
) -> Result<Answer<Items<WithUrl<Function>>>, ApiError> {
    let (limit, cursor) = (narrowed.limit, narrowed.cursor);
    let page = Paging { limit, cursor }.page("functions")?;
    let filter = FunctionFilter {
        name: narrowed.name,
        enabled: narrowed.enabled,
        user: narrowed.user,
        region: narrowed.region,
    };
    let functions = functions::list(&control.registry, &project.name, &filter, &page).await?;
    let with_urls = functions.map(|one| with_url(&control, &project, one));
    part("functions", with_urls, |one| one.what.name.to_string())
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
) -> Result<Tagged<Answer<WithUrl<Function>>>, ApiError> {
    let wanted = name(&wanted)?;
    let function = functions::get(&control.registry, &project.name, &wanted).await?;
    shown(&control, &project, function)
}

/// With the tag of what is stored of it: where its address leads is a matter of configuration.
fn shown(
    control: &Control,
    project: &ProjectEntry,
    function: Function,
) -> Result<Tagged<Answer<WithUrl<Function>>>, ApiError> {
    let state = function.clone();
    tagged_as(ok(with_url(control, project, function)), &state)
}

pub(super) async fn versions(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Version>>, ApiError> {
    let (wanted, page) = (name(&wanted)?, paging.page("versions")?);
    let versions = functions::versions(&control.registry, &project.name, &wanted, &page).await?;
    part("versions", versions, |one| one.version)
}

pub(super) async fn version(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted, number)): At<(String, String, String)>,
) -> Result<Answer<Version>, ApiError> {
    let (wanted, number) = (name(&wanted)?, numbered("version", &number)?);
    let found = functions::version(&control.registry, &project.name, &wanted, number).await?;
    Ok(ok(found))
}

/// A number out of a path. What is none names nothing.
pub(super) fn numbered(what: &'static str, text: &str) -> Result<u32, ApiError> {
    let number = text.parse();
    number.map_err(|_| RegistryError::not_found(what, text).into())
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = FunctionPatch)]
pub(super) struct Patch {
    enabled: bool,
}

pub(super) async fn change(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
    Unchanged(condition): Unchanged,
    Json(patch): Json<Patch>,
) -> Result<Tagged<Answer<WithUrl<Function>>>, ApiError> {
    let wanted = name(&wanted)?;
    let switch = if patch.enabled {
        Switch::Enabled
    } else {
        Switch::Disabled
    };
    let switch = (&condition, switch);
    let function = functions::set_enabled(&control.registry, &project.name, &wanted, switch);
    shown(&control, &project, function.await?)
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = Rollback)]
pub(super) struct RollbackBody {
    version: Option<u32>,
    #[serde(default)]
    with_policies: bool,
    message: Option<String>,
}

pub(super) async fn rollback(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
    operator: Operator,
    Json(asked): Json<RollbackBody>,
) -> Result<Answer<WithUrl<Deployed>>, ApiError> {
    let wanted: FunctionName = name(&wanted)?;
    let to = asked
        .version
        .map_or(RollbackTo::Previous, RollbackTo::Version);
    let user = operator.user_id(&control.registry);
    let policies = match asked.with_policies {
        true => {
            operator.demand(Permission::PolicyWrite)?;
            Policies::Restored
        }
        false => Policies::Stay,
    };
    let back = Rollback {
        to,
        policies,
        message: message(asked.message)?,
        by: user,
    };
    let deployed = functions::rollback(&control.registry, &project.name, &wanted, back).await?;
    Ok(ok(with_url(&control, &project, deployed)))
}
