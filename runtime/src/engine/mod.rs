//! Running functions: WebAssembly components, their limits, and on whose behalf they act.
//!
//! `admit` takes bytes that nobody trusts to something that can run; `invoke` runs it. HTTP requests
//! and cron firings both come in through `invoke`, so the rarer of the two cannot rot. The engine
//! knows nothing of listeners, of routes or of SQL; this folder is the only place that names wasmtime,
//! beside the bindings in `host-api`.
//!
//! Read `worker` next for the life of an instance, `meter` and `cpu` for how guests are stopped,
//! `compile` for where native code comes from.

mod admit;
mod aside;
mod beside;
mod bills;
mod call;
mod clock;
mod code;
pub mod compile;
mod config;
mod cpu;
mod crowd;
mod error;
mod gathered;
mod hooks;
mod inspect;
mod instance;
mod instances;
mod invoke;
mod job;
mod kind;
mod limits;
mod link;
mod loaded;
mod memory;
mod meter;
mod noticed;
mod pace;
mod provided;
mod reply;
mod shared;
mod state;
mod stdio;
mod trap;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use wasmtime::EngineWeak;

pub use self::admit::{Admitted, Surveyed, survey};
use self::aside::Aside;
pub use self::call::{Answer, Call, CallLimits, Isolation, Place, ScheduledEvent, Target, Trigger};
use self::code::Code;
pub use self::code::{hash, object_path};
use self::compile::Priority;
use self::cpu::CpuPermits;
pub use self::cpu::Tenant;
pub use self::error::{AdmitError, InvokeError};
pub use self::inspect::Handler;
use self::instances::{Instances, SharedPools};
use self::kind::ByKind;
pub use self::kind::Kind;
pub use self::limits::{INSTANCES_DEFAULT, INSTANCES_MAX, calls_max};
use crate::egress::Egress;

/// What the engine needs to know of its machine.
#[derive(Clone)]
pub struct Settings {
    /// The program whose `compile` subcommand compiles: this one.
    pub compiler: PathBuf,
    /// How its children stand to what else the machine does.
    pub compile_priority: Priority,
    /// Where native code is cached; made private to us.
    pub cache_dir: PathBuf,
    /// What seals the cache. Must not be stored in `cache_dir`.
    pub cache_key: [u8; 32],
    /// Cores of the machine, for sharing them.
    pub cores: usize,
    /// Environment variables that every guest sees. A node has none to give: its functions are
    /// different people's.
    pub env: Vec<(String, String)>,
    /// Instances at once.
    pub instances: u32,
    /// Native code in memory, before the least recently used goes.
    pub loaded_bytes_max: u64,
    /// Native code on disk, likewise.
    pub cached_bytes_max: u64,
}

/// What an engine holds at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Instances, at work or idle.
    pub instances: usize,
    /// CPU permits that somebody has.
    pub cpu_permits: usize,
    /// Guests that wait for one.
    pub cpu_waiting: usize,
    /// Components in memory.
    pub components: usize,
    /// Bytes of their native code.
    pub code_bytes: u64,
    /// Tasks of calls that take long.
    pub tasks: usize,
}

/// The engine of one node.
pub struct Engine {
    code: Code,
    egress: Egress,
    env: Arc<[(String, String)]>,
    permits: CpuPermits,
    instances: Instances,
    shared: Arc<SharedPools>,
    aside: Aside,
}

impl Engine {
    /// An engine that finds the components it does not know yet in `objects`.
    ///
    /// # Errors
    /// When the machine cannot run wasmtime, or the cache folder cannot be made.
    pub fn new(
        settings: &Settings,
        objects: Arc<dyn ObjectStore>,
        egress: Egress,
    ) -> anyhow::Result<Self> {
        let linkers = ByKind::try_new(|kind| {
            let engine = config::running(kind, settings.instances)?;
            link::linker(kind, &engine)
        });
        let linkers = linkers.map_err(|error| anyhow::anyhow!("{error:#}"))?;
        tick(linkers.map(|linker| linker.engine().weak()))?;
        Ok(Self {
            code: Code::new(linkers, settings, objects)?,
            permits: CpuPermits::for_cores(settings.cores),
            instances: Instances::new(settings.instances),
            shared: Arc::default(),
            aside: Aside::start(settings.cores)?,
            env: settings.env.clone().into(),
            egress,
        })
    }

    /// Forgets the native code of a component that no version uses any longer. Calls that are on it
    /// end as they would have.
    pub fn forget(&self, sha256: &str) {
        self.code.forget(sha256);
    }

    /// What it holds now.
    #[must_use]
    pub fn holding(&self) -> Holding {
        let (cpu_permits, cpu_waiting) = self.permits.taken();
        let (components, code_bytes) = self.code.loaded();
        Holding {
            instances: self.instances.taken(),
            cpu_permits,
            cpu_waiting,
            components,
            code_bytes,
            tasks: self.aside.alive_tasks(),
        }
    }
}

/// Advances the epoch, which makes running guests return to the host. A thread of its own: with
/// every core inside a guest, a task would wait for the very guests it should interrupt.
fn tick(engines: [EngineWeak; 2]) -> std::io::Result<()> {
    let advance = move || {
        let engines = engines.iter().filter_map(EngineWeak::upgrade);
        engines.map(|engine| engine.increment_epoch()).count()
    };
    std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            while advance() > 0 {
                #[expect(clippy::disallowed_methods, reason = "this thread is the clock")]
                std::thread::sleep(limits::EPOCH_TICK);
            }
        })?;
    Ok(())
}
