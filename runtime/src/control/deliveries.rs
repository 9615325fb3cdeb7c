//! Deliveries of webhooks: how they went, and making them again.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::http::Mistake;
use crate::registry::webhooks::deliveries::{self, Delivery, Filter, WholeDelivery};
use crate::registry::webhooks::replay;

use super::Shared;
use super::answer::{Answer, Items, ok};
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::json::Json;
use super::paging::{Paging, part};
use super::webhooks::id_of;

/// The list, in its cursors.
const DELIVERIES: &str = "deliveries";

/// The states of a delivery.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[schema(as = DeliveryStatus)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pending,
    Sending,
    Delivered,
    Dead,
}

impl Status {
    fn word(self) -> String {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
        .to_owned()
    }
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    status: Option<Status>,
    endpoint: Option<Uuid>,
    event_type: Option<String>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(wanted): Asked<Wanted>,
) -> Result<Answer<Items<Delivery>>, ApiError> {
    let (limit, cursor) = (wanted.limit, wanted.cursor);
    let page = Paging { limit, cursor }.page(DELIVERIES)?;
    let filter = Filter {
        status: wanted.status.map(Status::word),
        endpoint: wanted.endpoint,
        event_type: wanted.event_type,
        from: wanted.from,
        to: wanted.to,
    };
    let listed = deliveries::list(&control.registry, &project.name, &filter, &page).await?;
    part(DELIVERIES, listed, |delivery| delivery.number)
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<Answer<WholeDelivery>, ApiError> {
    let id = id_of("delivery", &id)?;
    Ok(ok(
        deliveries::get(&control.registry, &project.name, id).await?
    ))
}

/// Which deliveries to make again. All that is said must be true of them.
#[derive(Deserialize, utoipa::ToSchema)]
pub(super) struct Again {
    ids: Option<Vec<Uuid>>,
    status: Option<Status>,
    endpoint: Option<Uuid>,
    event_type: Option<String>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Replayed {
    replayed: u64,
}

pub(super) async fn replay(
    State(control): State<Shared>,
    InProject(project): InProject,
    Json(again): Json<Again>,
) -> Result<Answer<Replayed>, ApiError> {
    let filter = Filter {
        status: again.status.map(Status::word),
        endpoint: again.endpoint,
        event_type: again.event_type,
        from: again.from,
        to: again.to,
    };
    let said = filter.status.is_some()
        || filter.endpoint.is_some()
        || filter.event_type.is_some()
        || filter.from.is_some();
    if again.ids.is_none() && !said {
        let message = "say which: `ids`, `status`, `endpoint`, `event_type` or `from`";
        return Err(ApiError::Invalid(vec![Mistake::new(message)]));
    }
    let ids = again.ids.as_deref();
    let replayed = replay::replay(&control.registry, &project.name, ids, &filter).await?;
    Ok(ok(Replayed { replayed }))
}
