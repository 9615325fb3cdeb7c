//! Operators' tokens: JWTs for the control API, signed with a key derived from the key ring, so
//! that verifying one needs no database. They are the only tokens with `aud = koyalite:control`,
//! and a project's secret cannot make one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::ring::{KeyRing, Purpose};
use super::token::{self, Audience, Grant, SigningKey, Token, TokenError, TrustedKey};

/// The claim that carries the role.
pub const ROLE_CLAIM: &str = "koya_role";

/// The built-in roles that have permissions on the control API. A `member` has none, so there is
/// no token for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlRole {
    Admin,
    Developer,
    Viewer,
}

impl ControlRole {
    /// As it stands in tokens and in the roles table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }

    /// Reads a role by its exact name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Admin, Self::Developer, Self::Viewer]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// The claim that names the session which a token was issued in.
pub const SESSION_CLAIM: &str = "sid";

/// The claim that names a token's row in the list of operators' tokens.
const ID_CLAIM: &str = "jti";

/// Who is operating, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlToken {
    pub subject: String,
    pub role: ControlRole,
}

/// What a token is good for, and who can end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// For its role, by its signature alone, until it expires: the administrator's in its file.
    Signed(ControlRole),
    /// For what its row in the list of operators' tokens says.
    Listed(Uuid),
    /// For what its user may do, as long as the session lasts.
    Session(Uuid),
}

/// A control token that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    pub subject: String,
    pub right: Right,
}

/// Issues and verifies operators' tokens. Made once from the key ring.
#[derive(Debug, Clone)]
pub struct ControlAuthority {
    signing: SigningKey,
    /// By key id, as tokens name it.
    trusted: Vec<(String, TrustedKey)>,
}

impl ControlAuthority {
    /// Signs with the ring's active key and trusts all of its keys.
    #[must_use]
    pub fn new(ring: &KeyRing) -> Self {
        let id = ring.active_id().to_string();
        let signing = SigningKey::derived(&ring.derive(Purpose::ControlToken), id);
        let keys = ring.derive_all(Purpose::ControlToken).into_iter();
        let trusted = keys
            .map(|(id, key)| (id.to_string(), TrustedKey::derived(&key)))
            .collect();
        Self { signing, trusted }
    }

    /// Issues a token.
    ///
    /// # Errors
    /// [`TokenError::NoSubject`] for an empty or overlong subject.
    pub fn issue(
        &self,
        operator: ControlToken,
        lifetime: Duration,
        now: DateTime<Utc>,
    ) -> Result<Token, TokenError> {
        let right = Right::Signed(operator.role);
        self.issue_as(
            Presented {
                subject: operator.subject,
                right,
            },
            lifetime,
            now,
        )
    }

    /// Issues a token of any right.
    ///
    /// # Errors
    /// As [`ControlAuthority::issue`].
    pub fn issue_as(
        &self,
        presented: Presented,
        lifetime: Duration,
        now: DateTime<Utc>,
    ) -> Result<Token, TokenError> {
        let (claim, value) = match presented.right {
            Right::Signed(role) => (ROLE_CLAIM, role.as_str().to_owned()),
            Right::Listed(id) => (ID_CLAIM, id.to_string()),
            Right::Session(id) => (SESSION_CLAIM, id.to_string()),
        };
        let grant = Grant {
            subject: presented.subject,
            audience: Audience::Control,
            lifetime,
            claims: Map::from_iter([(claim.to_owned(), Json::from(value))]),
        };
        token::issue(&self.signing, grant, now)
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// See [`TokenError`]; [`TokenError::BadSignature`] also where the signing key is not, or no
    /// longer, on the ring.
    pub fn verify(&self, text: &str, now: DateTime<Utc>) -> Result<Presented, TokenError> {
        let named = token::read_head(text)?.kid.unwrap_or_default();
        let key = self.trusted.iter().find(|(id, _)| *id == named);
        let (_, key) = key.ok_or(TokenError::BadSignature)?;
        let verified = token::verify(text, key, Audience::Control, now)?;
        Ok(Presented {
            right: right(&verified.claims)?,
            subject: verified.subject,
        })
    }
}

/// A token with a session or an id is never taken at its word about a role.
fn right(claims: &Map<String, Json>) -> Result<Right, TokenError> {
    let text = |claim: &str| claims.get(claim).map(|value| value.as_str().unwrap_or(""));
    let id = |text: &str| {
        let malformed = TokenError::Malformed("its `sid` or `jti` is not one of this host's");
        Uuid::parse_str(text).map_err(|_| malformed)
    };
    match (text(SESSION_CLAIM), text(ID_CLAIM)) {
        (Some(session), _) => Ok(Right::Session(id(session)?)),
        (None, Some(listed)) => Ok(Right::Listed(id(listed)?)),
        (None, None) => text(ROLE_CLAIM)
            .and_then(ControlRole::parse)
            .map(Right::Signed)
            .ok_or(TokenError::Malformed(
                "its `koya_role` must be admin, developer or viewer",
            )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn operator(role: ControlRole) -> ControlToken {
        ControlToken {
            subject: "admin".to_owned(),
            role,
        }
    }

    fn in_folder(check: impl FnOnce(&std::path::Path)) {
        let folder = tempfile::tempdir().unwrap();
        check(&folder.path().join("keys.json"));
    }

    #[test]
    fn each_role_comes_back_as_it_was_issued() {
        in_folder(|path| {
            let authority = ControlAuthority::new(&KeyRing::create(path).unwrap());
            for role in [
                ControlRole::Admin,
                ControlRole::Developer,
                ControlRole::Viewer,
            ] {
                let token = authority.issue(operator(role), HOUR, now()).unwrap();
                let seen = authority.verify(token.expose(), now()).unwrap();
                assert_eq!(
                    (seen.subject.as_str(), seen.right),
                    ("admin", Right::Signed(role))
                );
                let late = authority.verify(token.expose(), now() + HOUR * 2);
                assert_eq!(late, Err(TokenError::Expired));
            }
        });
    }

    #[test]
    fn a_token_of_a_session_or_of_the_list_says_so_and_no_role() {
        in_folder(|path| {
            let authority = ControlAuthority::new(&KeyRing::create(path).unwrap());
            let id = Uuid::from_u128(9);
            for right in [Right::Listed(id), Right::Session(id)] {
                let presented = Presented {
                    subject: "ada".to_owned(),
                    right,
                };
                let token = authority.issue_as(presented.clone(), HOUR, now()).unwrap();
                assert_eq!(authority.verify(token.expose(), now()), Ok(presented));
            }
            for odd in [json!("x"), json!(7), json!(null)] {
                let claims = [
                    ("sid".to_owned(), odd),
                    (ROLE_CLAIM.to_owned(), json!("admin")),
                ];
                let grant = Grant {
                    subject: "ada".to_owned(),
                    audience: Audience::Control,
                    lifetime: HOUR,
                    claims: Map::from_iter(claims),
                };
                let token = token::issue(&authority.signing, grant, now()).unwrap();
                let refused = authority.verify(token.expose(), now()).unwrap_err();
                assert_eq!(refused.code(), "token_malformed");
            }
        });
    }

    #[test]
    fn tokens_outlive_a_rotation_and_die_with_their_ring() {
        in_folder(|path| {
            let ring = KeyRing::create(path).unwrap();
            let old = ControlAuthority::new(&ring);
            let token = old
                .issue(operator(ControlRole::Viewer), HOUR, now())
                .unwrap();
            let rotated = ControlAuthority::new(&ring.rotate(path).unwrap());
            assert!(rotated.verify(token.expose(), now()).is_ok());
            let newer = rotated
                .issue(operator(ControlRole::Viewer), HOUR, now())
                .unwrap();
            assert_eq!(
                old.verify(newer.expose(), now()),
                Err(TokenError::BadSignature)
            );
            let other = KeyRing::create(&path.with_extension("other")).unwrap();
            let refused = ControlAuthority::new(&other).verify(token.expose(), now());
            assert_eq!(refused, Err(TokenError::BadSignature));
        });
    }

    #[test]
    fn a_projects_token_controls_nothing_and_a_role_must_be_known() {
        in_folder(|path| {
            let ring = KeyRing::create(path).unwrap();
            let authority = ControlAuthority::new(&ring);
            let grant = |audience, role: Option<&str>| Grant {
                subject: "ada".to_owned(),
                audience,
                lifetime: HOUR,
                claims: role
                    .map(|role| (ROLE_CLAIM.to_owned(), json!(role)))
                    .into_iter()
                    .collect(),
            };
            let project = Audience::Project(Uuid::from_u128(7));
            let of_project = SigningKey::hs256(&[7; 32]).unwrap();
            for audience in [project, Audience::Control] {
                let token = token::issue(&of_project, grant(audience, Some("admin")), now());
                let refused = authority.verify(token.unwrap().expose(), now());
                assert_eq!(refused, Err(TokenError::BadSignature));
            }
            // Even our own key does not make a project's token an operator's.
            let token = token::issue(&authority.signing, grant(project, Some("admin")), now());
            let refused = authority
                .verify(token.unwrap().expose(), now())
                .unwrap_err();
            assert_eq!(refused.code(), "token_wrong_audience");
            for role in [None, Some("member"), Some("Admin"), Some("")] {
                let token = token::issue(&authority.signing, grant(Audience::Control, role), now());
                let refused = authority
                    .verify(token.unwrap().expose(), now())
                    .unwrap_err();
                assert_eq!(refused.code(), "token_malformed", "{role:?}");
            }
        });
    }
}
