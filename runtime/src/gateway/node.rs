//! What the gateway reads and calls in a node that serves: the registry's snapshot, the door to the
//! engine, accounts, and the way out to identity servers. Whatever waits for a database does so at home,
//! off the threads of callers' connections.

use std::num::NonZeroU32;
use std::sync::Arc;

use http::{Request, Response};
use koyalite_host_api::Project;
use koyalite_policy::ProjectName;
use uuid::Uuid;

use super::providers::Fetched;
use super::{AccountCall, Behind};
use crate::accounts::{AccountError, Accounts, Done};
use crate::dispatch::{DispatchError, Dispatcher, HttpCall};
use crate::egress::Egress;
use crate::forward::{Fleet, ForwardError};
use crate::http::Body;
use crate::keys::{Presented, Preview, Right};
use crate::registry::operators;
use crate::registry::roles::Permission;
use crate::registry::{ProjectEntry, Registry};

/// The registry's snapshot and the door to the engine.
pub struct Node {
    /// Where projects and functions are looked up.
    pub registry: Arc<Registry>,
    /// What runs them.
    pub dispatcher: Arc<Dispatcher>,
    /// Their users.
    pub accounts: Arc<Accounts>,
    /// Where the database is asked: connections of callers have threads of their own, and those are
    /// for functions.
    pub home: tokio::runtime::Handle,
    /// The other nodes, where this one is in a fleet.
    pub fleet: Option<Fleet>,
    /// By which identity servers are asked for their keys.
    pub egress: Egress,
}

impl Behind for Node {
    fn project(&self, name: &ProjectName) -> Option<Arc<ProjectEntry>> {
        self.registry.snapshot().project(name).cloned()
    }

    async fn may_preview(&self, right: Right, project: &ProjectName) -> bool {
        let presented = Presented {
            subject: String::new(),
            right,
        };
        let known = operators::known(&self.registry, &presented, Some(project.as_str())).await;
        let preview = Permission::FunctionPreview;
        match known {
            Ok(Some(known)) => {
                let here = known.here.is_some_and(|here| here.contains(&preview));
                here || known.everywhere.contains(&preview)
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(
                    error = error.detail(),
                    "nobody can be asked about an operator"
                );
                false
            }
        }
    }

    fn open_preview(&self, function: Uuid, text: &str) -> Option<Preview> {
        Preview::open(&self.registry.ring(), function, text)
    }

    fn is_stale(&self) -> bool {
        self.registry.is_stale()
    }

    async fn forward(
        &self,
        regions: &[String],
        request: Request<Body>,
    ) -> Result<Response<Body>, ForwardError> {
        match &self.fleet {
            Some(fleet) => fleet.send(regions, request).await,
            None => Err(ForwardError::Off),
        }
    }

    fn nodes(&self) -> NonZeroU32 {
        self.registry.live_nodes()
    }

    fn fetch(&self, url: String) -> Fetched {
        let egress = self.egress.clone();
        let fetched = self.home.spawn(async move { egress.fetch(&url).await });
        Box::pin(async move {
            let fetched = fetched.await.map_err(|error| error.to_string())?;
            fetched.map_err(|error| error.to_string())
        })
    }

    async fn account(&self, call: AccountCall) -> Result<Done, AccountError> {
        let accounts = Arc::clone(&self.accounts);
        let run = async move { accounts.run(call.project, call.errand, call.from).await };
        let ran = self.home.spawn(run).await;
        ran.unwrap_or(Err(AccountError::Internal("the errand was given up")))
    }

    fn host_project(&self, project: &ProjectEntry) -> Option<Project> {
        Some(self.dispatcher.host_project(project))
    }

    async fn http(&self, call: HttpCall) -> Result<Response<Body>, DispatchError> {
        self.dispatcher.http(call).await
    }
}
