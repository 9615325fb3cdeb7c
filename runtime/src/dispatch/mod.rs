//! The one door to the engine, for the gateway and for the scheduler alike.
//!
//! Admits a call (`admission`), makes the invocation that host calls are judged by, hands both to the
//! engine, and writes down what became of it (`tracked`). It decides nothing about routes, tokens or
//! schedules; those have been decided by whoever calls.

mod admission;
mod error;
mod incoming;
mod schedule;
mod target;
mod tracked;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use http_body_util::BodyExt as _;
use koyalite_host_api::db::{Databases, RunFence};
use koyalite_host_api::files::Store;
use koyalite_host_api::tables::TransactionSlot;
use koyalite_host_api::{CallBudget, GuestLog, Invocation, Project, Usage};
use koyalite_policy::{Identity, Service};
use uuid::Uuid;

pub use self::admission::AdmissionLimits;
use self::admission::{Admission, Whose};
pub use self::error::DispatchError;
use self::incoming::Incoming;
use self::target::Targets;
use self::tracked::{Read, Tracking};
use crate::egress::AllowList;
use crate::engine::{Answer, Call, Engine, Place, Trigger};
use crate::http::Body;
use crate::keys::SecretKey;
use crate::records::{Ledger, Trigger as RecordedTrigger};
use crate::registry::audit::{Asker, ReadRecords};
use crate::registry::{FunctionEntry, ProjectEntry, VersionEntry};

/// The door.
pub struct Dispatcher {
    engine: Arc<Engine>,
    databases: Databases,
    records: Arc<dyn Ledger>,
    admission: Admission,
    targets: Targets,
    cron_key: SecretKey,
    reads: Arc<ReadRecords>,
    /// None where functions have no files.
    files: Option<Store>,
}

/// The version of a function that is to run, in its project.
#[derive(Clone)]
pub struct Selected {
    /// The project.
    pub project: Arc<ProjectEntry>,
    /// The function.
    pub function: Arc<FunctionEntry>,
    /// The version.
    pub version: Arc<VersionEntry>,
}

impl Selected {
    /// How large a body the version takes.
    #[must_use]
    pub fn body_bytes_max(&self) -> u64 {
        let mebibytes = self.version.manifest.limits.body_mib;
        mebibytes.saturating_mul(1024 * 1024)
    }
}

/// A request that was routed and whose caller is known.
pub struct HttpCall {
    /// What is to run.
    pub selected: Selected,
    /// Who it acts for.
    pub identity: Identity,
    /// Names the request and the invocation.
    pub request_id: Uuid,
    /// The request as the guest is to see it.
    pub request: http::Request<Body>,
    /// Counts what it uses; whoever keeps a clone can read it at any time.
    pub usage: Arc<Usage>,
}

/// A firing of a scheduled task that this node has claimed.
pub struct ScheduledCall {
    /// What is to run.
    pub selected: Selected,
    /// The schedule's name.
    pub task: String,
    /// Its id.
    pub task_id: Uuid,
    /// Where a component without the `scheduled` export is posted to; none: the function's path.
    pub path: Option<String>,
    /// When it was due.
    pub scheduled_for: DateTime<Utc>,
    /// 1 for the first try.
    pub attempt: u32,
    /// How many earlier firings did not run.
    pub missed: u32,
    /// Names the run and the invocation.
    pub run_id: Uuid,
    /// What its writes are checked by.
    pub fence: RunFence,
}

impl Dispatcher {
    /// A door to this engine.
    #[must_use]
    pub fn new(
        engine: Arc<Engine>,
        databases: Databases,
        records: Arc<dyn Ledger>,
        limits: AdmissionLimits,
        cron_key: SecretKey,
    ) -> Self {
        let admission = Admission::new(limits);
        Self {
            engine,
            databases,
            records,
            admission,
            targets: Targets::default(),
            cron_key,
            reads: Arc::default(),
            files: None,
        }
    }

    /// The same, with reads of tables recorded there, where projects want that.
    #[must_use]
    pub fn recording(self, reads: Arc<ReadRecords>) -> Self {
        Self { reads, ..self }
    }

    /// The same, with files that lie there.
    #[must_use]
    pub fn with_files(self, store: Store) -> Self {
        Self {
            files: Some(store),
            ..self
        }
    }

    /// A project as host calls know it.
    #[must_use]
    pub fn host_project(&self, project: &ProjectEntry) -> Project {
        let mut project = project.for_host(&self.databases);
        if let Some(store) = &self.files {
            project.files = project.files.kept_in(store);
        }
        project
    }

    /// Lets a version send wherever this list says, in place of what its manifest says.
    ///
    /// # Errors
    /// When the version cannot be run at all.
    pub fn let_out(&self, selected: &Selected, outbound: AllowList) -> Result<(), DispatchError> {
        self.targets.let_out(selected, outbound)
    }

    /// Runs a function for a request. The answer's body may go on streaming; the invocation ends
    /// with it.
    ///
    /// # Errors
    /// When there is no room, or the function fails before it has begun to answer.
    pub async fn http(&self, call: HttpCall) -> Result<http::Response<Body>, DispatchError> {
        let HttpCall {
            selected,
            identity,
            request_id,
            request,
            usage,
        } = call;
        let request = request.map(|body| Incoming::new(body, &usage).boxed_unsync());
        let run = Run {
            identity,
            started: Started::now(request_id, RecordedTrigger::Http),
            usage,
            fence: None,
        };
        self.run(&selected, run, Trigger::Http(request))
            .await?
            .ok_or(DispatchError::Confused)
    }

    /// Runs a function for a firing: by its `scheduled` export, else by a request to its declared
    /// path that carries the host's signature.
    ///
    /// # Errors
    /// When there is no room, the function fails, or it answers the request with an error status.
    pub async fn scheduled(&self, call: ScheduledCall) -> Result<(), DispatchError> {
        let ScheduledCall {
            selected,
            task,
            task_id,
            path,
            scheduled_for,
            attempt,
            missed,
            run_id,
            fence,
        } = call;
        let firing = schedule::Firing {
            task: &task,
            task_id,
            path: path.as_deref(),
            scheduled_for,
            attempt,
            missed,
        };
        let trigger = if selected.version.scheduled {
            Trigger::Scheduled(firing.event())
        } else {
            Trigger::Http(firing.request(&selected, &self.cron_key, Utc::now())?)
        };
        let function = selected.function.name.clone();
        let identity = Identity::Service(Service {
            function,
            bypass: Default::default(),
        });
        let run = Run {
            identity,
            started: Started::now(run_id, RecordedTrigger::Schedule),
            usage: Arc::default(),
            fence: Some(fence),
        };
        match self.run(&selected, run, trigger).await? {
            None => Ok(()),
            Some(response) => schedule::verdict(response).await,
        }
    }

    /// Admits, runs and records one invocation. None is a scheduled call that succeeded.
    async fn run(
        &self,
        selected: &Selected,
        run: Run,
        trigger: Trigger,
    ) -> Result<Option<http::Response<Body>>, DispatchError> {
        let (records, usage) = (Arc::clone(&self.records), Arc::clone(&run.usage));
        let tracking = Tracking::new(records, selected, run.started, usage);
        let at_once = selected.version.manifest.limits.concurrency;
        let whose = Whose {
            project: selected.project.id,
            function: selected.function.id,
            at_once: at_once.map_or(usize::MAX, |most| {
                usize::try_from(most).unwrap_or(usize::MAX)
            }),
        };
        let admitted = self.admission.enter(whose).await;
        // Held by the answer to its last byte, and by the instance to its end.
        let permit: Place = Arc::new(tracking.or_failed(admitted)?);
        let target = tracking.or_failed(self.targets.of(selected))?;
        let invocation = Arc::new(self.invocation(selected, run, &tracking));
        let read = Read::by(&trigger);
        let answer = self
            .engine
            .invoke(
                &target,
                Call {
                    trigger,
                    invocation,
                    place: Arc::clone(&permit),
                },
            )
            .await;
        match tracking.or_failed(answer.map_err(DispatchError::Invoke))? {
            Answer::Http(response) => Ok(Some(tracking.follow(response, read, permit))),
            Answer::Done => {
                tracking.succeeded();
                Ok(None)
            }
        }
    }

    /// How many invocations run, and how many wait for a place.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        self.admission.counts()
    }

    fn invocation(&self, selected: &Selected, run: Run, tracking: &Tracking) -> Invocation {
        let Selected {
            project,
            function,
            version,
        } = selected;
        let mut project = self.host_project(project);
        if let Some(fence) = run.fence {
            project.database = project.database.fenced(fence);
        }
        let limits = version.manifest.limits;
        let statement_time = Duration::from_millis(limits.statement_ms);
        project.database = project.database.within(statement_time);
        project.select_rows = u32::try_from(limits.select_rows).unwrap_or(u32::MAX);
        let asker = || Asker {
            function: function.name.clone(),
            version: version.number,
            invocation: run.started.id,
        };
        project.reads = self.reads.of(&selected.project, asker);
        let log_bytes = usize::try_from(limits.log_kib << 10).unwrap_or(usize::MAX);
        Invocation {
            id: run.started.id,
            project: Arc::new(project),
            function: function.name.clone(),
            version: version.number,
            identity: run.identity,
            config: match &version.config {
                Some(config) => config.values(),
                None => self.targets.config(version),
            },
            log: GuestLog::of(log_bytes, tracking.log()),
            calls: CallBudget::of(u32::try_from(limits.host_calls).unwrap_or(u32::MAX)),
            transaction: TransactionSlot::default(),
            usage: run.usage,
        }
    }
}

/// What is known of an invocation before it is let in.
struct Run {
    identity: Identity,
    started: Started,
    usage: Arc<Usage>,
    /// Only a scheduled run can lose the right to write.
    fence: Option<RunFence>,
}

/// When an invocation began, and by what.
#[derive(Clone, Copy)]
struct Started {
    id: Uuid,
    at: Instant,
    trigger: RecordedTrigger,
}

impl Started {
    fn now(id: Uuid, trigger: RecordedTrigger) -> Self {
        Self {
            id,
            at: Instant::now(),
            trigger,
        }
    }
}
