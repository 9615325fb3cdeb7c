//! Which claims a project's tokens carry, where it says so.
//!
//! Saying so is optional. Once any claim is declared, a policy may read no other, so that a
//! misspelt claim is found when the policy is saved and not by rows that nobody sees.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::identity::{Identity, ROLE_CLAIM};

/// The claims that tokens have by their standard, and the ones that say a role: always declared.
const STANDARD: [&str; 9] = [
    "aud", "exp", "iat", "iss", "jti", "nbf", "sub", "role", ROLE_CLAIM,
];

/// What is known about one claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimRule {
    /// Whether every user's token must have it. A request with a token that lacks it is denied on
    /// every table.
    #[serde(default)]
    pub required: bool,
}

/// The claims that a project declares, by their name at the top of the token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Claims(pub BTreeMap<String, ClaimRule>);

impl Claims {
    /// Whether a policy may read the claim.
    pub(crate) fn allows(&self, claim: &str) -> bool {
        self.0.is_empty() || self.0.contains_key(claim) || STANDARD.contains(&claim)
    }

    /// The names that are declared.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A required claim that the user's token lacks. Nobody and functions have no token.
    pub(crate) fn missing(&self, identity: &Identity) -> Option<&str> {
        let Identity::User(user) = identity else {
            return None;
        };
        let lacks = |claim: &str| matches!(user.claims().get(claim), None | Some(Json::Null));
        let required = self.0.iter().filter(|(_, rule)| rule.required);
        required
            .map(|(claim, _)| claim.as_str())
            .find(|claim| lacks(claim))
    }
}
