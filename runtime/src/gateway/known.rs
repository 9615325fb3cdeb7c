//! Users' tokens that were verified a moment ago.
//!
//! A client sends the same token with every request until it expires. To check its signature and read
//! its claims takes as long as a small function runs, so what came of it is kept: for the very same
//! text, project and secret, or key of an identity server. Its times are looked at again each time. Refused tokens are not kept.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use koyalite_policy::User;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::auth::AuthError;
use crate::keys::token::PublicKey;
use crate::keys::{Audience, Token, TrustedKey, VerifiedToken, token};

/// Tokens kept on a node; with what they say some 10 MB. Where there are more, all are forgotten: to
/// verify them again costs little.
const TOKENS_MAX: usize = 4096;

/// Longer ones are verified each time: few have them, and they must not fill the memory.
const TOKEN_BYTES_MAX: usize = 2048;

/// The tokens, by a hash that nobody outside can predict.
#[derive(Default)]
pub(super) struct KnownTokens {
    tokens: DashMap<u64, Known>,
    hasher: RandomState,
}

/// What a token is verified with.
pub(super) enum Proof<'a> {
    /// The project's own secret.
    Secret(&'a [u8]),
    /// A key of an identity server, for tokens of this audience.
    Key { key: PublicKey, audience: &'a str },
}

impl Proof<'_> {
    /// Tells it from every other.
    fn mark(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Secret(secret) => [b"secret ".as_slice(), secret].concat(),
            Self::Key { key, audience } => {
                [b"key ".as_slice(), &key.mark, audience.as_bytes()].concat()
            }
        })
    }

    fn verify(
        &self,
        text: &str,
        project: Uuid,
        now: DateTime<Utc>,
    ) -> Result<VerifiedToken, AuthError> {
        Ok(match self {
            Self::Secret(secret) => {
                let key = TrustedKey::hs256(secret).map_err(|_| AuthError::NoKey)?;
                token::verify(text, &key, Audience::Project(project), now)?
            }
            Self::Key { key, audience } => token::verify_for(text, &key.key, audience, now)?,
        })
    }
}

struct Known {
    project: Uuid,
    proof: Zeroizing<Vec<u8>>,
    token: Token,
    user: User,
}

impl KnownTokens {
    /// The user that a token of this project names, now.
    ///
    /// # Errors
    /// As a token that was never seen.
    pub(super) fn user(
        &self,
        text: &str,
        (project, proof): (Uuid, Proof<'_>),
        now: DateTime<Utc>,
    ) -> Result<User, AuthError> {
        let mark = proof.mark();
        let place = self.hasher.hash_one((project, text));
        if let Some(known) = self.tokens.get(&place)
            && (known.project, known.token.expose()) == (project, text)
            && known.proof == mark
        {
            token::check_time(known.user.claims(), now)?;
            return Ok(known.user.clone());
        }
        let verified = proof.verify(text, project, now)?;
        let user = User::new(verified.subject, verified.claims);
        if text.len() <= TOKEN_BYTES_MAX {
            if self.tokens.len() >= TOKENS_MAX {
                self.tokens.clear();
            }
            let known = Known {
                project,
                proof: mark,
                token: Token::new(text.to_owned()),
                user: user.clone(),
            };
            self.tokens.insert(place, known);
        }
        Ok(user)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;
    use serde_json::Map;

    use super::*;
    use crate::keys::{Grant, SigningKey, TokenError};

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const OTHER_SECRET: &[u8] = b"fedcba9876543210fedcba9876543210";
    const PROJECT: Uuid = Uuid::from_u128(7);

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn token_of(subject: &str) -> String {
        let grant = Grant {
            subject: subject.to_owned(),
            audience: Audience::Project(PROJECT),
            lifetime: Duration::from_secs(3600),
            claims: Map::new(),
        };
        let key = SigningKey::hs256(SECRET).unwrap();
        let token = token::issue(&key, grant, now()).unwrap();
        token.expose().to_owned()
    }

    #[test]
    fn a_known_token_is_who_it_was() {
        let known = KnownTokens::default();
        let (alice, bob) = (token_of("alice"), token_of("bob"));
        for _ in 0..3 {
            let subject = |text| {
                known
                    .user(text, (PROJECT, Proof::Secret(SECRET)), now())
                    .unwrap()
            };
            assert_eq!(subject(&alice).subject(), "alice");
            assert_eq!(subject(&bob).subject(), "bob");
        }
        assert_eq!(known.tokens.len(), 2);
    }

    #[test]
    fn a_known_token_is_known_to_its_project_its_secret_and_its_time_only() {
        let known = KnownTokens::default();
        let token = token_of("alice");
        let ask = |project, secret, at| known.user(&token, (project, Proof::Secret(secret)), at);
        assert!(ask(PROJECT, SECRET, now()).is_ok());
        let elsewhere = ask(Uuid::from_u128(8), SECRET, now());
        assert!(matches!(
            elsewhere,
            Err(AuthError::Token(TokenError::WrongAudience { .. }))
        ));
        assert_eq!(
            ask(PROJECT, OTHER_SECRET, now()),
            Err(AuthError::Token(TokenError::BadSignature))
        );
        let expired = ask(PROJECT, SECRET, now() + TimeDelta::hours(2));
        assert_eq!(expired, Err(AuthError::Token(TokenError::Expired)));
        assert!(ask(PROJECT, SECRET, now()).is_ok());
    }

    #[test]
    fn what_is_kept_has_an_end() {
        let known = KnownTokens::default();
        for number in 0..=TOKENS_MAX {
            let token = token_of(&format!("user {number}"));
            assert!(
                known
                    .user(&token, (PROJECT, Proof::Secret(SECRET)), now())
                    .is_ok()
            );
            assert!(known.tokens.len() <= TOKENS_MAX);
        }
    }
}
