//! Who an invocation acts for. The host decides from the caller's token; a function cannot change
//! it, and every table it touches is already under that caller's policies.
//!
//! ```no_run
//! use koyalite::{Error, Request, Response, Result, identity};
//!
//! async fn handle(_request: Request) -> Result<Response> {
//!     let caller = identity::current();
//!     let Some(user) = caller.subject else {
//!         return Err(Error::unauthorized("sign in first"));
//!     };
//!     Ok(Response::text(format!("you are {user}\n")))
//! }
//! # koyalite::export!(handle);
//! ```

use serde_json::Value;

use crate::bindings::imports::koyalite::host::identity as host;

pub use host::Role;

/// The caller of this invocation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Caller {
    /// What policies see as `auth.role()`.
    pub role: Role,
    /// What policies see as `auth.uid()`. None for anonymous and service callers.
    pub subject: Option<String>,
    /// What policies see as `auth.jwt()`: the token's claims, an empty object where there is none.
    pub claims: Value,
}

/// The caller of this invocation.
pub fn current() -> Caller {
    let host::Caller {
        role,
        subject,
        claims,
    } = host::current();
    // The host made this text from a token it has verified; were it ever not JSON, no claim is the
    // safe reading.
    let claims = serde_json::from_str(&claims).unwrap_or_default();
    Caller {
        role,
        subject,
        claims,
    }
}

/// The role as policies write it.
impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anon => "anon",
            Self::Authenticated => "authenticated",
            Self::ServiceRole => "service_role",
        })
    }
}
