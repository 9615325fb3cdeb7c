//! The control API: what operators and deployers call, on a listener and an origin of its own.
//!
//! [`routes`] is the table of contents: every path, who may call it, and which function answers.
//! Handlers are short: take the request apart, call `registry`, `engine` or `records`, shape the
//! answer. They hold no rule of their own about what is valid, and no SQL. The gateway is another
//! module and another listener: no function is ever run from here.
//!
//! Reading order: `route` and `auth` (how a line of the table becomes a guarded route), `permission`,
//! `json` and `extract` (what comes in), `error` (every refusal), then one file per noun.

mod answer;
mod audit;
mod auth;
mod error;
mod extract;
mod json;
mod permission;
mod route;

mod case;
mod claims;
mod deliveries;
mod deploy;
mod dry_run;
mod explain;
mod functions;
mod health;
mod jwt_secret;
mod logs;
mod metrics;
mod native_mirror;
mod operators;
mod policies;
mod policy_readable;
mod projects;
mod rows;
mod schedules;
mod schema;
mod tables;
mod tokens;
mod upload;
mod verify;
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
use object_store::ObjectStore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::egress::Policy;
use crate::engine::Engine;
use crate::http::{Body, BodyError, Problem, problem, request_id};
use crate::keys::ControlAuthority;
use crate::records::Records;
use crate::registry::manifest::Limits;
use crate::registry::{Environment, ProjectEntry, Registry};

use self::error::ApiError;
use self::route::Access::Open;
use self::route::{Route, delete, get, patch, post, put};

pub use self::auth::Operator;
pub use self::metrics::{Description, Kind, Metrics};
pub use self::permission::{Permission, allows};

/// What the handlers work with. One per node.
pub struct Control {
    /// Control data.
    pub registry: Arc<Registry>,
    /// Admits components.
    pub engine: Arc<Engine>,
    /// Keeps components.
    pub objects: Arc<dyn ObjectStore>,
    /// Tenants' tables, for the rows that an administrator fills one with.
    pub databases: Databases,
    /// Logs and invocations.
    pub records: Arc<Records>,
    /// Judges control tokens.
    pub authority: ControlAuthority,
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
    /// Which addresses deliveries may go to.
    pub targets: Policy,
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

/// Every route of the control listener: path, who may call it, what answers.
#[rustfmt::skip] // One line a route, so that the table reads as one.
fn routes() -> Vec<Route> {
    use Permission as P;
    vec![
        get("/v1/projects", P::ProjectRead, projects::list),
        post("/v1/projects", P::ProjectCreate, projects::create),
        get("/v1/projects/{project}", P::ProjectRead, projects::show),
        get("/v1/projects/{project}/jwt-secret", P::ProjectSecret, jwt_secret::show),
        put("/v1/projects/{project}/jwt-secret", P::ProjectSecret, jwt_secret::replace),
        get("/v1/projects/{project}/functions", P::FunctionRead, functions::list),
        get("/v1/projects/{project}/functions/{name}", P::FunctionRead, functions::show),
        put("/v1/projects/{project}/functions/{name}", P::FunctionDeploy, deploy::deploy),
        patch("/v1/projects/{project}/functions/{name}", P::FunctionDeploy, functions::change),
        get("/v1/projects/{project}/functions/{name}/versions", P::FunctionRead, functions::versions),
        post("/v1/projects/{project}/functions/{name}/rollback", P::FunctionDeploy, functions::rollback),
        get("/v1/projects/{project}/functions/{name}/logs", P::LogRead, logs::read),
        get("/v1/projects/{project}/tables", P::TableRead, tables::list),
        post("/v1/projects/{project}/tables", P::TableWrite, tables::create),
        get("/v1/projects/{project}/tables/{table}", P::TableRead, tables::show),
        delete("/v1/projects/{project}/tables/{table}", P::TableWrite, tables::remove),
        post("/v1/projects/{project}/tables/{table}/columns", P::TableWrite, tables::add_column),
        patch("/v1/projects/{project}/tables/{table}/columns/{column}", P::TableWrite, tables::change_column),
        delete("/v1/projects/{project}/tables/{table}/columns/{column}", P::TableWrite, tables::drop_column),
        post("/v1/projects/{project}/tables/{table}/indexes", P::TableWrite, tables::create_index),
        delete("/v1/projects/{project}/tables/{table}/indexes/{index}", P::TableWrite, tables::drop_index),
        post("/v1/projects/{project}/tables/{table}/rows", P::RowWrite, rows::insert),
        put("/v1/projects/{project}/tables/{table}/native-mirror", P::PolicyWrite, native_mirror::replace_of_table),
        put("/v1/projects/{project}/tables/{table}/policy-readable", P::PolicyReadableSet, policy_readable::replace),
        get("/v1/projects/{project}/policies", P::PolicyRead, policies::list),
        post("/v1/projects/{project}/policies", P::PolicyWrite, policies::create),
        post("/v1/projects/{project}/policies/check", P::PolicyRead, policies::check),
        post("/v1/projects/{project}/policies/explain", P::PolicyRead, explain::explain),
        post("/v1/projects/{project}/policies/test", P::PolicyRead, explain::test),
        post("/v1/projects/{project}/policies/verify", P::PolicyWrite, verify::run),
        get("/v1/projects/{project}/policies/{id}", P::PolicyRead, policies::show),
        patch("/v1/projects/{project}/policies/{id}", P::PolicyWrite, policies::change),
        delete("/v1/projects/{project}/policies/{id}", P::PolicyWrite, policies::remove),
        get("/v1/projects/{project}/claims", P::PolicyRead, claims::show),
        put("/v1/projects/{project}/claims", P::PolicyWrite, claims::replace),
        get("/v1/projects/{project}/native-mirror", P::PolicyRead, native_mirror::show),
        put("/v1/projects/{project}/native-mirror", P::PolicyWrite, native_mirror::replace),
        // Tables and policies at once, so it takes the stronger of the two permissions.
        put("/v1/projects/{project}/schema", P::PolicyWrite, schema::apply),
        post("/v1/projects/{project}/schema/plan", P::PolicyWrite, schema::plan),
        get("/v1/projects/{project}/schema/history", P::TableRead, schema::past),
        get("/v1/projects/{project}/schedules", P::FunctionRead, schedules::list),
        get("/v1/projects/{project}/schedules/{task}/runs", P::FunctionRead, schedules::runs),
        get("/v1/projects/{project}/webhooks/endpoints", P::WebhookRead, webhooks::list),
        post("/v1/projects/{project}/webhooks/endpoints", P::WebhookWrite, webhooks::create),
        get("/v1/projects/{project}/webhooks/endpoints/{id}", P::WebhookRead, webhooks::show),
        patch("/v1/projects/{project}/webhooks/endpoints/{id}", P::WebhookWrite, webhooks::change),
        delete("/v1/projects/{project}/webhooks/endpoints/{id}", P::WebhookWrite, webhooks::remove),
        post("/v1/projects/{project}/webhooks/endpoints/{id}/rotate-secret", P::WebhookWrite, webhooks::rotate),
        get("/v1/projects/{project}/webhooks/deliveries", P::WebhookRead, deliveries::list),
        get("/v1/projects/{project}/webhooks/deliveries/{id}", P::WebhookWrite, deliveries::show),
        post("/v1/projects/{project}/webhooks/deliveries/replay", P::WebhookWrite, deliveries::replay),
        post("/v1/projects/{project}/tokens", P::TokenCreate, tokens::create),
        post("/v1/tokens", P::OperatorCreate, operators::create),
        get("/v1/projects/{project}/audit", P::AuditRead, audit::of_project),
        get("/v1/projects/{project}/audit/verify", P::AuditRead, audit::verify_project),
        get("/v1/audit", P::AuditRead, audit::of_installation),
        get("/v1/audit/verify", P::AuditRead, audit::verify_installation),
        get("/metrics", P::MetricsRead, health::metrics),
        get("/healthz", Open, health::healthz),
        get("/readyz", Open, health::readyz),
    ]
}

/// The control API as the service of a [`crate::http::Listener`].
pub fn service(control: Arc<Control>) -> impl ControlService {
    let authority = control.authority.clone();
    let registry = Arc::clone(&control.registry);
    serve(route::router(routes(), &authority, Some(&registry)).with_state(control))
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
        finish(answered, id).instrument(span).boxed()
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
