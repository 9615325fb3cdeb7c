//! JSON Web Tokens: issued with one key for one audience, verified the same way.
//!
//! A key carries the one algorithm it may be used with, so a token cannot choose how it is checked.
//! Issuer, audience and expiry are required; a token without an audience is nobody's. A verified
//! token is a subject and claims, nothing more: a claim `role: service_role`, whoever signed it, is
//! a claim like any other, and the service identity is not made from tokens.

mod claims;
mod jwk;
mod key;

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Header, Validation};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use uuid::Uuid;
use zeroize::Zeroizing;

pub use self::jwk::{JWKS_KEYS_MAX, JwksError, PublicKey, read_jwks};
use self::key::Algorithm;
pub use self::key::{KeyError, SECRET_BYTES_MIN, SigningKey, TrustedKey};

/// Who KoyaLite says it is in the tokens it signs.
pub const ISSUER: &str = "koyalite";

/// Of tokens that somebody has made to try something. No project in production takes one.
pub const DEVELOPMENT_CLAIM: &str = "koya_dev";

/// How far the clocks of issuer and verifier may differ, as in other servers of this kind.
pub const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// The longest token that is looked at: proxies refuse longer header lines anyway.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Whom a token is for. A token for one is refused by every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The control API.
    Control,
    /// The functions of one project.
    Project(Uuid),
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control => f.write_str("koyalite:control"),
            Self::Project(id) => write!(f, "project:{id}"),
        }
    }
}

/// Why a token is refused. No message repeats any part of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("malformed token: {0}")]
    Malformed(&'static str),
    #[error("the token's signature does not match; sign it with a current key of its audience")]
    BadSignature,
    #[error("the token has expired; ask its issuer for a new one")]
    Expired,
    #[error("the token is not valid yet; check the issuer's clock")]
    NotYetValid,
    #[error("the token is for another audience; its `aud` must be {expected:?}")]
    WrongAudience { expected: String },
    #[error("the token has another issuer; its `iss` must be {expected:?}")]
    WrongIssuer { expected: String },
    #[error("the token's `alg` must be {expected}, the one this key is for")]
    AlgorithmNotAllowed { expected: &'static str },
    #[error("the token must name its user in `sub`, a text of 1 to 255 characters")]
    NoSubject,
}

impl TokenError {
    pub(super) const TOO_LONG: Self = Self::Malformed("it can have at most 8192 characters");

    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "token_malformed",
            Self::BadSignature => "token_bad_signature",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::WrongAudience { .. } => "token_wrong_audience",
            Self::WrongIssuer { .. } => "token_wrong_issuer",
            Self::AlgorithmNotAllowed { .. } => "token_algorithm_not_allowed",
            Self::NoSubject => "token_no_subject",
        }
    }
}

/// What a new token is to say.
#[derive(Debug, Clone)]
pub struct Grant {
    pub subject: String,
    pub audience: Audience,
    pub lifetime: Duration,
    /// Further claims; those that this module is responsible for are overwritten.
    pub claims: Map<String, Json>,
}

/// A signed token. It is a credential: shown to its owner, never printed otherwise.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes over a token's text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for a header or the owner's eyes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A token that was signed by the key, is for the audience, and is valid now.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedToken {
    pub subject: String,
    /// All claims, the registered ones included.
    pub claims: Map<String, Json>,
}

/// Signs a token.
///
/// # Errors
/// [`TokenError::NoSubject`] for an empty or overlong subject, [`TokenError::Malformed`] for
/// claims that do not fit into [`TOKEN_BYTES_MAX`].
pub fn issue(key: &SigningKey, grant: Grant, now: DateTime<Utc>) -> Result<Token, TokenError> {
    let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid.clone_from(&key.id);
    let claims = claims::for_grant(grant, now)?;
    let text = jsonwebtoken::encode(&header, &claims, &key.key);
    let text = text.map_err(|_| TokenError::Malformed("its claims cannot be encoded"))?;
    if text.len() > TOKEN_BYTES_MAX {
        Err(TokenError::TOO_LONG)
    } else {
        Ok(Token::new(text))
    }
}

/// Verifies a token: algorithm first, then signature, then what it says.
///
/// # Errors
/// See [`TokenError`].
pub fn verify(
    token: &str,
    key: &TrustedKey,
    audience: Audience,
    now: DateTime<Utc>,
) -> Result<VerifiedToken, TokenError> {
    verify_for(token, key, &audience.to_string(), now)
}

/// The same for a token of an identity server, whose audience has a name of its own.
///
/// # Errors
/// See [`TokenError`].
pub fn verify_for(
    token: &str,
    key: &TrustedKey,
    audience: &str,
    now: DateTime<Utc>,
) -> Result<VerifiedToken, TokenError> {
    let head = read_head(token)?;
    if head.alg != key.algorithm.name() {
        return Err(TokenError::AlgorithmNotAllowed {
            expected: key.algorithm.name(),
        });
    }
    let decoded = jsonwebtoken::decode(token, &key.key, &signature_only(key.algorithm));
    let claims: Map<String, Json> = decoded.map_err(refusal)?.claims;
    let expected = claims::Expected {
        issuer: &key.issuer,
        audience,
        now,
    };
    let subject = claims::check(&claims, &expected)?;
    Ok(VerifiedToken { subject, claims })
}

/// Checks again whether a token that was verified before is valid now.
///
/// # Errors
/// [`TokenError::Expired`] and [`TokenError::NotYetValid`].
pub fn check_time(claims: &Map<String, Json>, now: DateTime<Utc>) -> Result<(), TokenError> {
    claims::check_time(claims, now)
}

/// The library checks the signature alone: it reads the clock itself, and reads the claims from a
/// second parse of the same text.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm.library());
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

fn refusal(error: jsonwebtoken::errors::Error) -> TokenError {
    match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::BadSignature,
        _ => TokenError::Malformed("it must be a signed JSON object in three base64url parts"),
    }
}

/// The unverified head of a token; good for choosing a key and nothing else.
#[derive(Deserialize)]
pub(super) struct Head {
    alg: String,
    pub(super) kid: Option<String>,
    crit: Option<Json>,
}

/// Who signed a token with which key, as it says itself. Good for choosing a key and nothing else:
/// whoever made it can have written anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// `iss`
    pub issuer: String,
    /// `kid`
    pub key_id: Option<String>,
}

/// What a token claims of its signature; none where it is signed with a shared secret, or is none.
#[must_use]
pub fn claimed(token: &str) -> Option<Claimed> {
    #[derive(Deserialize)]
    struct Issued {
        iss: String,
    }
    let head = read_head(token).ok()?;
    if head.alg == Algorithm::Hs256.name() {
        return None;
    }
    let body = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Issued { iss } = serde_json::from_slice(&body).ok()?;
    Some(Claimed {
        issuer: iss,
        key_id: head.kid,
    })
}

/// Reads the head of anything that has the outward shape of a token.
pub(super) fn read_head(token: &str) -> Result<Head, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TOO_LONG);
    }
    let mut parts = token.split('.');
    let (Some(head), Some(_), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Malformed(
            "it must have three parts separated by dots",
        ));
    };
    let unreadable = TokenError::Malformed("its first part must be a base64url JSON object");
    let Ok(json) = URL_SAFE_NO_PAD.decode(head) else {
        return Err(unreadable);
    };
    let Ok(head) = serde_json::from_slice::<Head>(&json) else {
        return Err(unreadable);
    };
    if head.crit.is_some() {
        // An extension marked critical must be understood or refused, and none is understood.
        return Err(TokenError::Malformed("it must not use critical extensions"));
    }
    Ok(head)
}

#[cfg(test)]
mod tests;
