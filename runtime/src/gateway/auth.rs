//! Who is calling: the `Authorization` header to an identity.
//!
//! A token that is there must be good: a broken one is refused, never served as an anonymous call.
//! An operator's token is not an identity; all it does here is unlock older versions. What the
//! identity may do is decided by policies, not here.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use http::header::{AUTHORIZATION, HeaderMap};
use koyalite_policy::{FunctionName, Identity, User};
use uuid::Uuid;

use super::api_key;
use super::find::Wish;
use super::known::{KnownTokens, Proof};
use super::providers::KeySets;
use crate::http::{Code, Problem};
use crate::keys::token::{self, Claimed, DEVELOPMENT_CLAIM};
use crate::keys::{ControlAuthority, ControlRole, Right, TokenError, bearer};
use crate::registry::Environment;
use crate::registry::api_keys::Keys;
use crate::registry::providers::ProviderEntry;

/// Who calls, and by what right.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Caller {
    pub(super) identity: Identity,
    pub(super) credential: Credential,
}

/// What the `Authorization` header held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    /// Nothing, or a scheme that only the guest can judge.
    None,
    /// A user's token, made for this project.
    Project,
    /// An operator's token that may be good for any version (`function:preview`). What no signature
    /// tells, a session or a row of the list, is asked before the call.
    Control(Right),
    /// An API key of this project.
    Key(Uuid),
}

/// Why a caller is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AuthError {
    /// Several credentials: which one counts would be anyone's guess.
    #[error("send one authorization header")]
    Several,
    /// The token is not for this project, or not good.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An operator's token in place of a user's.
    #[error(
        "this is a token for the control API; make one for this project with `koyalite token`, \
         or name the version to preview in koyalite-version"
    )]
    ControlToken,
    /// The form of an API key, and none of this project's.
    #[error("this project has no such API key; it may have been deleted")]
    UnknownKey,
    /// A token that was made for development, in production.
    #[error("this token was made for development, and the project is in production")]
    ForDevelopment,
    /// A token of a provider, signed with a key that it does not have.
    #[error("this token's issuer has no such key; ask it for a new token")]
    UnknownSigner,
    /// The provider's keys cannot be fetched.
    #[error("the keys of this token's issuer cannot be had; try again shortly")]
    KeysAway,
    /// Nothing where a user's token is needed.
    #[error("send the access token: authorization: Bearer <token>")]
    Missing,
    /// A user's token that no signing in here has made.
    #[error("this token has no session here; sign in at /auth/<project>/sign-in")]
    NoSession,
    /// The project's secret cannot verify anything: our fault.
    #[error("the project's tokens cannot be verified")]
    NoKey,
}

/// What tokens are checked against.
pub(super) struct Trust<'a> {
    pub(super) project: Uuid,
    pub(super) environment: Environment,
    pub(super) jwt_secret: &'a [u8],
    /// Who else may sign for its users.
    pub(super) providers: &'a [Arc<ProviderEntry>],
    pub(super) api_keys: &'a Keys,
    /// The one that is called: what a key for services acts as.
    pub(super) function: &'a FunctionName,
    pub(super) callers: &'a Callers,
}

/// What a node knows for judging its callers.
pub(super) struct Callers {
    pub(super) authority: ControlAuthority,
    pub(super) known: KnownTokens,
    pub(super) key_sets: KeySets,
}

/// Reads the caller's credential. `wish` is the version asked for, the only thing that an
/// operator's token is good for here.
pub(super) fn authenticate(
    headers: &HeaderMap,
    trust: &Trust<'_>,
    wish: Option<Wish>,
    now: DateTime<Utc>,
) -> Result<Caller, AuthError> {
    let anonymous = Caller {
        identity: Identity::Anonymous,
        credential: Credential::None,
    };
    let beside = api_key::beside(headers, trust.api_keys, now)?;
    let Some(text) = text(headers)? else {
        // A key is enough by itself; beside a user's token it only has to be good.
        return Ok(beside.map_or(anonymous, |key| api_key::caller(key, trust.function)));
    };
    if let Some(key) = api_key::find(text, trust.api_keys, now)? {
        return match beside {
            Some(other) if other.id != key.id => Err(AuthError::Several),
            Some(_) | None => Ok(api_key::caller(key, trust.function)),
        };
    }
    match user(text, trust, now) {
        Ok(user) if is_out_of_place(&user, trust.environment) => Err(AuthError::ForDevelopment),
        Ok(user) => Ok(Caller {
            identity: Identity::User(user),
            credential: Credential::Project,
        }),
        Err(ours @ (AuthError::NoKey | AuthError::KeysAway)) => Err(ours),
        Err(refused) => match (trust.callers.authority.verify(text, now), wish) {
            (Ok(operator), Some(_)) if may_preview(operator.right) => Ok(Caller {
                credential: Credential::Control(operator.right),
                ..anonymous
            }),
            (Ok(_), _) => Err(AuthError::ControlToken),
            (Err(_), _) => Err(refused),
        },
    }
}

/// The user that a token names: by the project's own secret, or by the keys of who has signed it.
fn user(text: &str, trust: &Trust<'_>, now: DateTime<Utc>) -> Result<User, AuthError> {
    let Callers {
        known, key_sets, ..
    } = trust.callers;
    let Some((provider, claimed)) = signer(text, trust.providers) else {
        return known.user(text, (trust.project, Proof::Secret(trust.jwt_secret)), now);
    };
    let key = key_sets.find(provider, claimed.key_id.as_deref(), Instant::now())?;
    let audience = &provider.audience;
    known.user(text, (trust.project, Proof::Key { key, audience }), now)
}

/// The provider that a token claims to be of.
fn signer<'a>(
    text: &str,
    providers: &'a [Arc<ProviderEntry>],
) -> Option<(&'a Arc<ProviderEntry>, Claimed)> {
    if providers.is_empty() {
        return None;
    }
    let claimed = token::claimed(text)?;
    let provider = providers.iter().find(|it| it.issuer == claimed.issuer)?;
    Some((provider, claimed))
}

/// The same, for a request whose credential is nothing else.
pub(super) fn provider<'a>(
    headers: &HeaderMap,
    providers: &'a [Arc<ProviderEntry>],
) -> Option<(&'a Arc<ProviderEntry>, Claimed)> {
    // What is wrong with the header is said by `authenticate`.
    signer(text(headers).ok()??, providers)
}

/// Whether somebody has made that token to try something, and this is no place for that.
fn is_out_of_place(user: &User, environment: Environment) -> bool {
    match environment {
        Environment::Prod => user.claims().contains_key(DEVELOPMENT_CLAIM),
        Environment::Dev | Environment::Staging => false,
    }
}

/// What the one `Authorization` header bears, if there is one of that scheme.
fn text(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match values.next() {
        Some(_) => Err(AuthError::Several),
        None => Ok(bearer(value)?),
    }
}

/// Whoever may deploy a version may call one, as far as the token itself tells.
fn may_preview(right: Right) -> bool {
    match right {
        Right::Signed(ControlRole::Viewer) => false,
        Right::Signed(ControlRole::Admin | ControlRole::Developer)
        | Right::Listed(_)
        | Right::Session(_) => true,
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Problem {
        let code = match &error {
            AuthError::Several
            | AuthError::ControlToken
            | AuthError::NoSession
            | AuthError::UnknownKey
            | AuthError::UnknownSigner
            | AuthError::ForDevelopment => Code::InvalidToken,
            AuthError::Missing => Code::Unauthorized,
            AuthError::NoKey => Code::Internal,
            AuthError::KeysAway => Code::Unavailable,
            AuthError::Token(TokenError::Expired) => Code::ExpiredToken,
            AuthError::Token(
                TokenError::Malformed(_)
                | TokenError::BadSignature
                | TokenError::NotYetValid
                | TokenError::WrongAudience { .. }
                | TokenError::WrongIssuer { .. }
                | TokenError::AlgorithmNotAllowed { .. }
                | TokenError::NoSubject,
            ) => Code::InvalidToken,
        };
        Problem::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests;
