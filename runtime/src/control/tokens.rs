//! Project tokens for development: any subject, any claims, a short life.
//!
//! Such a token acts as a user of the project, never as an operator: its audience is the project,
//! it is signed with the project's secret, and no claim in it can make it a service.

use std::time::Duration;

use axum::extract::State;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::Mistake;
use crate::keys::token::DEVELOPMENT_CLAIM;
use crate::keys::{Audience, Grant, SigningKey, token};
use crate::registry::audit::{self, Action, Chain, Deed};

use super::Shared;
use super::answer::{Created, created};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::InProject;
use super::json::Json;
use super::production::may_mint;

/// An hour: long enough to try something, short enough to forget.
const TTL_DEFAULT_S: u32 = 3600;

/// Thirty days: for a demonstration that lasts. Whoever needs more signs with a key of their own.
const TTL_MAX_S: u32 = 30 * 24 * 3600;

#[derive(Deserialize, utoipa::ToSchema)]
pub(super) struct NewToken {
    subject: String,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default = "ttl_default")]
    ttl_s: u32,
}

fn ttl_default() -> u32 {
    TTL_DEFAULT_S
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Minted {
    token: String,
    expires_at: String,
}

pub(super) async fn create(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Json(wanted): Json<NewToken>,
) -> Result<Created<Minted>, ApiError> {
    may_mint(&project)?;
    let now = Utc::now();
    let subject = wanted.subject.clone();
    let grant = wanted.grant(Audience::Project(project.id))?;
    let expires_at = now + grant.lifetime;
    let key = SigningKey::hs256(project.jwt_secret.expose()).map_err(|_| ApiError::BadSecret)?;
    let token = token::issue(&key, grant, now)
        .map_err(|error| ApiError::Invalid(vec![Mistake::new(error.to_string())]))?;
    let deed = Deed::new(Action::TokenCreate, &subject).with("expires_at", rfc3339(expires_at));
    audit::record(&control.registry, Chain::Project(project.id), deed).await?;
    // Whoever mints a token can act as that user: it must be seen who did.
    tracing::info!(
        operator = operator.subject, project = %project.name, subject, "minted a project token"
    );
    Ok(created(Minted {
        token: token.expose().to_owned(),
        expires_at: rfc3339(expires_at),
    }))
}

impl NewToken {
    fn grant(self, audience: Audience) -> Result<Grant, ApiError> {
        let mut claims = self.claims;
        // A project that becomes one in production no longer takes it.
        claims.insert(DEVELOPMENT_CLAIM.to_owned(), Value::Bool(true));
        match self.ttl_s {
            1..=TTL_MAX_S => Ok(Grant {
                subject: self.subject,
                audience,
                lifetime: Duration::from_secs(self.ttl_s.into()),
                claims,
            }),
            _ => Err(ApiError::Invalid(vec![Mistake::at(
                "ttl_s",
                format!("must be between 1 and {TTL_MAX_S} seconds"),
            )])),
        }
    }
}

pub(super) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, lifetime_s: Option<u64>) {
        let wanted: NewToken = super::super::json::parse(body.as_bytes()).unwrap();
        let grant = wanted.grant(Audience::Project(uuid::Uuid::nil()));
        assert_eq!(
            grant.ok().map(|grant| grant.lifetime.as_secs()),
            lifetime_s,
            "{body}"
        );
    }

    #[test]
    fn a_token_lives_an_hour_unless_told_otherwise_and_never_for_ever() {
        check(r#"{"subject": "alice"}"#, Some(3600));
        check(r#"{"subject": "alice", "ttl_s": 1}"#, Some(1));
        check(r#"{"subject": "alice", "ttl_s": 0}"#, None);
        check(r#"{"subject": "alice", "ttl_s": 2592001}"#, None);
    }
}
