//! The control API: what operators and deployers call, on a listener and an origin of its own.
//!
//! `routes` is the table of contents: every path, who may call it, and which function answers.
//! Handlers are short: take the request apart, call `registry`, `engine` or `records`, shape the
//! answer. They hold no rule of their own about what is valid, and no SQL. The gateway is another
//! module and another listener: no function is ever run from here.
//!
//! Reading order: `route` and `auth` (how a line of the table becomes a guarded route), `permission`,
//! `json`, `extract` and `paging` (what comes in), `idempotency` and `unchanged` (what may happen),
//! `error` (every refusal), then one file per noun.

mod answer;
mod audit;
mod auth;
mod email;
mod error;
mod extract;
mod idempotency;
mod json;
mod openapi;
mod paging;
mod permission;
mod route;
mod routes;

mod api_keys;
mod case;
mod claims;
mod deliveries;
mod deploy;
mod deployments;
mod dry_run;
mod explain;
mod files;
mod functions;
mod health;
mod jwt_secret;
mod logs;
mod members;
mod messages;
mod metrics;
mod native_mirror;
mod nodes;
mod operators;
mod policies;
mod policy_readable;
mod previews;
mod production;
mod projects;
mod promote;
mod providers;
mod removal;
mod roles;
mod rows;
mod schedules;
mod schema;
mod secrets;
mod senders;
mod sessions;
mod source;
mod tables;
mod together;
mod tokens;
mod unchanged;
mod upload;
mod users;
mod vector_indexes;
mod verify;
mod wait;
mod webhooks;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::ALLOW;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use koyalite_host_api::db::Databases;
use koyalite_host_api::files::Store;
use object_store::ObjectStore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::accounts::Accounts;
use crate::egress::{Egress, Policy};
use crate::engine::Engine;
use crate::http::{Body, BodyError, Code, Problem, problem, request_id};
use crate::keys::ControlAuthority;
use crate::records::Records;
use crate::registry::audit::{Author, on_behalf};
use crate::registry::manifest::Limits;
use crate::registry::{Environment, ProjectEntry, Registry};
use crate::sweeper::Sweeper;

use self::auth::Gate;
use self::error::ApiError;
use self::routes::routes;

pub use self::auth::Operator;
pub use self::metrics::{Description, Kind, Metrics};
pub use self::permission::Permission;
pub use self::source::ANSWER_TIMEOUT as SOURCE_ANSWER_TIMEOUT;

/// What the handlers work with. One per node.
pub struct Control {
    /// Control data.
    pub registry: Arc<Registry>,
    /// Admits components.
    pub engine: Arc<Engine>,
    /// Keeps components.
    pub objects: Arc<dyn ObjectStore>,
    /// Where files lie; none where there is no such place.
    pub files: Option<Store>,
    /// Takes away what files have left.
    pub sweeper: Arc<Sweeper>,
    /// Tenants' tables, for the rows that an administrator fills one with.
    pub databases: Databases,
    /// Logs and invocations.
    pub records: Arc<Records>,
    /// Judges control tokens.
    pub authority: ControlAuthority,
    /// People with accounts.
    pub accounts: Arc<Accounts>,
    /// Counters of this node, shared with whoever counts.
    pub metrics: Arc<Metrics>,
    /// What manifests may ask for on this node.
    pub caps: Limits,
    /// Bytes of a component.
    pub component_bytes_max: usize,
    /// Where functions are reached from outside: scheme and authority, no slash at the end.
    pub public_base: String,
    /// What project hosts end in.
    pub domain: String,
    /// Which addresses deliveries may go to, and components come from.
    pub targets: Policy,
    /// Fetches components.
    pub egress: Egress,
    /// Cancelled when the node drains.
    pub draining: CancellationToken,
}

/// The state that handlers share.
type Shared = Arc<Control>;

impl Control {
    fn project(&self, name: &str) -> Result<Arc<ProjectEntry>, ApiError> {
        let unknown = || ApiError::UnknownProject(name.to_owned());
        let parsed = name.parse().map_err(|_| unknown())?;
        self.registry
            .snapshot()
            .project(&parsed)
            .cloned()
            .ok_or_else(unknown)
    }

    /// Where a function answers. In production that is the project's own host, since functions of
    /// several projects must not share an origin.
    fn url(&self, project: &ProjectEntry, path: &str) -> String {
        let name = &project.name;
        match project.environment {
            Environment::Dev | Environment::Staging => {
                format!("{}/f/{name}{path}", self.public_base)
            }
            Environment::Prod => {
                let (scheme, authority) = self.public_base.split_once("://").unwrap_or_default();
                let port = authority
                    .rsplit_once(':')
                    .map(|(_, port)| format!(":{port}"));
                format!(
                    "{scheme}://{name}.{}{}{path}",
                    self.domain,
                    port.unwrap_or_default()
                )
            }
        }
    }
}

/// The control API as the service of a [`crate::http::Listener`].
pub fn service(control: Arc<Control>) -> impl ControlService {
    let gate = Gate {
        authority: control.authority.clone(),
        registry: Arc::clone(&control.registry),
    };
    let routes = routes().into_iter();
    let routes = routes.map(|route| route.idempotent(&control).waiting(&control));
    let routes = routes.collect();
    serve(route::router(routes, &gate).with_state(control))
}

/// What a [`crate::http::Listener`] serves.
pub trait ControlService:
    Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Clone + Send + Sync + 'static
{
}

impl<F> ControlService for F where
    F: Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Clone + Send + Sync + 'static
{
}

fn serve(router: axum::Router) -> impl ControlService {
    let router = TowerToHyperService::new(router);
    move |request: Request<Body>| {
        let id = request_id::of(request.headers());
        let span = tracing::info_span!(
            "control", request_id = %id, method = %request.method(), path = request.uri().path()
        );
        let answered = router.call(request.map(axum::body::Body::new));
        // Whoever has shown no token; the guard of a route puts the operator in its place.
        let nobody = Author {
            actor: "anonymous".to_owned(),
            request: Some(id),
        };
        let finished = finish(answered, id).instrument(span);
        whole(on_behalf(nobody, finished), id).boxed()
    }
}

/// Work that goes on when its caller has gone: what a change commits and what follows from it on this node
/// (serving it, taking files away, waiting for other nodes) belong together.
fn whole(
    work: impl Future<Output = Response<Body>> + Send + 'static,
    id: Uuid,
) -> impl Future<Output = Response<Body>> + Send {
    let done = tokio::spawn(work);
    async move {
        let broken = |_| {
            let problem = Problem::new(Code::Internal, "the host failed while it answered");
            problem.into_response(id)
        };
        done.await.unwrap_or_else(broken)
    }
}

/// Writes the problem that a refusal carries, and signs every answer as the host's own.
async fn finish(
    answered: impl Future<Output = Result<axum::response::Response, Infallible>>,
    id: Uuid,
) -> Response<Body> {
    let mut response = match answered.await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    match response.extensions_mut().remove::<Problem>() {
        Some(mut problem) => {
            if let Some(methods) = response.headers_mut().remove(ALLOW) {
                problem = problem.with_header(ALLOW, methods);
            }
            problem.into_response(id)
        }
        None => {
            let body = |body: axum::body::Body| {
                body.map_err(|error| BodyError::Source(Box::new(error)))
                    .boxed_unsync()
            };
            problem::from_gateway(response.map(body), id)
        }
    }
}
