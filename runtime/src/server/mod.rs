//! Builds everything, starts the listeners and the scheduler, drains on shutdown. The only module that
//! knows all parts; `parts` puts them together, `database` comes by a Postgres, `ready` tells the
//! outside, and this file is the life of the process from the first port to the last byte.

mod caps;
mod certificates;
mod counters;
mod database;
mod fleet;
mod memory;
mod parts;
mod ready;
mod retention;
mod signals;
mod single;
mod terminal;
mod words;

use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::certificates::Certificates;
use self::database::Database;
use self::parts::{Around, Parts};
use self::ready::{Banner, ReadyFile};
pub use self::single::{Single, run as run_single};
use crate::config::{LogFormat, ServeConfig};
use crate::control;
use crate::cores::Cores;
use crate::http::{Listener, ListenerLimits};
use crate::keys::{ControlAuthority, KeyRing, Token};
use crate::registry::deploy::automatic;
use crate::registry::vectors::build;
use crate::registry::{self, Registry, audit};
use crate::scheduler::Scheduler;

/// What kind of server this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Makes what is missing (keys, a token, a project called `demo`) and tells people about it.
    Dev,
    /// Makes nothing up, and prints no secret.
    Serve,
}

/// Runs a server until it is told to stop.
///
/// # Errors
/// When a part does not start; the message names it and says what would help.
pub fn run(config: ServeConfig, mode: Mode) -> anyhow::Result<()> {
    log(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(config, mode))
}

/// Brings the database of a `serve` configuration up to date and ends.
///
/// # Errors
/// When the key ring or the database cannot be used.
pub fn migrate(config: ServeConfig) -> anyhow::Result<()> {
    with_registry(config, async |_, _| Ok(()))
}

/// Issues the first control token of an installation, once, for the database and the key ring of a
/// `serve` configuration.
///
/// # Errors
/// When it was issued before, or the key ring or the database cannot be used.
pub fn bootstrap(config: ServeConfig) -> anyhow::Result<Token> {
    with_registry(config, async |registry, ring| {
        let authority = ControlAuthority::new(ring);
        Ok(registry::bootstrap::first_token(registry, &authority, chrono::Utc::now()).await?)
    })
}

/// Does something with the registry alone, its database up to date.
fn with_registry<T>(
    config: ServeConfig,
    work: impl AsyncFnOnce(&Registry, &KeyRing) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    log(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let database = Database::come_by(&config, Mode::Serve).await?;
        let ring = Arc::new(parts::keys(&config, Mode::Serve)?);
        let registry = parts::connect(&database, &ring).await?;
        let done = work(&registry, &ring).await;
        database.stop().await;
        done
    })
}

fn log_to_stderr(filter: &str) {
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    // Fails only where there is one already.
    drop(logs.try_init());
}

fn log(config: &ServeConfig) {
    // What Postgres notes while it migrates is for whoever asks for it by name.
    let filter = tracing_subscriber::EnvFilter::new(format!("sqlx=warn,{}", config.log.filter));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Fails only when a test has set its own up before; then that one is meant.
    drop(match config.log.format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            logs.with_target(false).with_ansi(colours).try_init()
        }
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    });
}

async fn serve(config: ServeConfig, mode: Mode) -> anyhow::Result<()> {
    // First of all, so that a signal during a long start is not lost.
    let mut signals = signals::Signals::listen()?;
    // A port in use is said before anything takes time. Nobody is served before all is ready.
    let limits = ListenerLimits {
        connections_max: config.limits.connections,
        drain_timeout: config.drain_timeout,
        header_read_timeout: config.header_timeout,
        send_timeout: config.send_timeout,
        ..ListenerLimits::default()
    };
    let certificates = Certificates::load(&config)?;
    certificates.follow()?;
    let cores = Arc::new(Cores::start(config.limits.connection_threads)?);
    let functions = bind(config.listen, limits, "functions")
        .await?
        .on(Arc::clone(&cores))
        .secured(certificates.functions);
    let control = bind(config.control_listen, limits, "control")
        .await?
        .secured(certificates.control);
    let addresses = (functions.local_addr()?, control.local_addr()?);
    let fleet = fleet::Port::bind(&config, limits, &cores).await?;

    let drain = CancellationToken::new();
    let around = Around {
        addresses,
        cores: Arc::clone(&cores),
        drain: &drain,
        fleet: fleet.as_ref().map(|port| port.address.clone()),
    };
    let started = tokio::select! {
        started = start(&config, mode, around) => started?,
        () = signals.any() => return Ok(()),
    };
    let (database, parts) = started;
    let file = ReadyFile::write(&config, addresses)?;
    if mode == Mode::Dev {
        Banner::new(&config, addresses).print();
    }
    tracing::info!(functions = %addresses.0, control = %addresses.1, "ready");

    let deliveries = parts.deliveries()?;
    let tasks = Tasks::spawn(&parts, functions, control, &drain);
    if let (Some(port), Some(tls)) = (fleet, &parts.fleet) {
        let gateway = Arc::clone(&parts.gateway);
        let hops = port.serve(gateway, tls.listener(), drain.clone());
        tasks.serving.spawn(hops);
    }
    tasks.background.spawn(retention::keep(
        Arc::clone(&parts.registry),
        Arc::clone(&parts.records),
        config.audit_retention_days,
        tasks.stop.clone(),
    ));
    // As cron does: what is due now is sent by whoever runs next.
    tasks.serving.spawn(deliveries.run(drain.clone()));
    tasks.serving.spawn(parts.mails(&config).run(drain.clone()));
    signals.any().await;
    tracing::info!("draining: new requests are refused, those in flight may finish");
    drop(file);
    drain.cancel();
    tokio::select! {
        () = tasks.finish(&parts, &config) => {}
        () = signals.any() => tracing::warn!("a second signal: not waiting any longer"),
    }
    database.stop().await;
    tracing::info!("stopped");
    Ok(())
}

async fn bind(
    address: std::net::SocketAddr,
    limits: ListenerLimits,
    what: &str,
) -> anyhow::Result<Listener> {
    Listener::bind(address, limits).await.with_context(|| {
        format!("cannot listen on {address} for {what}; is another server running there?")
    })
}

async fn start(
    config: &ServeConfig,
    mode: Mode,
    around: Around<'_>,
) -> anyhow::Result<(Database, Parts)> {
    let database = Database::come_by(config, mode).await?;
    let parts = Parts::build(config, mode, &database, around).await?;
    fleet::join(&parts.registry, &parts.node).await?;
    Ok((database, parts))
}

/// What runs beside the signals.
struct Tasks {
    serving: TaskTracker,
    background: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    fn spawn(
        parts: &Parts,
        functions: Listener,
        control: Listener,
        drain: &CancellationToken,
    ) -> Self {
        let (serving, background) = (TaskTracker::new(), TaskTracker::new());
        let stop = CancellationToken::new();
        let gateway = Arc::clone(&parts.gateway);
        let answer = move |request| {
            let gateway = Arc::clone(&gateway);
            async move { gateway.handle(request).await }.boxed()
        };
        // The control listener goes last: while requests are in flight it says that we drain.
        let served = CancellationToken::new();
        let (until, last) = (drain.clone(), served.clone());
        serving.spawn(async move {
            functions.serve(answer, until).await;
            last.cancel();
        });
        let api = control::service(Arc::clone(&parts.control));
        serving.spawn(control.serve(api, served));
        // Cron stops with the drain: what is due now is fired by whoever runs next.
        let scheduler = Scheduler::new(
            Arc::clone(&parts.registry),
            Arc::clone(&parts.dispatcher),
            parts.scheduler.clone(),
        );
        serving.spawn(scheduler.run(drain.clone()));
        let (registry, node) = (Arc::clone(&parts.registry), parts.node.clone());
        let follow_until = stop.clone();
        background.spawn(async move { registry.follow(node, follow_until).await });
        let (registry, hear_until) = (Arc::clone(&parts.registry), stop.clone());
        background.spawn(async move { registry.listen(hear_until).await });
        let (registry, note_until) = (Arc::clone(&parts.registry), stop.clone());
        background.spawn(async move { registry.note_used_keys(note_until).await });
        background.spawn(Arc::clone(&parts.sweeper).keep(stop.clone()));
        let (registry, sealed_until) = (Arc::clone(&parts.registry), stop.clone());
        background.spawn(async move { audit::keep_sealing(&registry, sealed_until).await });
        let (registry, node) = (Arc::clone(&parts.registry), parts.node.clone());
        let seen_until = (drain.clone(), stop.clone());
        background.spawn(async move { registry.keep_beating(node, seen_until).await });
        let (registry, reads) = (Arc::clone(&parts.registry), Arc::clone(&parts.reads));
        let kept_until = stop.clone();
        background.spawn(async move { audit::keep_reads(&registry, &reads, kept_until).await });
        background.spawn(automatic::keep_watching(
            Arc::clone(&parts.registry),
            parts.node.id,
            stop.clone(),
        ));
        background.spawn(build::keep_building(
            Arc::clone(&parts.registry),
            stop.clone(),
        ));
        background.spawn(Arc::clone(&parts.counters).keep_fresh(stop.clone()));
        background.spawn(memory::keep_small(stop.clone()));
        serving.close();
        background.close();
        Self {
            serving,
            background,
            stop,
        }
    }

    /// Waits for what is in flight, then ends the rest.
    async fn finish(self, parts: &Parts, config: &ServeConfig) {
        // The listeners end by themselves after the drain time; runs of the scheduler may be longer
        // than anybody wants to wait, and are marked by their lease.
        let patience = config.drain_timeout + std::time::Duration::from_secs(1);
        if tokio::time::timeout(patience, self.serving.wait())
            .await
            .is_err()
        {
            tracing::warn!("not everything in flight has finished in time");
        }
        self.stop.cancel();
        self.background.wait().await;
        parts.records.flush().await;
    }
}
