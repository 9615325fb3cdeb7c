//! One route of the control API: what it matches, what it demands, what answers.
//!
//! The table of routes is made of these, and both the router and the permission matrix are made
//! from the table: a route cannot be served without saying who may call it.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{self, MethodRouter};

use super::Shared;
use super::auth::{Demand, Gate, require};
use super::error::ApiError;
use super::idempotency::once;
use super::openapi::{Described, Sketch};
use super::permission::Permission;
use super::wait::wait;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Anyone who reaches the listener: probes, which have no token.
    Open,
    /// Anyone with a good token, whatever their role: what is about themselves.
    SignedIn,
    /// Operators whose role holds the permission.
    Needs(Permission),
}

impl From<Permission> for Access {
    fn from(permission: Permission) -> Access {
        Access::Needs(permission)
    }
}

/// One line of the table.
pub(super) struct Route<S = Shared> {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) access: Access,
    answer: MethodRouter<S>,
    /// What the types of its handler say.
    describe: fn(&mut Sketch),
}

impl Route {
    /// What makes something can be asked for under a key of the caller's own.
    pub(super) fn idempotent(self, control: &Shared) -> Route {
        let answer = match self.takes_key() {
            true => {
                let once = from_fn_with_state(Arc::clone(control), once);
                self.answer.layer(once)
            }
            false => self.answer,
        };
        Route { answer, ..self }
    }

    /// What changes something can be asked to wait until it is served.
    pub(super) fn waiting(self, control: &Shared) -> Route {
        let answer = match self.may_wait() {
            true => {
                let wait = from_fn_with_state(Arc::clone(control), wait);
                self.answer.layer(wait)
            }
            false => self.answer,
        };
        Route { answer, ..self }
    }

    /// Whether it listens to `?wait=`.
    pub(super) fn may_wait(&self) -> bool {
        self.method != "GET" && matches!(self.access, Access::Needs(_))
    }

    /// Whether it listens to an `Idempotency-Key`.
    pub(super) fn takes_key(&self) -> bool {
        matches!((self.method, self.access), ("POST", Access::Needs(_)))
    }

    /// What its handler reads and answers.
    pub(super) fn sketch(&self) -> Sketch {
        let mut sketch = Sketch::default();
        (self.describe)(&mut sketch);
        sketch
    }
}

macro_rules! methods {
    ($($name:ident $method:literal,)*) => {$(
        /// A route of this method.
        pub(super) fn $name<H, T, S>(
            path: &'static str,
            access: impl Into<Access>,
            handler: H,
        ) -> Route<S>
        where
            H: Handler<T, S> + Described<T>,
            T: 'static,
            S: Clone + Send + Sync + 'static,
        {
            Route {
                method: $method,
                path,
                access: access.into(),
                answer: routing::$name(handler),
                describe: H::describe,
            }
        }
    )*};
}

methods! {
    get "GET",
    put "PUT",
    post "POST",
    patch "PATCH",
    delete "DELETE",
}

/// The router of a table, guarded by what the gate knows of operators.
pub(super) fn router<S: Clone + Send + Sync + 'static>(
    routes: Vec<Route<S>>,
    gate: &Gate,
) -> Router<S> {
    let mut router = Router::new();
    for route in routes {
        let answer = match route.access {
            Access::Open => route.answer,
            access @ (Access::SignedIn | Access::Needs(_)) => {
                let demand = Demand {
                    gate: gate.clone(),
                    access,
                    path: route.path,
                };
                route.answer.layer(from_fn_with_state(demand, require))
            }
        };
        router = router.route(route.path, answer);
    }
    // Every handler bounds what it reads by a limit of its own. Axum's default of 2 MB would stop a
    // component in a form long before the limit that the problem document names.
    router
        .layer(DefaultBodyLimit::disable())
        .fallback(async || ApiError::UnknownRoute)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
}
