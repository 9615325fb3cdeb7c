//! The audit log, read and verified: of a project, of one that is gone by its id, and of the installation.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::registry::audit::{self, Chain, Entry, Report};

use super::Shared;
use super::answer::{Answer, Items, ok};
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::paging::{Paging, part};
use super::webhooks::id_of;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    actor: Option<String>,
    action: Option<String>,
    target_type: Option<String>,
    target: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    cursor: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn of_project(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(wanted): Asked<Wanted>,
) -> Result<Answer<Items<Entry>>, ApiError> {
    list(&control, Chain::Project(project.id), wanted).await
}

pub(super) async fn of_installation(
    State(control): State<Shared>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Answer<Items<Entry>>, ApiError> {
    list(&control, Chain::Installation, wanted).await
}

pub(super) async fn of_gone(
    State(control): State<Shared>,
    At(id): At<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Answer<Items<Entry>>, ApiError> {
    list(&control, by_id(&id)?, wanted).await
}

pub(super) async fn verify_gone(
    State(control): State<Shared>,
    At(id): At<String>,
) -> Result<Answer<Report>, ApiError> {
    Ok(ok(audit::verify(&control.registry, by_id(&id)?).await?))
}

/// The name of a project goes with it; its id is in the record of its deletion.
fn by_id(id: &str) -> Result<Chain, ApiError> {
    Ok(Chain::Project(id_of("project", id)?))
}

pub(super) async fn verify_project(
    State(control): State<Shared>,
    InProject(project): InProject,
) -> Result<Answer<Report>, ApiError> {
    let report = audit::verify(&control.registry, Chain::Project(project.id)).await?;
    Ok(ok(report))
}

pub(super) async fn verify_installation(
    State(control): State<Shared>,
) -> Result<Answer<Report>, ApiError> {
    Ok(ok(
        audit::verify(&control.registry, Chain::Installation).await?
    ))
}

async fn list(
    control: &Shared,
    chain: Chain,
    wanted: Wanted,
) -> Result<Answer<Items<Entry>>, ApiError> {
    let (limit, cursor) = (wanted.limit, wanted.cursor);
    let page = Paging { limit, cursor }.page::<Uuid>("audit")?;
    let narrowed = audit::Wanted {
        actor: wanted.actor,
        action: wanted.action,
        target_type: wanted.target_type,
        target: wanted.target,
        since: wanted.since,
        until: wanted.until,
        before: page.after,
    };
    let entries = audit::list(&control.registry, chain, &narrowed, page.limit + 1).await?;
    part("audit", page.part(entries), |entry| entry.id)
}
