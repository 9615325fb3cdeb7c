//! Control tokens for other operators: a role, a name, and an end. Only administrators issue them.
//!
//! A token is verified by its signature alone, so it is good until it expires: give out short ones.

use std::time::Duration;

use axum::extract::State;
use chrono::Utc;
use serde::Deserialize;
use uuid::Uuid;

use crate::http::Mistake;
use crate::keys::{ControlRole, ControlToken};
use crate::registry::audit::{self, Action, Chain, Deed};

use super::Shared;
use super::answer::{Answer, created};
use super::auth::Operator;
use super::error::ApiError;
use super::json::Json;
use super::tokens::{Minted, rfc3339};

/// Thirty days: a build server's token that is forgotten ends by itself.
const OPERATOR_TTL_DEFAULT_S: u32 = 30 * 24 * 3600;

/// A year, as long as the administrator's own in its file.
const OPERATOR_TTL_MAX_S: u32 = 365 * 24 * 3600;

#[derive(Deserialize)]
pub(super) struct NewOperator {
    subject: String,
    role: String,
    #[serde(default = "ttl_default")]
    ttl_s: u32,
}

fn ttl_default() -> u32 {
    OPERATOR_TTL_DEFAULT_S
}

pub(super) async fn create(
    State(control): State<Shared>,
    operator: Operator,
    Json(wanted): Json<NewOperator>,
) -> Result<Answer<Minted>, ApiError> {
    let now = Utc::now();
    let (token, lifetime) = wanted.read()?;
    let (subject, role) = (token.subject.clone(), token.role);
    let issued = control.authority.issue(token, lifetime, now);
    let issued = issued.map_err(|error| invalid("subject", error.to_string()))?;
    let deed = Deed::new(Action::OperatorCreate, &subject)
        .with("role", role.as_str())
        .with("expires_at", rfc3339(now + lifetime));
    audit::record(&control.registry, Chain::Installation, deed).await?;
    tracing::info!(
        operator = operator.subject,
        subject,
        role = role.as_str(),
        "issued a control token"
    );
    Ok(created(Minted {
        token: issued.expose().to_owned(),
        expires_at: rfc3339(now + lifetime),
    }))
}

impl NewOperator {
    fn read(self) -> Result<(ControlToken, Duration), ApiError> {
        let role = ControlRole::parse(&self.role)
            .ok_or_else(|| invalid("role", "write admin, developer or viewer".to_owned()))?;
        if !(1..=OPERATOR_TTL_MAX_S).contains(&self.ttl_s) {
            let message = format!("must be between 1 and {OPERATOR_TTL_MAX_S} seconds");
            return Err(invalid("ttl_s", message));
        }
        // Such a subject would own what its bearer deploys, and there is no such user.
        if Uuid::parse_str(&self.subject).is_ok() {
            let message = "ids are for users with an account; write a name such as ci".to_owned();
            return Err(invalid("subject", message));
        }
        let token = ControlToken {
            subject: self.subject,
            role,
        };
        Ok((token, Duration::from_secs(self.ttl_s.into())))
    }
}

fn invalid(field: &str, message: String) -> ApiError {
    ApiError::Invalid(vec![Mistake::at(field, message)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, lifetime_s: Option<u64>) {
        let wanted: NewOperator = super::super::json::parse(body.as_bytes()).unwrap();
        let read = wanted.read().ok().map(|(_, lifetime)| lifetime.as_secs());
        assert_eq!(read, lifetime_s, "{body}");
    }

    #[test]
    fn an_operator_has_a_name_a_known_role_and_an_end() {
        check(r#"{"subject": "ci", "role": "developer"}"#, Some(2_592_000));
        check(
            r#"{"subject": "ci", "role": "viewer", "ttl_s": 60}"#,
            Some(60),
        );
        check(r#"{"subject": "ci", "role": "member"}"#, None);
        check(r#"{"subject": "ci", "role": "Admin"}"#, None);
        check(r#"{"subject": "ci", "role": "admin", "ttl_s": 0}"#, None);
        check(
            r#"{"subject": "ci", "role": "admin", "ttl_s": 31536001}"#,
            None,
        );
        let id = r#"{"subject": "01a2046f-ac84-71ac-8865-254d2779f862", "role": "admin"}"#;
        check(id, None);
    }
}
