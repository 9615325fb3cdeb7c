//! Endpoints of webhooks: who has subscribed to which events.
//!
//! A secret is in the answer to its making and its rotation, and nowhere else.

use axum::extract::State;
use axum::response::NoContent;
use serde::Deserialize;
use uuid::Uuid;

use crate::delivery::target;
use crate::http::Mistake;
use crate::registry::webhooks::endpoint_list::{self, EndpointFilter, EndpointStatus};
use crate::registry::webhooks::endpoints::{self, Endpoint, Revealed};
use crate::registry::webhooks::input::{EndpointPatch, NewEndpoint};

use super::answer::{Answer, Created, Items, created, ok};
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::json::Json;
use super::paging::{Paging, part};
use super::unchanged::{Tagged, Unchanged, tagged_as};
use super::{Control, Shared};
use crate::registry::RegistryError;

/// The list, in its cursors.
const ENDPOINTS: &str = "endpoints";

/// Which endpoints.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedEndpoints)]
pub(super) struct Narrowed {
    /// How they stand.
    status: Option<EndpointStatus>,
    /// That events of this type are delivered to.
    event_type: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(narrowed): Asked<Narrowed>,
) -> Result<Answer<Items<Endpoint>>, ApiError> {
    let (limit, cursor) = (narrowed.limit, narrowed.cursor);
    let page = Paging { limit, cursor }.page(ENDPOINTS)?;
    let filter = EndpointFilter {
        status: narrowed.status,
        event_type: narrowed.event_type,
    };
    let found = endpoint_list::list(&control.registry, &project.name, &filter, &page).await?;
    part(ENDPOINTS, found, |one| (one.created_at, one.id))
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<Tagged<Answer<Endpoint>>, ApiError> {
    let id = id_of("endpoint", &id)?;
    shown(endpoint_list::get(&control.registry, &project.name, id).await?)
}

fn shown(endpoint: Endpoint) -> Result<Tagged<Answer<Endpoint>>, ApiError> {
    let decided = endpoint.decided();
    tagged_as(ok(endpoint), &decided)
}

pub(super) async fn create(
    State(control): State<Shared>,
    InProject(project): InProject,
    Json(new): Json<NewEndpoint>,
) -> Result<Created<Revealed>, ApiError> {
    control.check_target(&new.target_url)?;
    let made = endpoints::create(&control.registry, &project.name, &new).await?;
    Ok(created(made))
}

pub(super) async fn change(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
    Unchanged(condition): Unchanged,
    Json(patch): Json<EndpointPatch>,
) -> Result<Tagged<Answer<Endpoint>>, ApiError> {
    if let Some(url) = &patch.target_url {
        control.check_target(url)?;
    }
    let (id, patch) = (id_of("endpoint", &id)?, (&condition, patch));
    shown(endpoints::update(&control.registry, &project.name, id, patch).await?)
}

pub(super) async fn remove(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<NoContent, ApiError> {
    let id = id_of("endpoint", &id)?;
    endpoints::delete(&control.registry, &project.name, id).await?;
    Ok(NoContent)
}

pub(super) async fn rotate(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<Answer<Revealed>, ApiError> {
    let id = id_of("endpoint", &id)?;
    Ok(ok(
        endpoints::rotate(&control.registry, &project.name, id).await?
    ))
}

impl Control {
    /// Refuses a target that deliveries may not go to.
    fn check_target(&self, url: &str) -> Result<(), ApiError> {
        target::check(url, self.targets)
            .map_err(|error| ApiError::Invalid(vec![Mistake::at("target_url", error.to_string())]))
    }
}

/// An id out of a path. What is no id names nothing: the same answer as for one of another project.
pub(super) fn id_of(what: &'static str, text: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(text).map_err(|_| RegistryError::not_found(what, text).into())
}
