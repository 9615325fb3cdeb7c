//! One route of the control API: what it matches, what it demands, what answers.
//!
//! The table of routes is made of these, and both the router and the permission matrix are made
//! from the table: a route cannot be served without saying who may call it.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{self, MethodRouter};

use super::Shared;
use super::auth::{Demand, require};
use super::error::ApiError;
use super::permission::Permission;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Anyone who reaches the listener: probes, which have no token.
    Open,
    /// Operators whose role holds the permission.
    Needs(Permission),
}

/// One line of the table.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) access: Access,
    answer: MethodRouter<Shared>,
}

macro_rules! methods {
    ($($name:ident $method:literal,)*) => {$(
        /// A route of this method.
        pub(super) fn $name<H, T>(path: &'static str, access: Access, handler: H) -> Route
        where
            H: Handler<T, Shared>,
            T: 'static,
        {
            Route { method: $method, path, access, answer: routing::$name(handler) }
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

/// The router of a table.
pub(super) fn router(routes: Vec<Route>, control: Shared) -> Router {
    let mut router = Router::new();
    for route in routes {
        let answer = match route.access {
            Access::Open => route.answer,
            Access::Needs(permission) => {
                let demand = Demand { control: control.clone(), permission };
                route.answer.layer(from_fn_with_state(demand, require))
            }
        };
        router = router.route(route.path, answer);
    }
    router
        .fallback(async || ApiError::UnknownRoute)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(control)
}
