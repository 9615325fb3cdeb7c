//! Signing up, in and out of the control API. Passwords and refresh tokens go to `accounts` and are
//! neither logged nor answered back.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{FromRequestParts, State};
use axum::response::NoContent;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::accounts::{Claimed, Door, PasswordChange, PasswordReset, SignedIn};
use crate::http::Peer;
use crate::registry::roles::Permission;
use crate::registry::sessions::RefreshToken;
use crate::registry::users::{self, User};

use super::Shared;
use super::answer::{Answer, Created, created, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::json::Json;
use super::openapi::{Sketch, Takes};

/// The address at the other end of the connection.
pub(super) struct From(IpAddr);

impl<S: Sync> FromRequestParts<S> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<From, Infallible> {
        let peer = parts.extensions.get::<Peer>();
        // Requests without a connection are made by tests: one network for all of them.
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Ok(From(peer.map_or(nowhere, |peer| peer.0.ip())))
    }
}

/// It comes with the connection, not with the request.
impl Takes for From {
    fn describe(_: &mut Sketch) {}
}

#[derive(Deserialize, utoipa::ToSchema)]
pub(super) struct Refresh {
    refresh_token: String,
}

pub(super) async fn sign_up(
    State(control): State<Shared>,
    From(from): From,
    Json(claimed): Json<Claimed>,
) -> Result<Created<SignedIn>, ApiError> {
    let signed_in = control
        .accounts
        .sign_up(Door::Control, claimed, from)
        .await?;
    Ok(created(signed_in))
}

pub(super) async fn sign_in(
    State(control): State<Shared>,
    From(from): From,
    Json(claimed): Json<Claimed>,
) -> Result<Answer<SignedIn>, ApiError> {
    let signed_in = control
        .accounts
        .sign_in(Door::Control, claimed, from)
        .await?;
    Ok(ok(signed_in))
}

pub(super) async fn refresh(
    State(control): State<Shared>,
    Json(shown): Json<Refresh>,
) -> Result<Answer<SignedIn>, ApiError> {
    let token = RefreshToken::new(shown.refresh_token);
    Ok(ok(control.accounts.refresh(Door::Control, token).await?))
}

pub(super) async fn sign_out(
    State(control): State<Shared>,
    operator: Operator,
) -> Result<NoContent, ApiError> {
    let session = signed_in(&operator)?;
    control.accounts.sign_out(Door::Control, session).await?;
    Ok(NoContent)
}

pub(super) async fn password(
    State(control): State<Shared>,
    operator: Operator,
    From(from): From,
    Json(wanted): Json<PasswordChange>,
) -> Result<NoContent, ApiError> {
    let who = signed_in(&operator)?;
    control.accounts.change_password(who, wanted, from).await?;
    Ok(NoContent)
}

/// Who has forgotten their password.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = ForgottenPassword)]
pub(super) struct Forgot {
    email: String,
}

pub(super) async fn forgot(
    State(control): State<Shared>,
    From(from): From,
    Json(wanted): Json<Forgot>,
) -> Result<NoContent, ApiError> {
    control.accounts.forgot(Door::Control, wanted.email, from)?;
    Ok(NoContent)
}

pub(super) async fn reset(
    State(control): State<Shared>,
    From(from): From,
    Json(wanted): Json<PasswordReset>,
) -> Result<NoContent, ApiError> {
    control.accounts.reset(Door::Control, wanted, from).await?;
    Ok(NoContent)
}

fn signed_in(operator: &Operator) -> Result<(Uuid, Uuid), ApiError> {
    operator
        .user
        .zip(operator.session)
        .ok_or(ApiError::NoSession)
}

/// Who is asking.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Whoami {
    subject: String,
    role: String,
    permissions: std::collections::BTreeSet<Permission>,
    user: Option<User>,
}

pub(super) async fn whoami(
    State(control): State<Shared>,
    operator: Operator,
) -> Result<Answer<Whoami>, ApiError> {
    let user = match operator.user {
        Some(id) => Some(users::get(&control.registry, id).await?),
        None => None,
    };
    Ok(ok(Whoami {
        subject: operator.subject,
        role: operator.role,
        permissions: operator.everywhere,
        user,
    }))
}
