//! Users of a project's functions at the gateway: `/auth/{project}/…` becomes an errand of `accounts`.
//!
//! Tokens are a project's own; an operator's token opens nothing here, as a user's opens nothing on
//! the control listener. Passwords pass through and are not looked at.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use chrono::Utc;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, request};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use super::auth::{AuthError, Callers};
use super::error::GatewayError;
use super::known::Proof;
use super::route::Action;
use crate::accounts::{Claimed, Done, Errand, PasswordChange};
use crate::http::{Body, BodyError, Peer, body};
use crate::keys::bearer;
use crate::keys::control::SESSION_CLAIM;
use crate::registry::ProjectEntry;
use crate::registry::sessions::RefreshToken;

/// A body with an address, a password of a kilobyte and some escapes.
const BODY_BYTES_MAX: u64 = 16 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    email: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refresh {
    refresh_token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgot {
    email: String,
}

/// Reads what a request wants.
pub(super) async fn errand(
    action: Action,
    (parts, body): (&request::Parts, Body),
    (project, callers): (&ProjectEntry, &Callers),
) -> Result<Errand, GatewayError> {
    let claimed = |wanted: Credentials| Claimed::new(wanted.email, wanted.password);
    Ok(match action {
        Action::SignUp => Errand::SignUp(claimed(read(parts, body).await?)),
        Action::SignIn => Errand::SignIn(claimed(read(parts, body).await?)),
        Action::Refresh => {
            let wanted: Refresh = read(parts, body).await?;
            Errand::Refresh(RefreshToken::new(wanted.refresh_token))
        }
        Action::Password => {
            let wanted: PasswordChange = read(parts, body).await?;
            Errand::Password(session(&parts.headers, project, callers)?, wanted)
        }
        Action::Forgot => {
            let wanted: Forgot = read(parts, body).await?;
            Errand::Forgot(wanted.email)
        }
        Action::Reset => Errand::Reset(read(parts, body).await?),
        Action::SignOut => Errand::SignOut(session(&parts.headers, project, callers)?),
        Action::User => Errand::User(session(&parts.headers, project, callers)?),
    })
}

async fn read<T: for<'de> Deserialize<'de>>(
    parts: &request::Parts,
    body: Body,
) -> Result<T, GatewayError> {
    let sent = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let json = |sent: &[u8]| sent.to_ascii_lowercase().starts_with(b"application/json");
    if sent.is_some_and(|sent| !json(sent)) {
        return Err(GatewayError::NotJson);
    }
    let bytes = body::collect(body, BODY_BYTES_MAX)
        .await
        .map_err(|error| match error {
            BodyError::TooLarge { limit } => GatewayError::BodyTooLarge { limit },
            BodyError::Client(_) | BodyError::Cut { .. } | BodyError::Source(_) => {
                GatewayError::BodyIncomplete
            }
        })?;
    // The library's words name fields and positions, and repeat no value.
    serde_json::from_slice(&bytes).map_err(|error| match error.is_data() {
        true => GatewayError::BadField(error.to_string()),
        false => GatewayError::BadJson(error.to_string()),
    })
}

/// The session that a user's token was given in.
fn session(
    headers: &HeaderMap,
    project: &ProjectEntry,
    callers: &Callers,
) -> Result<Uuid, GatewayError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(AuthError::Missing)?;
    if values.next().is_some() {
        return Err(AuthError::Several.into());
    }
    let text = bearer(value)
        .map_err(AuthError::from)?
        .ok_or(AuthError::Missing)?;
    let trust = (project.id, Proof::Secret(project.jwt_secret.expose()));
    let user = callers.known.user(text, trust, Utc::now())?;
    let session = user.claims().get(SESSION_CLAIM).and_then(Json::as_str);
    let session = session.and_then(|text| Uuid::parse_str(text).ok());
    Ok(session.ok_or(AuthError::NoSession)?)
}

/// The network address of whoever asks.
pub(super) fn from(parts: &request::Parts) -> IpAddr {
    let peer = parts.extensions.get::<Peer>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}

/// The answer.
pub(super) fn answer(done: &Done) -> Response<Body> {
    match done {
        Done::SignedUp(signed_in) => document(StatusCode::CREATED, signed_in),
        Done::SignedIn(signed_in) => document(StatusCode::OK, signed_in),
        Done::User(user) => document(StatusCode::OK, user),
        Done::SignedOut | Done::PasswordSet | Done::Asked => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    }
}

fn document(status: StatusCode, document: &impl Serialize) -> Response<Body> {
    // Strings, numbers and UUIDs always serialise.
    let bytes = serde_json::to_vec(document).unwrap_or_default();
    let mut response = Response::new(body::full(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What the gateway hands over: whose door, what for, from where.
pub struct AccountCall {
    pub(super) project: Arc<ProjectEntry>,
    pub(super) errand: Errand,
    pub(super) from: IpAddr,
}
