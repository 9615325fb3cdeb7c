//! Who an invocation acts for: nobody, a user with claims, or a function on its own.
//!
//! An identity is made by the runtime from verified tokens only; nothing here verifies anything.
//! No claim can make a user into a service: `service_role` comes from the variant alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::names::{FunctionName, NameError, TableName};

/// The claim that holds a user's KoyaLite role, one of the names in a policy's `roles`.
pub const ROLE_CLAIM: &str = "koya_role";

/// Who is asking.
#[derive(Debug, Clone, PartialEq)]
pub enum Identity {
    /// Nobody signed in.
    Anonymous,
    /// A user with a verified token.
    User(User),
    /// A function on its own, on a cron firing.
    Service(Service),
}

/// A user, as a verified token describes them. Cheap to clone: every permit holds one.
#[derive(Clone, PartialEq)]
pub struct User {
    subject: Arc<str>,
    claims: Arc<Map<String, Json>>,
}

impl User {
    /// A user from the token's `sub` and all its claims.
    pub fn new(subject: String, claims: Map<String, Json>) -> Self {
        Self {
            subject: subject.into(),
            claims: Arc::new(claims),
        }
    }

    /// The token's `sub`: `auth.uid()` where it is compared with text.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The subject as a uuid: `auth.uid()` where it is compared with a uuid. None if it is not one.
    pub fn subject_uuid(&self) -> Option<Uuid> {
        Uuid::try_parse(&self.subject).ok()
    }

    /// The token's claims: `auth.jwt()`.
    pub fn claims(&self) -> &Map<String, Json> {
        &self.claims
    }

    /// The KoyaLite role, if the token has one.
    pub fn koya_role(&self) -> Option<&str> {
        self.claims.get(ROLE_CLAIM).and_then(Json::as_str)
    }
}

/// Claims may hold what a user would not want in a log, so only the subject is shown.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// A function acting as itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Which function.
    pub function: FunctionName,
    /// The tables on which it was granted to bypass policies. Empty for most.
    pub bypass: BTreeSet<TableName>,
}

impl Service {
    /// Something of the host's own that acts past the policies of these tables; `name` stands for it
    /// where a function would.
    ///
    /// # Errors
    /// Where no function could have that name.
    pub fn past_policies(
        name: &str,
        tables: impl IntoIterator<Item = TableName>,
    ) -> Result<Service, NameError> {
        Ok(Service {
            function: name.parse()?,
            bypass: tables.into_iter().collect(),
        })
    }
}

/// The three roles that `auth.role()` can answer, in Supabase's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthRole {
    /// Nobody signed in.
    Anon,
    /// A user.
    Authenticated,
    /// A function on its own.
    ServiceRole,
}

impl AuthRole {
    /// The three of them.
    pub(crate) const ALL: [Self; 3] = [Self::Anon, Self::Authenticated, Self::ServiceRole];

    /// The word that `auth.role()` answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anon => "anon",
            Self::Authenticated => "authenticated",
            Self::ServiceRole => "service_role",
        }
    }
}

impl Identity {
    /// What `auth.role()` answers.
    pub fn role(&self) -> AuthRole {
        match self {
            Self::Anonymous => AuthRole::Anon,
            Self::User(_) => AuthRole::Authenticated,
            Self::Service(_) => AuthRole::ServiceRole,
        }
    }

    /// The user's subject; none for anonymous and service callers.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::User(user) => Some(user.subject()),
            Self::Anonymous | Self::Service(_) => None,
        }
    }

    /// Whether a policy meant for `role` applies: `public`, one of the three `auth.role()` words,
    /// or the user's KoyaLite role.
    pub(crate) fn has_role(&self, role: &str) -> bool {
        match role {
            "public" => true,
            // The reserved words are decided by the kind of identity alone: a token that claims
            // `koya_role: service_role` gains nothing.
            "anon" | "authenticated" | "service_role" => self.role().as_str() == role,
            _ => match self {
                Self::User(user) => user.koya_role() == Some(role),
                Self::Anonymous | Self::Service(_) => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_with_role(role: &str) -> Identity {
        let mut claims = Map::new();
        claims.insert(ROLE_CLAIM.to_owned(), Json::from(role));
        Identity::User(User::new("alice".to_owned(), claims))
    }

    #[test]
    fn a_claim_never_makes_a_service() {
        let user = user_with_role("service_role");
        assert_eq!(user.role(), AuthRole::Authenticated);
        assert!(!user.has_role("service_role") && !user.has_role("anon"));
        assert!(user.has_role("authenticated") && user.has_role("public"));
    }

    #[test]
    fn a_koya_role_matches_only_itself() {
        let user = user_with_role("editor");
        assert!(user.has_role("editor") && !user.has_role("admin"));
        assert!(!Identity::Anonymous.has_role("editor"));
    }

    #[test]
    fn claims_stay_out_of_debug_output() {
        let shown = format!("{:?}", user_with_role("secret-role"));
        assert!(
            !shown.contains("secret-role") && shown.contains("alice"),
            "{shown}"
        );
    }

    #[test]
    fn a_subject_may_be_a_uuid() {
        let uuid = |subject: &str| User::new(subject.to_owned(), Map::new()).subject_uuid();
        assert_eq!(uuid("alice"), None);
        let id = Uuid::from_u128(7);
        assert_eq!(uuid(&id.to_string()), Some(id));
    }

    #[test]
    fn the_host_acts_past_the_policies_of_the_tables_it_names() {
        let todos: TableName = "todos".parse().unwrap();
        let service = Service::past_policies("cleaner", [todos.clone()]).unwrap();
        assert_eq!(service.function.as_str(), "cleaner");
        assert_eq!(service.bypass, BTreeSet::from([todos]));
        assert!(Service::past_policies("No Function", []).is_err());
    }
}
