//! Connections to Postgres: a small pool per project under one cap per node.
//!
//! Each project logs in as its own role, so no connection ever serves two projects. Waiting is
//! bounded and fair: a project queues for its own few connections first and for the node's after,
//! so it can never fill the node's queue. A connection that Postgres dropped is noticed when it is
//! taken from the pool and replaced; nothing needs to be restarted.

use std::sync::{Arc, Weak};
use std::time::Duration;

use deadpool_postgres::Client;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Config;
use uuid::Uuid;

use super::access::DatabaseAccess;
use super::fence::RunFence;
use super::homes::{Connections, HomeTurn, Homes};
use super::node::Node;
use super::tls::Tls;
use crate::error::HostError;
use crate::limits::STATEMENT_TIME;
use crate::tables::FilterTexts;
use crate::vectors::Known;

/// What a node may spend on tenant connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLimits {
    /// Connections of one project. A statement by key takes 0.1 ms, so eight serve some 50 000 a
    /// second; a project that is slower than that must not take the whole server.
    pub project_connections: usize,
    /// Connections of all projects. Two such nodes fit into Postgres' default of 100.
    pub node_connections: usize,
    /// How long an invocation waits for a connection: as long as one statement may take. Who waited
    /// for that is better off with an error it can retry.
    pub wait: Duration,
    /// After how long without use a connection is closed. Opening one takes 3 ms, keeping one takes
    /// some 5 MB of the server.
    pub idle: Duration,
    /// Prepared statements kept per connection. They cost the server memory until it ends, and
    /// filters are text that guests write. None where a pooler gives each transaction another
    /// connection: then each statement goes whole, in one round and without a name.
    pub statements: usize,
}

impl Default for NodeLimits {
    fn default() -> NodeLimits {
        NodeLimits {
            project_connections: 8,
            node_connections: 40,
            wait: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            statements: 200,
        }
    }
}

/// The node's tenant connections. Cheap to clone; one per process.
#[derive(Clone)]
pub struct Databases {
    node: Arc<Node>,
}

/// One project's tables. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pub(super) node: Arc<Node>,
    pub(super) project: Arc<ProjectPool>,
    /// The run whose writes these are, where a schedule set it off.
    pub(super) fence: Option<RunFence>,
    /// How long a statement may take, where that is less than its role's own limit.
    pub(super) statement_time: Option<Duration>,
}

pub(crate) struct ProjectPool {
    pub(super) access: DatabaseAccess,
    pub(super) connections: Connections,
    /// Half of the turns: a transaction waits for its guest, and statements must not wait for that.
    transactions: Arc<Semaphore>,
    /// Filters that were read before.
    filters: FilterTexts,
    /// What was learnt of searches for near rows.
    searches: Known,
    /// One search at a time is made again to learn more.
    probes: Arc<Semaphore>,
}

/// A connection in use. The fields are dropped in this order: the connection is back in its pool
/// before the next in the queue has a turn.
pub(super) struct Checkout {
    pub(super) client: Client,
    pub(super) turn: Turn,
}

/// The right to run a statement: one of the project's turns, one of the node's.
pub(super) struct Turn {
    _project: HomeTurn,
    _node: OwnedSemaphorePermit,
}

/// The right to keep a transaction open: one of the project's places, one of the node's.
pub(super) struct TransactionPlace {
    _project: OwnedSemaphorePermit,
    _node: OwnedSemaphorePermit,
}

impl Databases {
    /// Pools on the server that `base` names (host, port, database, TLS mode); user and password
    /// come from each project. Must be called inside a tokio runtime: it starts the task that
    /// closes idle connections.
    ///
    /// # Errors
    /// When `base` asks for TLS and the TLS library cannot be set up.
    pub fn new(base: Config, limits: NodeLimits) -> Result<Databases, rustls::Error> {
        let tls = Tls::for_config(&base)?;
        Ok(Databases::start(base, tls, limits, Homes::default()))
    }

    /// As [`Databases::new`], with TLS as `client` says: for a private certificate authority.
    pub fn with_tls(base: Config, client: rustls::ClientConfig, limits: NodeLimits) -> Databases {
        Databases::start(base, Tls::with_client(client), limits, Homes::default())
    }

    /// Pools that lead nowhere, for a process without a database. Who asks them is told that it is
    /// away. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// As [`Databases::new`].
    pub fn nowhere() -> Result<Databases, rustls::Error> {
        Databases::new(Config::new(), NodeLimits::default())
    }

    /// As [`Databases::new`], with connections that live where callers are.
    ///
    /// # Errors
    /// As [`Databases::new`].
    pub fn at_home(
        base: Config,
        limits: NodeLimits,
        homes: Homes,
    ) -> Result<Databases, rustls::Error> {
        let tls = Tls::for_config(&base)?;
        Ok(Databases::start(base, tls, limits, homes))
    }

    fn start(mut base: Config, tls: Tls, limits: NodeLimits, homes: Homes) -> Databases {
        // A server that takes the connection and says nothing must not hold a slot for ever.
        base.connect_timeout(limits.wait);
        let node = Arc::new(Node::new(base, tls, limits, homes));
        tokio::spawn(close_idle(Arc::downgrade(&node), limits.idle));
        Databases { node }
    }

    /// The handle of one project. The pool is made on first use and kept while the credentials
    /// stay the same.
    pub fn project(&self, id: Uuid, access: &DatabaseAccess) -> Database {
        let known = self.node.projects.get(&id).map(|pool| Arc::clone(&pool));
        let project = match known {
            Some(pool) if pool.access == *access => pool,
            Some(_) | None => {
                let pool = Arc::new(ProjectPool::new(&self.node, access));
                self.node.projects.insert(id, Arc::clone(&pool));
                pool
            }
        };
        Database {
            node: Arc::clone(&self.node),
            project,
            fence: None,
            statement_time: None,
        }
    }

    /// Forgets a deleted project; its connections close as they come back.
    pub fn forget(&self, id: Uuid) {
        if let Some((_, project)) = self.node.projects.remove(&id) {
            project.connections.close();
        }
    }

    /// Statements sent to Postgres so far.
    pub fn statements(&self) -> u64 {
        self.node.statements()
    }

    /// Requests that policies refused or emptied so far without a statement.
    pub fn decided_without_database(&self) -> u64 {
        self.node.decided_without_database()
    }

    /// Tenant connections open now, idle ones included.
    pub fn open_connections(&self) -> usize {
        self.node.open_connections()
    }
}

impl ProjectPool {
    fn new(node: &Arc<Node>, access: &DatabaseAccess) -> ProjectPool {
        let half = node.limits.project_connections.div_ceil(2);
        ProjectPool {
            access: access.clone(),
            connections: Connections::new(node, access),
            transactions: Arc::new(Semaphore::new(half)),
            filters: FilterTexts::default(),
            searches: Known::default(),
            probes: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Database {
    /// The same tables for one scheduled run: nothing is written once its lease is over.
    #[must_use]
    pub fn fenced(self, fence: RunFence) -> Database {
        Database {
            fence: Some(fence),
            ..self
        }
    }

    /// The same tables, for a function whose statements may take so long.
    #[must_use]
    pub fn within(self, statement_time: Duration) -> Database {
        Database {
            statement_time: (statement_time < STATEMENT_TIME).then_some(statement_time),
            ..self
        }
    }

    /// The schema of the project's tables, not quoted.
    pub(crate) fn schema(&self) -> &str {
        &self.project.access.schema
    }

    pub(crate) fn count_decided_without_database(&self) {
        self.node.count_decided_without_database();
    }

    /// The texts of the project's filters.
    pub(crate) fn filter_texts(&self) -> &FilterTexts {
        &self.project.filters
    }

    /// What was learnt of the project's searches.
    pub(crate) fn known_searches(&self) -> &Known {
        &self.project.searches
    }

    /// The right to make a search again, where nobody has it.
    pub(crate) fn probe_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.project.probes).try_acquire_owned().ok()
    }

    pub(super) async fn checkout(&self) -> Result<Checkout, HostError> {
        match tokio::time::timeout(self.node.limits.wait, self.wait_for_turn()).await {
            Ok(checkout) => checkout,
            Err(_) => Err(HostError::database_busy()),
        }
    }

    /// A place for one more open transaction: one of the project's, one of the node's.
    pub(super) async fn transaction_place(&self) -> Result<TransactionPlace, HostError> {
        let both = async {
            Ok(TransactionPlace {
                _project: take(&self.project.transactions).await?,
                _node: take(&self.node.transactions).await?,
            })
        };
        match tokio::time::timeout(self.node.limits.wait, both).await {
            Ok(place) => place,
            Err(_) => Err(HostError::database_busy()),
        }
    }

    async fn wait_for_turn(&self) -> Result<Checkout, HostError> {
        // The project's queue comes first: a busy project waits in its own, not in the node's.
        let project = self.project.connections.turn().await?;
        let node = take(&self.node.turns).await?;
        let client = self.project.connections.get(&project).await?;
        let turn = Turn {
            _project: project,
            _node: node,
        };
        Ok(Checkout { client, turn })
    }
}

async fn take(queue: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, HostError> {
    let closed = |_| HostError::internal("the connection queue is closed");
    Arc::clone(queue).acquire_owned().await.map_err(closed)
}

async fn close_idle(node: Weak<Node>, idle: Duration) {
    // Four looks per period: a connection lives at most a quarter longer than it should.
    let mut looks = tokio::time::interval((idle / 4).max(Duration::from_millis(10)));
    loop {
        looks.tick().await;
        match node.upgrade() {
            Some(node) => node.close_idle(),
            None => return,
        }
    }
}
