//! One component and nothing else: no Postgres, no data folder, no control API.
//!
//! The parts are those of a node, put together smaller: the same listener, dispatcher, engine, limits
//! and way out. What a project would bring is missing, so the calls of `koyalite:host` that need one
//! are denied. Records go to the terminal, compiled code to a folder that goes with the process.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::FutureExt as _;
use koyalite_host_api::db::{DatabaseAccess, Databases, Mirror, Password};
use koyalite_policy::{FunctionName, Schema};
use object_store::memory::InMemory;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::signals::Signals;
use super::terminal::Terminal;
use crate::cores::{self, Cores};
use crate::dispatch::{AdmissionLimits, Dispatcher, Selected};
use crate::egress::{AllowList, Egress, Policy};
use crate::engine::compile::Priority;
use crate::engine::{Admitted, Engine, INSTANCES_DEFAULT, Settings, calls_max};
use crate::gateway::Bare;
use crate::http::ListenerLimits;
use crate::keys::SecretKey;
use crate::registry::manifest::{Isolation, Limits, Manifest};
use crate::registry::{Environment, FunctionEntry, Handler, ProjectEntry, Secret, VersionEntry};

/// How long requests in flight may take once we are told to stop. Somebody waits at a terminal, and
/// a second signal ends it at once.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What is to be served, and how.
#[derive(Debug)]
pub struct Single {
    /// The component's file.
    pub component: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// What it sees as its environment.
    pub env: Vec<(String, String)>,
    /// Where it may send.
    pub outbound: AllowList,
    /// Which addresses that may lead to.
    pub reach: Policy,
    /// How instances and requests relate.
    pub isolation: Isolation,
    /// What a call may cost.
    pub limits: Limits,
}

/// Serves one component until told to stop.
///
/// # Errors
/// When it is no component that can be served, or the address is not to be had.
pub fn run(single: Single) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(single))
}

async fn serve(single: Single) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let limits = ListenerLimits {
        drain_timeout: DRAIN_TIMEOUT,
        ..ListenerLimits::default()
    };
    let cores = Arc::new(Cores::start(cores::available())?);
    let listener = super::bind(single.listen, limits, "the component")
        .await?
        .on(Arc::clone(&cores));
    let address = listener.local_addr()?;
    let folder = tempfile::tempdir().context("no folder for compiled code can be made")?;
    let bare = tokio::select! {
        bare = put_together(&single, folder.path().to_owned()) => Arc::new(bare?),
        () = signals.any() => return Ok(()),
    };
    // The first line that this process writes, for whoever starts it to read.
    let shown = single.component.display();
    let first = format!("serving {shown} at http://{address} (Ctrl-C to stop)\n");
    drop(std::io::stderr().write_all(first.as_bytes()));
    super::log_to_stderr("warn");
    let answer = move |request| {
        let bare = Arc::clone(&bare);
        async move { bare.handle(request).await }.boxed()
    };
    let drain = CancellationToken::new();
    let serving = tokio::spawn(listener.serve(answer, drain.clone()));
    signals.any().await;
    drain.cancel();
    tokio::select! {
        _ = serving => {}
        () = signals.any() => {}
    }
    Ok(())
}

async fn put_together(single: &Single, folder: PathBuf) -> anyhow::Result<Bare> {
    let engine = Engine::new(
        &Settings {
            compiler: std::env::current_exe().context("cannot find this program's own file")?,
            // There is nothing else to do before it is done.
            compile_priority: Priority::Usual,
            cache_dir: folder,
            cache_key: *SecretKey::random().expose(),
            cores: cores::available(),
            instances: INSTANCES_DEFAULT,
            // There is one component.
            loaded_bytes_max: u64::MAX,
            cached_bytes_max: u64::MAX,
            env: single.env.clone(),
        },
        Arc::new(InMemory::new()),
        Egress::for_functions(single.reach)?,
    )?;
    let path = &single.component;
    let bytes = tokio::fs::read(path).await;
    let bytes = bytes.with_context(|| format!("cannot read {}", path.display()))?;
    let admitted = engine.admit(bytes.into()).await;
    let admitted = admitted.with_context(|| format!("{} cannot be run", path.display()))?;
    let selected = select(single, &admitted)?;
    let calls = calls_max(INSTANCES_DEFAULT);
    let dispatcher = Dispatcher::new(
        Arc::new(engine),
        Databases::nowhere()?,
        Arc::new(Terminal),
        AdmissionLimits {
            // There is one function, and the machine is its own.
            per_function: calls,
            per_project: calls,
            per_node: calls,
            ..AdmissionLimits::default()
        },
        SecretKey::random(),
    );
    dispatcher.let_out(&selected, single.outbound.clone())?;
    Ok(Bare::new(Arc::new(dispatcher), selected))
}

/// The component as the one version of the one function of no project.
fn select(single: &Single, admitted: &Admitted) -> anyhow::Result<Selected> {
    if admitted.handler == Handler::None {
        bail!(
            "this component has no HTTP handler to serve: export `wasi:http/handler@0.3.0` or \
             `wasi:http/incoming-handler@0.2`"
        );
    }
    if single.isolation == Isolation::Shared
        && let Err(why) = admitted.shared
    {
        bail!("--shared cannot be: {why}");
    }
    let name: FunctionName = "component".parse()?;
    let manifest = Manifest {
        isolation: single.isolation,
        limits: single.limits,
        ..Manifest::default_for(&name)
    };
    let version = Arc::new(VersionEntry {
        id: Uuid::nil(),
        function_id: Uuid::nil(),
        number: 1,
        sha256: admitted.sha256.clone(),
        config: None,
        manifest: Arc::new(manifest),
        handler: admitted.handler,
        scheduled: admitted.scheduled,
    });
    let function = FunctionEntry {
        id: Uuid::nil(),
        name,
        owner_id: Uuid::nil(),
        enabled: true,
        active: Arc::clone(&version),
        deployment: Default::default(),
        versions: BTreeMap::new(),
    };
    Ok(Selected {
        project: Arc::new(no_project()?),
        function: Arc::new(function),
        version,
    })
}

/// The nil id stands for no project: what would need one is denied before it looks at the rest.
fn no_project() -> anyhow::Result<ProjectEntry> {
    Ok(ProjectEntry {
        id: Uuid::nil(),
        name: "none".parse()?,
        environment: Environment::Dev,
        schema: Arc::new(Schema::default()),
        relationships: Arc::from([]),
        vectors: Arc::default(),
        settings: Default::default(),
        limiter: None,
        redaction: None,
        api_keys: Default::default(),
        providers: Default::default(),
        secrets: Default::default(),
        jwt_secret: Secret::new(Vec::new()),
        database: DatabaseAccess {
            role: String::new(),
            password: Password::new(b""),
            schema: String::new(),
        },
        mirror: Mirror::Off,
        functions: Vec::new(),
    })
}
