//! Requests for functions: bytes to route and identity, then one call of the dispatcher.
//!
//! [`Gateway::handle`] is the story of a request. It reads the registry's snapshot and never a
//! database; it knows nothing of wasm. Every refusal is a problem document that names the gateway;
//! a function's own answer passes through with its headers cleaned.

mod accounts;
mod api_key;
mod auth;
mod bare;
mod choose;
mod client;
mod cors;
mod elsewhere;
mod error;
mod file_error;
mod files;
pub mod find;
mod headers;
mod known;
mod node;
mod preview;
pub mod providers;
mod rates;
pub mod route;
mod share;
mod timing;

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use http::{HeaderValue, Request, Response, StatusCode, request};
use http_body::Body as _;
use koyalite_host_api::{Project, Usage};
use koyalite_policy::ProjectName;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::accounts::AccountCall;
use self::auth::{AuthError, Callers, Credential};
pub use self::bare::Bare;
use self::bare::bounded;
use self::choose::{Asking, Chosen, Shown};
pub use self::client::Proxies;
use self::error::GatewayError;
pub use self::files::try_file_headers;
use self::headers::Answered;
use self::known::KnownTokens;
pub use self::node::Node;
use self::providers::{Fetched, KeySets};
use self::route::{Action, RequestKind, Target};
use crate::accounts::{AccountError, Done};
use crate::dispatch::{DispatchError, HttpCall};
use crate::forward::{ForwardError, Hop};
use crate::http::problem::from_gateway;
use crate::http::{Body, Problem, body, request_form, request_id};
use crate::keys::{ControlAuthority, Preview, Right};
use crate::registry::ProjectEntry;

/// What the gateway reads and calls. One implementation serves; the tests have another.
pub trait Behind: Send + Sync + 'static {
    /// The project of that name, as of now.
    fn project(&self, name: &ProjectName) -> Option<Arc<ProjectEntry>>;

    /// Whether the bearer of a control token may call any version of this project's functions, as of
    /// now.
    fn may_preview(&self, right: Right, project: &ProjectName)
    -> impl Future<Output = bool> + Send;

    /// What the signed part of a preview URL of that function says, if it is one.
    fn open_preview(&self, function: Uuid, text: &str) -> Option<Preview>;

    /// Whether what this node serves may be older than its operator lets it be.
    fn is_stale(&self) -> bool;

    /// Has a request answered by another node, in one of these regions.
    fn forward(
        &self,
        regions: &[String],
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, ForwardError>> + Send;

    /// How many nodes share a project's limits.
    fn nodes(&self) -> NonZeroU32;

    /// The document at an address of an identity server: its keys.
    fn fetch(&self, url: String) -> Fetched;

    /// Signs somebody up, in or out.
    fn account(&self, call: AccountCall)
    -> impl Future<Output = Result<Done, AccountError>> + Send;

    /// A project as host calls know it; none where there are no files.
    fn host_project(&self, project: &ProjectEntry) -> Option<Project>;

    /// Runs a function.
    fn http(
        &self,
        call: HttpCall,
    ) -> impl Future<Output = Result<Response<Body>, DispatchError>> + Send;
}

/// What the operator decided about the functions listener.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// What project hosts end in, lower case: `localhost` makes `demo.localhost` the project demo.
    pub domain: String,
    /// The region of this node.
    pub region: String,
    /// Whose word counts about where a request comes from.
    pub proxies: Proxies,
}

/// The functions listener's service.
pub struct Gateway<B = Node> {
    behind: B,
    settings: GatewaySettings,
    callers: Callers,
    drain: CancellationToken,
}

impl<B: Behind> Gateway<B> {
    /// A gateway that answers 503 from the moment `drain` is cancelled.
    pub fn new(
        behind: B,
        settings: GatewaySettings,
        authority: ControlAuthority,
        drain: CancellationToken,
    ) -> Gateway<B> {
        Gateway {
            behind,
            settings,
            callers: Callers {
                authority,
                known: KnownTokens::default(),
                key_sets: KeySets::default(),
            },
            drain,
        }
    }

    /// Answers one request. The listener has checked its form.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let id = request_id::of(request.headers());
        match self.answer(id, request).await {
            Ok(response) => response,
            Err(refusal) => Problem::from(refusal).into_response(id),
        }
    }

    /// Answers a request that another node hands over. For the listener where hops end, and no other.
    pub async fn handle_forwarded(&self, mut request: Request<Body>) -> Response<Body> {
        Hop::end(&mut request);
        self.handle(request).await
    }

    /// Goes on only where this node serves. What another node hands over is finished even in a drain:
    /// that node could not know of it yet.
    fn serving(&self, parts: &request::Parts) -> Result<(), GatewayError> {
        if self.drain.is_cancelled() && parts.extensions.get::<Hop>().is_none() {
            return Err(GatewayError::Draining);
        }
        match self.behind.is_stale() {
            true => Err(GatewayError::Stale),
            false => Ok(()),
        }
    }

    async fn answer(
        &self,
        id: Uuid,
        request: Request<Body>,
    ) -> Result<Response<Body>, GatewayError> {
        let (mut parts, body) = request.into_parts();
        // The target borrows from the path while the parts are changed.
        let path = parts.uri.clone();
        let host = request_form::host(&path);
        match route::route(&parts.method, &host, path.path(), &self.settings.domain)? {
            RequestKind::Health => Ok(says("ok\n", id)),
            RequestKind::Ready => {
                self.serving(&parts)?;
                Ok(says("ready\n", id))
            }
            RequestKind::Preflight(project, method) => {
                let project = self.behind.project(&project);
                let origin = cors::allowed(&parts.headers, project.as_deref());
                let told = cors::preflight(origin, &cors::ACCOUNTS, method);
                Ok(from_gateway(told, id))
            }
            RequestKind::Account(project, action) => {
                self.serving(&parts)?;
                if let Some(there) = self.data_elsewhere(&parts, &project) {
                    return Box::pin(self.forward(id, there, (parts, body))).await;
                }
                let origin = self.behind.project(&project);
                let origin = cors::allowed(&parts.headers, origin.as_deref());
                // Rare and large: inside it would make the future of every request as large.
                let answer = Box::pin(self.account(id, (project, action), parts, body)).await;
                // A page may read a refusal too.
                let refused = |error| Problem::from(error).into_response(id);
                let mut answer = answer.unwrap_or_else(refused);
                cors::tell(answer.headers_mut(), &cors::ACCOUNTS, origin);
                Ok(answer)
            }
            RequestKind::Files(project, path) => {
                self.serving(&parts)?;
                if let Some(there) = self.data_elsewhere(&parts, &project) {
                    return Box::pin(self.forward(id, there, (parts, body))).await;
                }
                let request = Request::from_parts(parts, body);
                Ok(Box::pin(self.file_to_page(id, (project, path), request)).await)
            }
            RequestKind::Invoke(target) => {
                self.serving(&parts)?;
                let unknown = || GatewayError::UnknownProject(target.project.clone());
                let project = self.behind.project(&target.project).ok_or_else(unknown)?;
                if let Some(there) = self.asked_for(&parts, (&project, &target))? {
                    return Box::pin(self.forward(id, there, (parts, body))).await;
                }
                self.learn(&parts, &project).await;
                let preview = preview::take(&mut parts)?;
                let asked = (&parts, id, preview.as_deref());
                let chosen = match self.choose(asked, &target, project) {
                    Ok(chosen) => chosen,
                    Err(refused) => {
                        let there = self.instead(refused, &parts, &target)?;
                        preview::put_back(&mut parts, preview);
                        return Box::pin(self.forward(id, there, (parts, body))).await;
                    }
                };
                self.ask(&chosen, &target.project).await?;
                let pace = rates::check(
                    &chosen,
                    &parts,
                    (&self.settings.proxies, self.behind.nodes()),
                )?;
                let mut response = self.invoke(id, chosen, parts, body).await?;
                if let Some(pace) = pace {
                    rates::tell(response.headers_mut(), pace);
                }
                Ok(response)
            }
        }
    }

    async fn account(
        &self,
        id: Uuid,
        (name, action): (ProjectName, Action),
        parts: request::Parts,
        body: Body,
    ) -> Result<Response<Body>, GatewayError> {
        let project = self.behind.project(&name);
        let project = project.ok_or(GatewayError::UnknownProject(name))?;
        if !project.settings.allows_region(&self.settings.region) {
            let regions = project.settings.data_residency.clone();
            return Err(GatewayError::DataElsewhere(regions));
        }
        let from = accounts::from(&parts);
        let judged = (project.as_ref(), &self.callers);
        let errand = accounts::errand(action, (&parts, body), judged).await?;
        let call = AccountCall {
            project,
            errand,
            from,
        };
        let done = self.behind.account(call).await?;
        Ok(from_gateway(accounts::answer(&done), id))
    }

    /// Sees to it that the keys are there by which a token of an identity server is judged.
    async fn learn(&self, parts: &request::Parts, project: &ProjectEntry) {
        if let Some((provider, claimed)) = auth::provider(&parts.headers, &project.providers) {
            let fetch = |url| self.behind.fetch(url);
            let asked = (claimed.key_id.as_deref(), Instant::now());
            // Boxed for the reason given in `answer`.
            Box::pin(self.callers.key_sets.prepare(provider, asked, fetch)).await;
        }
    }

    /// Project, function, region, identity, version: everything that is known before the body.
    fn choose(
        &self,
        (parts, id, preview): (&request::Parts, Uuid, Option<&str>),
        target: &Target<'_>,
        project: Arc<ProjectEntry>,
    ) -> Result<Chosen, GatewayError> {
        let (region, now) = (&self.settings.region, Utc::now());
        let found = choose::function(&project, target, region)?;
        let redeem = |text| {
            let opened = self.behind.open_preview(found.function().id, text);
            preview::redeem(opened, found.function(), now)
        };
        let asking = Asking {
            headers: &parts.headers,
            id,
            preview: preview.map(redeem).transpose()?,
        };
        choose::version(project, found, &asking, (&self.callers, now))
    }

    /// What a signature cannot tell of an operator: whether their token was taken back since. Asked of
    /// the database, for previews alone.
    async fn ask(&self, chosen: &Chosen, project: &ProjectName) -> Result<(), GatewayError> {
        match chosen.credential {
            Credential::Control(right @ (Right::Listed(_) | Right::Session(_))) => {
                // Boxed for the reason given in `answer`.
                match Box::pin(self.behind.may_preview(right, project)).await {
                    true => Ok(()),
                    false => Err(AuthError::ControlToken.into()),
                }
            }
            Credential::Control(Right::Signed(_))
            | Credential::Project
            | Credential::Key(_)
            | Credential::None => Ok(()),
        }
    }

    async fn invoke(
        &self,
        id: Uuid,
        chosen: Chosen,
        mut parts: request::Parts,
        body: Body,
    ) -> Result<Response<Body>, GatewayError> {
        let limit = chosen.selected.body_bytes_max();
        let (body, overrun) = bounded(body, limit)?;
        headers::for_guest(&mut parts.headers, &chosen.base_path, id, chosen.credential);
        let answered = Answered {
            request_id: id,
            version: chosen.selected.version.number,
            region: &self.settings.region,
            style: chosen.style,
        };
        let shown = chosen.shown;
        let usage = Arc::new(Usage::default());
        let seen = match chosen.credential {
            Credential::Control(_) => Some(Arc::clone(&usage)),
            Credential::None | Credential::Project | Credential::Key(_) => None,
        };
        let result = self
            .behind
            .http(chosen.call(id, Request::from_parts(parts, body), usage))
            .await;
        // Whatever the guest made of the broken stream, the caller should hear of the limit.
        if overrun.happened() {
            return Err(GatewayError::BodyTooLarge { limit });
        }
        let mut response = match result {
            Ok(mut response) => {
                headers::for_caller(response.headers_mut(), &answered);
                response
            }
            Err(failure) => {
                let mut response = error::of_dispatch(failure).into_response(id);
                headers::add_place(response.headers_mut(), &answered);
                response
            }
        };
        if shown == Shown::ByPreview {
            preview::seclude(response.headers_mut());
        }
        if let Some(usage) = seen {
            let length = response.body().size_hint().exact();
            timing::add(response.headers_mut(), usage.so_far(), length);
        }
        Ok(response)
    }
}

/// An answer of the gateway's own.
fn says(text: &'static str, id: Uuid) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    *response.status_mut() = StatusCode::OK;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, plain);
    from_gateway(response, id)
}

#[cfg(test)]
mod tests;
