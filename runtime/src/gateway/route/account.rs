//! Where users of a project's functions sign in: `/auth/{project}/…`, or `/auth/…` at the project's host.

use http::Method;
use koyalite_policy::ProjectName;

use super::{RequestKind, RouteError};

/// The first segment.
pub(super) const PREFIX: &str = "/auth/";

/// What users of a project's functions come to sign in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `sign-up`
    SignUp,
    /// `sign-in`
    SignIn,
    /// `refresh`
    Refresh,
    /// `sign-out`
    SignOut,
    /// `user`
    User,
    /// `password`: another one, for who knows the current one.
    Password,
    /// `password/forgot`: a mail with a code.
    Forgot,
    /// `password/reset`: another one, for who has the code.
    Reset,
}

/// An action, and the method that it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    action: Action,
    allowed: &'static str,
}

impl Wanted {
    fn named(text: &str) -> Option<Self> {
        let (action, allowed) = match text {
            "sign-up" => (Action::SignUp, "POST"),
            "sign-in" => (Action::SignIn, "POST"),
            "refresh" => (Action::Refresh, "POST"),
            "sign-out" => (Action::SignOut, "POST"),
            "user" => (Action::User, "GET"),
            "password" => (Action::Password, "POST"),
            "password/forgot" => (Action::Forgot, "POST"),
            "password/reset" => (Action::Reset, "POST"),
            _ => return None,
        };
        Some(Self { action, allowed })
    }

    /// The request for it at a project's door.
    pub(super) fn by<'a>(
        self,
        method: &Method,
        project: ProjectName,
    ) -> Result<RequestKind<'a>, RouteError> {
        let allowed = self.allowed;
        match *method {
            Method::OPTIONS => Ok(RequestKind::Preflight(project, allowed)),
            _ if method.as_str() == allowed => Ok(RequestKind::Account(project, self.action)),
            _ => Err(RouteError::Method { allowed }),
        }
    }
}

/// What a path at a project's host asks of accounts; anything else is for its functions.
pub(super) fn below(path: &str) -> Option<Wanted> {
    Wanted::named(path.strip_prefix(PREFIX)?)
}

/// `/auth/{project}/{action}`
pub(super) fn route<'a>(method: &Method, path: &str) -> Result<RequestKind<'a>, RouteError> {
    let after = path.strip_prefix(PREFIX);
    let (project, action) = after
        .and_then(|after| after.split_once('/'))
        .ok_or(RouteError::Nowhere)?;
    let wanted = Wanted::named(action).ok_or(RouteError::Nowhere)?;
    let project = project.parse().map_err(|_| RouteError::NoProject)?;
    wanted.by(method, project)
}
