//! Control tokens for other operators: a role, a name, and an end. They are listed, and taken back.
//!
//! A token names its row in the list, which is asked with each request: what is taken back is refused
//! from the next one on. Nobody gives out a role with more permissions than they have.

use std::time::Duration;

use axum::extract::State;
use axum::response::NoContent;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::http::Mistake;
use crate::keys::{Presented, Right};
use crate::registry::custom_roles;
use crate::registry::operator_tokens::{
    self, NewOperatorToken, OperatorToken, TokenFilter, TokenStatus,
};
use crate::registry::roles::BuiltInRole;

use super::Shared;
use super::answer::{Answer, Created, Items, created, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At};
use super::json::Json;
use super::paging::{Paging, part};
use super::tokens::rfc3339;
use super::webhooks::id_of;

/// The list, in its cursors.
const TOKENS: &str = "tokens";

/// Thirty days: a build server's token that is forgotten ends by itself.
const OPERATOR_TTL_DEFAULT_S: u32 = 30 * 24 * 3600;

/// As many as a token's `sub` may have.
const SUBJECT_CHARS_MAX: usize = 255;

/// A year, as long as the administrator's own in its file.
const OPERATOR_TTL_MAX_S: u32 = 365 * 24 * 3600;

#[derive(Deserialize, utoipa::ToSchema)]
pub(super) struct NewOperator {
    subject: String,
    role: String,
    #[serde(default = "ttl_default")]
    ttl_s: u32,
}

fn ttl_default() -> u32 {
    OPERATOR_TTL_DEFAULT_S
}

/// What is answered once, and never again.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Issued {
    id: Uuid,
    token: String,
    expires_at: String,
}

pub(super) async fn create(
    State(control): State<Shared>,
    operator: Operator,
    Json(wanted): Json<NewOperator>,
) -> Result<Created<Issued>, ApiError> {
    let now = Utc::now();
    let lifetime = wanted.check()?;
    let role = custom_roles::get(&control.registry, &wanted.role).await?;
    operator.hold(&role.permissions)?;
    let new = NewOperatorToken {
        subject: wanted.subject,
        role: wanted.role,
        created_by: operator.user_id(&control.registry),
        expires_at: now + lifetime,
    };
    let id = operator_tokens::create(&control.registry, &new).await?;
    let issued = sign(&control, (id, &new.subject), lifetime, now)?;
    let (subject, role) = (new.subject, new.role);
    tracing::info!(operator = operator.subject, subject, role, %id, "issued a control token");
    Ok(created(issued))
}

/// The token of that row in the list.
fn sign(
    control: &Shared,
    (id, subject): (Uuid, &str),
    lifetime: Duration,
    now: DateTime<Utc>,
) -> Result<Issued, ApiError> {
    let presented = Presented {
        subject: subject.to_owned(),
        right: Right::Listed(id),
    };
    let token = control.authority.issue_as(presented, lifetime, now);
    let token = token.map_err(|error| invalid("subject", error.to_string()))?;
    Ok(Issued {
        id,
        token: token.expose().to_owned(),
        expires_at: rfc3339(now + lifetime),
    })
}

pub(super) async fn show(
    State(control): State<Shared>,
    At(id): At<String>,
) -> Result<Answer<OperatorToken>, ApiError> {
    let token = operator_tokens::get(&control.registry, id_of("token", &id)?).await?;
    Ok(ok(token))
}

/// Another token for the same subject and role, for as long again; the one so far ends.
pub(super) async fn replace(
    State(control): State<Shared>,
    operator: Operator,
    At(id): At<String>,
) -> Result<Created<Issued>, ApiError> {
    let now = Utc::now();
    let replaced = operator_tokens::get(&control.registry, id_of("token", &id)?).await?;
    let role = custom_roles::get(&control.registry, &replaced.role).await?;
    operator.hold(&role.permissions)?;
    let lifetime = whole_seconds(replaced.expires_at - replaced.created_at);
    let by = operator.user_id(&control.registry);
    let new = operator_tokens::replace(&control.registry, replaced.id, (by, now + lifetime));
    let new = new.await?;
    let issued = sign(&control, (new, &replaced.subject), lifetime, now)?;
    let (subject, role) = (replaced.subject, replaced.role);
    tracing::info!(operator = operator.subject, subject, role, id, %new, "replaced a control token");
    Ok(created(issued))
}

/// The life that a token was given: its row was written a moment after that began.
fn whole_seconds(lived: TimeDelta) -> Duration {
    let seconds = u64::try_from((lived + TimeDelta::milliseconds(999)).num_seconds());
    Duration::from_secs(seconds.unwrap_or(0).clamp(1, OPERATOR_TTL_MAX_S.into()))
}

/// Which tokens.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedTokens)]
pub(super) struct Narrowed {
    /// Whose subject begins so.
    subject: Option<String>,
    /// With the role of this name.
    role: Option<String>,
    /// Good still, or not.
    status: Option<TokenStatus>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn list(
    State(control): State<Shared>,
    Asked(narrowed): Asked<Narrowed>,
) -> Result<Answer<Items<OperatorToken>>, ApiError> {
    let (limit, cursor) = (narrowed.limit, narrowed.cursor);
    let page = Paging { limit, cursor }.page(TOKENS)?;
    let filter = TokenFilter {
        subject: narrowed.subject,
        role: narrowed.role,
        status: narrowed.status,
    };
    let found = operator_tokens::list(&control.registry, &filter, &page).await?;
    part(TOKENS, found, |token| token.id)
}

pub(super) async fn revoke(
    State(control): State<Shared>,
    operator: Operator,
    At(id): At<String>,
) -> Result<NoContent, ApiError> {
    operator_tokens::revoke(&control.registry, id_of("token", &id)?).await?;
    tracing::info!(operator = operator.subject, id, "took a control token back");
    Ok(NoContent)
}

impl NewOperator {
    fn check(&self) -> Result<Duration, ApiError> {
        if self.role == BuiltInRole::Member.name() {
            let message = "the role member permits nothing here; name another one".to_owned();
            return Err(invalid("role", message));
        }
        if !(1..=OPERATOR_TTL_MAX_S).contains(&self.ttl_s) {
            let message = format!("must be between 1 and {OPERATOR_TTL_MAX_S} seconds");
            return Err(invalid("ttl_s", message));
        }
        // Such a subject would own what its bearer deploys, and there is no such user.
        if Uuid::parse_str(&self.subject).is_ok() {
            let message = "ids are for users with an account; write a name such as ci".to_owned();
            return Err(invalid("subject", message));
        }
        if self.subject.is_empty() || self.subject.chars().count() > SUBJECT_CHARS_MAX {
            let message = format!("write a name of 1 to {SUBJECT_CHARS_MAX} characters");
            return Err(invalid("subject", message));
        }
        Ok(Duration::from_secs(self.ttl_s.into()))
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
        let read = wanted.check().ok().map(|lifetime| lifetime.as_secs());
        assert_eq!(read, lifetime_s, "{body}");
    }

    #[test]
    fn a_token_is_replaced_for_as_long_as_it_was_given_out() {
        for (ms, seconds) in [
            (3_600_000, 3600),
            (3_599_995, 3600),
            (-5, 1),
            (i64::MAX / 2_000_000, 31_536_000),
        ] {
            let lived = TimeDelta::milliseconds(ms);
            assert_eq!(whole_seconds(lived).as_secs(), seconds, "{ms}");
        }
    }

    #[test]
    fn an_operator_has_a_name_a_role_and_an_end() {
        check(r#"{"subject": "ci", "role": "developer"}"#, Some(2_592_000));
        check(
            r#"{"subject": "ci", "role": "viewer", "ttl_s": 60}"#,
            Some(60),
        );
        check(r#"{"subject": "ci", "role": "member"}"#, None);
        check(r#"{"subject": "", "role": "admin"}"#, None);
        check(r#"{"subject": "ci", "role": "admin", "ttl_s": 0}"#, None);
        check(
            r#"{"subject": "ci", "role": "admin", "ttl_s": 31536001}"#,
            None,
        );
        let id = r#"{"subject": "01a2046f-ac84-71ac-8865-254d2779f862", "role": "admin"}"#;
        check(id, None);
    }
}
