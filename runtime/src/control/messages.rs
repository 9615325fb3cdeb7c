//! The log of mail, sending a message again, and the local mailbox of `dev`.

use axum::extract::State;
use axum::response::NoContent;
use serde::Deserialize;

use crate::registry::mail::messages::{self, Caught, Filter, Message};

use super::Shared;
use super::answer::{Answer, Items, ok};
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::paging::{Paging, part};
use super::webhooks::id_of;

/// The list, in its cursors.
const MESSAGES: &str = "messages";

/// The states of a message.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[schema(as = MessageStatus)]
#[serde(rename_all = "lowercase")]
enum Status {
    Queued,
    Sending,
    Sent,
    Deferred,
    Bounced,
    Suppressed,
    Failed,
}

impl Status {
    fn word(self) -> String {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Deferred => "deferred",
            Self::Bounced => "bounced",
            Self::Suppressed => "suppressed",
            Self::Failed => "failed",
        }
        .to_owned()
    }
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    status: Option<Status>,
    to: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl Wanted {
    async fn list(
        self,
        control: Shared,
        project: InProject,
        caught: Option<bool>,
    ) -> Result<Answer<Items<Message>>, ApiError> {
        let (limit, cursor) = (self.limit, self.cursor);
        let page = Paging { limit, cursor }.page(MESSAGES)?;
        let filter = Filter {
            status: self.status.map(Status::word),
            to: self.to,
            caught,
            id: None,
        };
        let (registry, name) = (&control.registry, &project.0.name);
        let listed = messages::list(registry, name, &filter, &page).await?;
        part(MESSAGES, listed, |message| message.number)
    }
}

pub(super) async fn list(
    State(control): State<Shared>,
    project: InProject,
    Asked(wanted): Asked<Wanted>,
) -> Result<Answer<Items<Message>>, ApiError> {
    wanted.list(control, project, None).await
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<Answer<Message>, ApiError> {
    let id = id_of("message", &id)?;
    let found = messages::get(&control.registry, &project.name, id).await?;
    Ok(ok(found))
}

pub(super) async fn mailbox(
    State(control): State<Shared>,
    project: InProject,
    Asked(wanted): Asked<Wanted>,
) -> Result<Answer<Items<Message>>, ApiError> {
    wanted.list(control, project, Some(true)).await
}

pub(super) async fn read(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<Answer<Caught>, ApiError> {
    let id = id_of("message", &id)?;
    Ok(ok(
        messages::caught(&control.registry, &project.name, id).await?
    ))
}

pub(super) async fn resend(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<NoContent, ApiError> {
    let id = id_of("message", &id)?;
    messages::resend(&control.registry, &project.name, id).await?;
    Ok(NoContent)
}
