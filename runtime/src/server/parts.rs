//! Puts the parts of a node together, in the order in which they need each other.

use std::sync::Arc;

use anyhow::Context as _;
use chrono::Utc;
use koyalite_host_api::db::{self, Databases, Homes};
use koyalite_host_api::files::Store;
use object_store::ObjectStore;
use tokio_util::sync::CancellationToken;

use super::Mode;
use super::counters::{Counters, Sources};
use super::database::Database;
use super::fleet;
use super::ready::{Addresses, public_base};
use super::{caps, words};
use crate::accounts::Accounts;
use crate::config::ServeConfig;
use crate::control::{Control, Metrics, SOURCE_ANSWER_TIMEOUT};
use crate::cores::{self, Cores};
use crate::delivery::Deliveries;
use crate::delivery::mail::smtp::Pool;
use crate::delivery::mail::{Exit, Mails};
use crate::dispatch::{AdmissionLimits, Dispatcher};
use crate::egress::connect::SystemResolver;
use crate::egress::{Egress, Policy};
use crate::engine::compile::Priority;
use crate::engine::{Engine, Settings};
use crate::forward::FleetTls;
use crate::gateway::{Gateway, GatewaySettings, Node, Proxies};
use crate::keys::{ControlAuthority, FileUrls, KeyRing, Purpose};
use crate::records::{RecordLimits, Records};
use crate::registry::audit::ReadRecords;
use crate::registry::nodes::ThisNode;
use crate::registry::projects::NewProject;
use crate::registry::{Environment, Pooling, Registry, admin_token, projects};
use crate::scheduler::{PROJECT_RUNS_MAX, RUNS_MAX, SchedulerSettings};
use crate::store::{self, Objects};
use crate::sweeper::Sweeper;

/// The project that `dev` makes, so that there is one to deploy to.
pub(super) const DEV_PROJECT: &str = "demo";

/// What the parts find already there.
pub(super) struct Around<'a> {
    pub(super) addresses: Addresses,
    /// The threads that connections of callers are on.
    pub(super) cores: Arc<Cores>,
    pub(super) drain: &'a CancellationToken,
    /// Where other nodes reach this one.
    pub(super) fleet: Option<String>,
}

/// The parts that run.
pub(super) struct Parts {
    pub(super) registry: Arc<Registry>,
    pub(super) records: Arc<Records>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) control: Arc<Control>,
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) counters: Arc<Counters>,
    pub(super) sweeper: Arc<Sweeper>,
    pub(super) scheduler: SchedulerSettings,
    /// What other nodes know this one by.
    pub(super) node: ThisNode,
    /// What it proves to them that it is one of them by.
    pub(super) fleet: Option<FleetTls>,
    /// Reads that wait to be recorded.
    pub(super) reads: Arc<ReadRecords>,
    mode: Mode,
}

impl Parts {
    pub(super) async fn build(
        config: &ServeConfig,
        mode: Mode,
        database: &Database,
        around: Around<'_>,
    ) -> anyhow::Result<Self> {
        let (drain, cores) = (around.drain, around.cores);
        let ring = Arc::new(keys(config, mode)?);
        let registry = registry(config, mode, database, &ring).await?;
        let authority = authority(config, &ring, &registry).await?;
        let accounts = Accounts::new(Arc::clone(&registry), authority.clone(), config.sign_up);
        let accounts = Arc::new(accounts.writing(words::of(config)?));
        let objects = open_store(config, &registry).await?;
        let store = files(config, &ring, around.addresses, &objects);
        let sweeper = Arc::new(Sweeper::new(Arc::clone(&registry), objects.clone()));
        let objects = objects.store;
        let engine = Arc::new(engine(config, mode, &ring, Arc::clone(&objects))?);
        let records = records(config)?;
        let databases = tenants(config, database, &cores)?;
        let reads = Arc::<ReadRecords>::default();
        let kept = (databases.clone(), Arc::<Records>::clone(&records));
        let dispatcher = dispatcher(config, &ring, &engine, kept);
        let dispatcher = dispatcher.recording(Arc::clone(&reads));
        let dispatcher = Arc::new(dispatcher.with_files(store.clone()));
        let counted = Sources {
            databases: databases.clone(),
            engine: Arc::clone(&engine),
            dispatcher: Arc::clone(&dispatcher),
            cores,
        };
        let counters = Arc::new(Counters::new(Arc::new(Metrics::default()), counted));
        let fleet = fleet::tls(config, &ring)?;
        let node = Node {
            fleet: fleet::others(fleet.as_ref(), &registry),
            registry: Arc::clone(&registry),
            dispatcher: Arc::clone(&dispatcher),
            accounts: Arc::clone(&accounts),
            home: tokio::runtime::Handle::current(),
            egress: Egress::new(targets(mode))?,
        };
        let gateway = gateway(config, node, &authority, drain);
        let control = Control {
            registry: Arc::clone(&registry),
            engine,
            objects,
            files: Some(store),
            sweeper: Arc::clone(&sweeper),
            databases,
            records: Arc::clone(&records),
            authority,
            accounts,
            metrics: Arc::clone(&counters.metrics),
            caps: caps::of(config),
            component_bytes_max: usize::try_from(config.caps.component_mib << 20)?,
            public_base: public_base(config, around.addresses),
            domain: config.domain.clone(),
            targets: targets(mode),
            egress: sources(mode)?,
            draining: drain.clone(),
        };
        Ok(Self {
            registry,
            records,
            gateway: Arc::new(gateway),
            control: Arc::new(control),
            dispatcher,
            counters,
            sweeper,
            scheduler: scheduler(config),
            reads,
            node: fleet::this_node(config, around.fleet),
            fleet,
            mode,
        })
    }
}

impl Parts {
    /// A worker for what the outbox holds.
    pub(super) fn deliveries(&self) -> anyhow::Result<Deliveries> {
        Ok(Deliveries::new(
            Arc::clone(&self.registry),
            targets(self.mode),
        )?)
    }

    /// What sends mail.
    pub(super) fn mails(&self, config: &ServeConfig) -> Mails {
        let exit = match (&config.smtp, self.mode) {
            (Some(server), _) => Exit::Server(Arc::new(Pool::new(Arc::clone(server)))),
            (None, Mode::Dev) => Exit::Mailbox,
            (None, Mode::Serve) => Exit::Closed,
        };
        let registry = Arc::clone(&self.registry);
        Mails::new(registry, exit, self.sweeper.objects())
    }
}

/// Where components and files lie: the same place for all nodes of this database.
async fn open_store(config: &ServeConfig, registry: &Registry) -> anyhow::Result<Objects> {
    let objects = store::open(&config.store)?;
    store::recognise(registry, objects.store.as_ref(), &config.store).await?;
    Ok(objects)
}

/// Judges control tokens; the administrator's own is kept in a file where the operator wants that.
async fn authority(
    config: &ServeConfig,
    ring: &KeyRing,
    registry: &Registry,
) -> anyhow::Result<ControlAuthority> {
    let authority = ControlAuthority::new(ring);
    if let Some(path) = &config.admin_token_file {
        admin_token::keep(registry, &authority, path, Utc::now())
            .await
            .with_context(|| format!("the admin token {} cannot be kept", path.display()))?;
    }
    Ok(authority)
}

fn records(config: &ServeConfig) -> anyhow::Result<Arc<Records>> {
    let records = Records::open(&config.data.logs(), RecordLimits::default());
    Ok(Arc::new(records.context("the log folder cannot be made")?))
}

fn gateway(
    config: &ServeConfig,
    node: Node,
    authority: &ControlAuthority,
    drain: &CancellationToken,
) -> Gateway {
    let settings = GatewaySettings {
        domain: config.domain.clone(),
        region: config.region.clone(),
        proxies: Proxies::new(config.trusted_proxies.clone()),
    };
    Gateway::new(node, settings, authority.clone(), drain.clone())
}

/// The registry of a node that serves, with all that such a one finds there.
async fn registry(
    config: &ServeConfig,
    mode: Mode,
    database: &Database,
    ring: &Arc<KeyRing>,
) -> anyhow::Result<Arc<Registry>> {
    let registry = connect(database, ring).await?;
    let registry = registry.trusted_for(config.max_staleness);
    if mode == Mode::Dev {
        make_dev_project(&registry).await?;
    }
    Ok(Arc::new(registry))
}

/// The registry, migrated.
pub(super) async fn connect(database: &Database, ring: &Arc<KeyRing>) -> anyhow::Result<Registry> {
    let registry = Registry::connect(database.control.clone(), Arc::clone(ring)).await;
    registry.context("the database cannot be used")
}

/// The key ring, which only `dev` makes where there is none.
pub(super) fn keys(config: &ServeConfig, mode: Mode) -> anyhow::Result<KeyRing> {
    let path = &config.key_file;
    let ring = match mode {
        Mode::Dev => {
            std::fs::create_dir_all(config.data.root())
                .with_context(|| format!("cannot make {}", config.data.root().display()))?;
            KeyRing::open_or_create(path)
        }
        Mode::Serve => KeyRing::open(path),
    };
    // Each of its errors names the file.
    ring.context("the key ring cannot be used")
}

async fn make_dev_project(registry: &Registry) -> anyhow::Result<()> {
    let name = DEV_PROJECT.parse()?;
    if registry.snapshot().project(&name).is_some() {
        return Ok(());
    }
    let new = NewProject {
        name,
        environment: Environment::Dev,
        owner: registry.admin(),
    };
    projects::create(registry, new)
        .await
        .context("the demo project cannot be made")?;
    Ok(())
}

/// Where files lie.
fn files(
    config: &ServeConfig,
    ring: &Arc<KeyRing>,
    addresses: Addresses,
    objects: &Objects,
) -> Store {
    Store {
        objects: Arc::clone(&objects.store),
        parts: objects.parts.clone(),
        signer: Arc::new(FileUrls(Arc::clone(ring))),
        base: public_base(config, addresses).into(),
    }
}

fn engine(
    config: &ServeConfig,
    mode: Mode,
    ring: &KeyRing,
    objects: Arc<dyn ObjectStore>,
) -> anyhow::Result<Engine> {
    let settings = Settings {
        compiler: std::env::current_exe().context("cannot find this program's own file")?,
        compile_priority: match mode {
            // Whoever deploys is the one that calls.
            Mode::Dev => Priority::Usual,
            Mode::Serve => Priority::Idle,
        },
        cache_dir: config.data.compiled(),
        cache_key: *ring.derive(Purpose::CompiledCode).expose(),
        cores: cores::available(),
        env: Vec::new(),
        instances: config.limits.instances,
        loaded_bytes_max: config.limits.compiled_memory_mib << 20,
        cached_bytes_max: config.limits.compiled_disk_mib << 20,
    };
    Engine::new(&settings, objects, Egress::for_functions(targets(mode))?)
}

fn dispatcher(
    config: &ServeConfig,
    ring: &KeyRing,
    engine: &Arc<Engine>,
    (databases, records): (Databases, Arc<Records>),
) -> Dispatcher {
    Dispatcher::new(
        Arc::clone(engine),
        databases,
        records,
        admission(config),
        ring.derive(Purpose::CronTrigger),
    )
}

/// What fetches components.
fn sources(mode: Mode) -> anyhow::Result<Egress> {
    let resolver = Arc::new(SystemResolver);
    Ok(Egress::waiting(
        targets(mode),
        resolver,
        SOURCE_ANSWER_TIMEOUT,
    )?)
}

/// Where requests may go. What is under development may call a server on the same machine, where its
/// manifest or its endpoint says so.
fn targets(mode: Mode) -> Policy {
    match mode {
        Mode::Dev => Policy::AllowLoopback,
        Mode::Serve => Policy::Public,
    }
}

fn tenants(config: &ServeConfig, database: &Database, cores: &Cores) -> anyhow::Result<Databases> {
    let usual = db::NodeLimits::default();
    let limits = db::NodeLimits {
        project_connections: config.limits.project_connections,
        node_connections: config.limits.tenant_connections,
        statements: match database.pooling {
            Pooling::Session => usual.statements,
            // What is prepared here is not there for the next transaction.
            Pooling::Transaction => 0,
        },
        ..usual
    };
    let base = database.tenants.clone();
    let homes = Homes::new(cores.runtimes());
    Ok(Databases::at_home(base, limits, homes)?)
}

fn admission(config: &ServeConfig) -> AdmissionLimits {
    AdmissionLimits {
        per_function: config.limits.invocations_per_function,
        per_project: config.limits.invocations_per_project,
        per_node: config
            .limits
            .invocations
            .min(crate::engine::calls_max(config.limits.instances)),
        waiting: config.limits.waiting_per_function,
        ..AdmissionLimits::default()
    }
}

fn scheduler(config: &ServeConfig) -> SchedulerSettings {
    SchedulerSettings {
        node: fleet::node_name(config),
        region: config.region.clone(),
        lease: config.scheduler.lease,
        runs_days: i32::try_from(config.scheduler.runs_days).unwrap_or(i32::MAX),
        places: (
            (config.limits.invocations / 2).clamp(1, RUNS_MAX),
            (config.limits.invocations_per_project / 2)
                .min(config.limits.invocations_per_function)
                .clamp(1, PROJECT_RUNS_MAX),
        ),
    }
}
