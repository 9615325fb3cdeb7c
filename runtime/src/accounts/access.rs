//! What a signed-in person is given: an access token for the door they came through, and the refresh
//! token that gets the next one.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::limits::ACCESS_TOKEN_LIFETIME;
use super::{AccountError, Accounts};
use crate::keys::control::{ROLE_CLAIM, SESSION_CLAIM};
use crate::keys::{Audience, Grant, Presented, Right, SigningKey, Token, TokenError, token};
use crate::registry::ProjectEntry;
use crate::registry::members;
use crate::registry::sessions::{Opened, Scope};
use crate::registry::users::User;

/// Where somebody signs in.
#[derive(Debug, Clone, Copy)]
pub enum Door<'a> {
    /// The control API.
    Control,
    /// The functions of a project.
    Project(&'a ProjectEntry),
}

impl Door<'_> {
    pub(super) fn scope(self) -> Scope {
        match self {
            Self::Control => Scope::Control,
            Self::Project(project) => Scope::Project(project.id),
        }
    }
}

/// The answer to whoever signed in. Its tokens are credentials: no `Debug`.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SignedIn {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    expires_at: String,
    refresh_token: String,
    user: User,
}

impl Accounts {
    pub(super) async fn signed_in(
        &self,
        door: Door<'_>,
        user: User,
        session: Opened,
    ) -> Result<SignedIn, AccountError> {
        let now = Utc::now();
        let (token, user) = match door {
            Door::Control => (self.control_token(&session, now), user),
            Door::Project(project) => {
                let role = members::role_of(&self.registry, project.id, user.id).await?;
                // Whoever is no member any more has no role here.
                let role = role.ok_or(AccountError::NotAMember)?;
                let user = User { role, ..user };
                (project_token(project, (&user, &session), now), user)
            }
        };
        let token = token.map_err(|_| AccountError::Internal("a token could not be signed"))?;
        let lifetime = chrono::TimeDelta::from_std(ACCESS_TOKEN_LIFETIME).unwrap_or_default();
        Ok(SignedIn {
            access_token: token.expose().to_owned(),
            token_type: "bearer",
            expires_in: ACCESS_TOKEN_LIFETIME.as_secs(),
            expires_at: (now + lifetime).to_rfc3339_opts(SecondsFormat::Secs, true),
            refresh_token: session.refresh.expose().to_owned(),
            user,
        })
    }

    fn control_token(&self, session: &Opened, now: DateTime<Utc>) -> Result<Token, TokenError> {
        let presented = Presented {
            subject: session.user.to_string(),
            right: Right::Session(session.id),
        };
        self.authority.issue_as(presented, LIFETIME, now)
    }
}

const LIFETIME: Duration = ACCESS_TOKEN_LIFETIME;

/// What policies see: `auth.uid()` is the user's id, `auth.role()` is `authenticated`, and the role in
/// the project is the claim that policies are narrowed by.
fn project_token(
    project: &ProjectEntry,
    (user, session): (&User, &Opened),
    now: DateTime<Utc>,
) -> Result<Token, TokenError> {
    let claims: [(&str, Json); 4] = [
        ("role", json!("authenticated")),
        (ROLE_CLAIM, json!(user.role)),
        ("email", json!(user.email)),
        (SESSION_CLAIM, json!(session.id)),
    ];
    let claims = claims.map(|(name, value)| (name.to_owned(), value));
    let grant = Grant {
        subject: user.id.to_string(),
        audience: Audience::Project(project.id),
        lifetime: LIFETIME,
        claims: Map::from_iter(claims),
    };
    let key = SigningKey::hs256(project.jwt_secret.expose());
    let key = key.map_err(|_| TokenError::Malformed("the project's secret makes no key"))?;
    token::issue(&key, grant, now)
}
