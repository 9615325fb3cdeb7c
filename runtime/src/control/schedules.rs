//! Scheduled tasks and their runs. Those of a manifest come with a deploy; others are made here, and all
//! are paused, resumed, run and looked at here.

use axum::extract::State;
use axum::response::NoContent;
use chrono::{DateTime, Utc};
use koyalite_policy::FunctionName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::registry::RegistryError;
use crate::registry::manifest::ScheduleSpec;
use crate::registry::run_history::{self, Backfilled, Range, Run, RunFilter};
use crate::registry::schedule_change;
use crate::registry::schedules::{self, Firing, ScheduledTask};
use crate::scheduler::cron::Schedule;

use super::Shared;
use super::answer::{Answer, Created, Items, created, ok};
use super::error::ApiError;
use super::extract::{Asked, At, InProject, name};
use super::json::Json;
use super::paging::{Paging, part};
use super::unchanged::{Tagged, Unchanged, tagged_as};
use super::webhooks::id_of;

/// How many of the coming firings are shown: enough to see the rhythm, and a weekend in it.
const NEXT_SHOWN: usize = 5;

/// A task with the name that it goes by in paths and on the command line.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Schedule)]
pub(super) struct Named {
    /// `<function>.<name>`.
    task: String,
    #[serde(flatten)]
    scheduled: ScheduledTask,
}

impl From<ScheduledTask> for Named {
    fn from(scheduled: ScheduledTask) -> Named {
        Named {
            task: scheduled.task(),
            scheduled,
        }
    }
}

/// A task with what its expression means.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ScheduleWithFirings)]
pub(super) struct Shown {
    #[serde(flatten)]
    named: Named,
    /// In plain words.
    description: Option<String>,
    /// The next firings, were it active.
    next: Vec<DateTime<Utc>>,
}

impl From<ScheduledTask> for Shown {
    fn from(scheduled: ScheduledTask) -> Shown {
        let schedule = Schedule::parse(&scheduled.cron_schedule, &scheduled.timezone).ok();
        // What has been due since a moment ago is still the next one.
        let from = scheduled
            .next_run
            .map_or_else(Utc::now, |next| next - chrono::TimeDelta::nanoseconds(1));
        let next = schedule
            .as_ref()
            .map(|schedule| schedule.after(from).take(NEXT_SHOWN).collect());
        Shown {
            description: schedule.map(|schedule| schedule.describe()),
            next: next.unwrap_or_default(),
            named: scheduled.into(),
        }
    }
}

/// A run with where its log is.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ScheduleRun)]
pub(super) struct Logged {
    #[serde(flatten)]
    run: Run,
    /// The lines of its invocation, in the control API.
    log: Option<String>,
}

impl Logged {
    fn of(run: Run, project: &str, task: &ScheduledTask) -> Logged {
        let log = run.invocation_id.map(|id| {
            let function = &task.function;
            format!("/v1/projects/{project}/functions/{function}/logs?invocation={id}")
        });
        Logged { run, log }
    }
}

/// Whether a task fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ScheduleStatus)]
enum Status {
    Active,
    Paused,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
        }
    }
}

/// Which tasks.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedSchedules)]
pub(super) struct Narrowed {
    /// Of this function.
    function: Option<String>,
    /// That fire, or that do not.
    status: Option<Status>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl Narrowed {
    fn means(&self, task: &ScheduledTask) -> bool {
        let function = self.function.as_deref();
        let status = self.status.map(Status::word);
        function.is_none_or(|name| name == task.function.as_str())
            && status.is_none_or(|status| status == task.status)
    }
}

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(wanted): Asked<Narrowed>,
) -> Result<Answer<Items<Named>>, ApiError> {
    let (limit, cursor) = (wanted.limit, wanted.cursor.clone());
    let page = Paging { limit, cursor }.page("schedules")?;
    let mut tasks = schedules::list(&control.registry, &project.name).await?;
    tasks.retain(|task| wanted.means(task));
    let key = |task: &ScheduledTask| (task.function.to_string(), task.name.clone());
    let tasks = page.cut(tasks, key).map(Named::from);
    part("schedules", tasks, |task| key(&task.scheduled))
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, task)): At<(String, String)>,
) -> Result<Tagged<Answer<Shown>>, ApiError> {
    let found = schedules::find(&control.registry, &project.name, &task).await;
    shown(known(found, task)?)
}

/// With the tag of what was decided about it: that it has fired since changes nothing of that.
fn shown(task: ScheduledTask) -> Result<Tagged<Answer<Shown>>, ApiError> {
    let spec = task.spec();
    tagged_as(ok(task.into()), &spec)
}

/// `function` beside the fields that a schedule has in a manifest.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewSchedule)]
pub(super) struct Wanted {
    function: String,
    #[serde(flatten)]
    #[schema(value_type = ScheduleSpec)]
    schedule: Map<String, Value>,
}

pub(super) async fn create(
    State(control): State<Shared>,
    InProject(project): InProject,
    Json(wanted): Json<Wanted>,
) -> Result<Created<Shown>, ApiError> {
    let function: FunctionName = name(&wanted.function)?;
    let spec = ScheduleSpec::parse(&Value::Object(wanted.schedule))?;
    let made = schedules::create(&control.registry, &project.name, &function, &spec).await?;
    Ok(created(made.into()))
}

/// The fields to change; `null` stands for the usual value.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(as = SchedulePatch, value_type = Object)]
pub(super) struct Patch(Map<String, Value>);

pub(super) async fn change(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, task)): At<(String, String)>,
    Unchanged(condition): Unchanged,
    Json(Patch(patch)): Json<Patch>,
) -> Result<Tagged<Answer<Shown>>, ApiError> {
    let change = (&condition, patch);
    let changed = schedule_change::change(&control.registry, &project.name, &task, change).await;
    shown(known(changed, task)?)
}

pub(super) async fn remove(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, task)): At<(String, String)>,
) -> Result<NoContent, ApiError> {
    let removed = schedules::remove(&control.registry, &project.name, &task).await;
    known(removed, task)?;
    Ok(NoContent)
}

pub(super) async fn pause(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, task)): At<(String, String)>,
) -> Result<Answer<Shown>, ApiError> {
    let registry = &control.registry;
    let set = schedules::set_firing(registry, &project.name, &task, Firing::Paused).await;
    Ok(ok(known(set, task)?.into()))
}

pub(super) async fn resume(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, task)): At<(String, String)>,
) -> Result<Answer<Shown>, ApiError> {
    let registry = &control.registry;
    let set = schedules::set_firing(registry, &project.name, &task, Firing::On).await;
    Ok(ok(known(set, task)?.into()))
}

pub(super) async fn run(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, task)): At<(String, String)>,
) -> Result<Created<Run>, ApiError> {
    let run = run_history::run_now(&control.registry, &project.name, &task).await;
    Ok(created(known(run, task)?))
}

pub(super) async fn backfill(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, task)): At<(String, String)>,
    Json(range): Json<Range>,
) -> Result<Created<Backfilled>, ApiError> {
    let done = run_history::backfill(&control.registry, &project.name, &task, range).await;
    Ok(created(known(done, task)?))
}

pub(super) async fn runs(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, task)): At<(String, String)>,
    Asked(filter): Asked<RunFilter>,
) -> Result<Answer<Items<Logged>>, ApiError> {
    let found = schedules::find(&control.registry, &project.name, &task).await;
    let task = known(found, task)?;
    let (limit, cursor) = (filter.limit, filter.cursor.clone());
    let page = Paging { limit, cursor }.page("runs")?;
    let runs = run_history::list(&control.registry, &task, &filter, &page).await?;
    let logged = |run| Logged::of(run, project.name.as_str(), &task);
    part("runs", runs.map(logged), |logged| {
        (logged.run.scheduled_for, logged.run.attempt)
    })
}

pub(super) async fn show_run(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, task, run)): At<(String, String, String)>,
) -> Result<Answer<Logged>, ApiError> {
    let found = schedules::find(&control.registry, &project.name, &task).await;
    let (task, run) = (known(found, task)?, id_of("run", &run)?);
    let run = run_history::get(&control.registry, &task, run).await?;
    Ok(ok(Logged::of(run, project.name.as_str(), &task)))
}

/// Of several things that may not be there, the one that the path names has words of its own.
fn known<T>(found: Result<T, RegistryError>, task: String) -> Result<T, ApiError> {
    found.map_err(|error| match error {
        RegistryError::NotFound {
            what: "schedule", ..
        } => ApiError::UnknownTask(task),
        error => error.into(),
    })
}
