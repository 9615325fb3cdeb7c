//! Senders: how their mail is signed, where its bounces go to, and the bounces themselves.

use axum::extract::{FromRequest, Request, State};
use axum::response::NoContent;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;

use super::Shared;
use super::answer::{Answer, ok};
use super::error::ApiError;
use super::extract::{At, InProject};
use super::json::{Json, expect_media_type};
use super::unchanged::{Tagged, Unchanged, tagged, tagged_as};
use super::webhooks::id_of;
use crate::delivery::mail::bounce::{self, BOUNCE_BYTES_MAX};
use crate::http::Mistake;
use crate::registry::mail::bounces::{self, Noted};
use crate::registry::mail::dkim::{self, Dkim, NewDkim};
use crate::registry::mail::senders::{self, Sender};

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<Tagged<Answer<Sender>>, ApiError> {
    let id = id_of("sender", &id)?;
    tagged(ok(senders::get(&control.registry, &project.name, id).await?))
}

/// Where bounces are to go.
#[derive(Deserialize, utoipa::ToSchema)]
pub(super) struct ReturnPath {
    address: Option<String>,
}

pub(super) async fn set_return_path(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
    Unchanged(condition): Unchanged,
    Json(ReturnPath { address }): Json<ReturnPath>,
) -> Result<Tagged<Answer<Sender>>, ApiError> {
    let wanted = (id_of("sender", &id)?, address);
    let set = senders::set_return_path(&control.registry, &project.name, wanted, &condition);
    tagged(ok(set.await?))
}

pub(super) async fn sign(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
    Unchanged(condition): Unchanged,
    Json(new): Json<NewDkim>,
) -> Result<Tagged<Answer<Dkim>>, ApiError> {
    let wanted = (id_of("sender", &id)?, new);
    let sender = dkim::set(&control.registry, &project.name, wanted, &condition).await?;
    let signed = sender.dkim.clone().ok_or(ApiError::Unwritable)?;
    tagged_as(ok(signed), &sender)
}

pub(super) async fn unsign(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<NoContent, ApiError> {
    let id = id_of("sender", &id)?;
    dkim::remove(&control.registry, &project.name, id).await?;
    Ok(NoContent)
}

/// A message of mail, as it came.
pub(super) struct Raw(Bytes);

impl<S: Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Raw, ApiError> {
        let instead = "send the notification as it came, as `message/rfc822`";
        expect_media_type(request.headers(), MAIL, instead)?;
        let body = Limited::new(request.into_body(), BOUNCE_BYTES_MAX).collect();
        match body.await {
            Ok(body) => Ok(Raw(body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge {
                limit: BOUNCE_BYTES_MAX,
            }),
            Err(_) => Err(ApiError::BodyIncomplete),
        }
    }
}

/// What a notification may announce itself as.
const MAIL: &[&str] = &["message/rfc822", "application/octet-stream", "text/plain"];

pub(super) async fn bounce(
    State(control): State<Shared>,
    InProject(project): InProject,
    Raw(notification): Raw,
) -> Result<Answer<Noted>, ApiError> {
    let report = bounce::read(&notification)
        .map_err(|error| ApiError::Invalid(vec![Mistake::new(error.to_string())]))?;
    Ok(ok(
        bounces::note(&control.registry, &project.name, report).await?
    ))
}
