//! `koyalite schedules`: scheduled tasks, when they run next, and what can be done about them.
//!
//! Runs are in [`super::schedules_runs`], making one in [`super::schedules_create`].

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::{or_dash, table, typed};
use super::pages;
use super::schedules_create::{ChangeArgs, CreateArgs};
use super::schedules_runs::{BackfillArgs, RunsArgs};

/// The tasks, or what to do about one.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite schedules\n  koyalite schedules --status paused\n  \
                  koyalite schedules show ticker.nightly\n  \
                  koyalite schedules create ticker --name nightly --cron '0 3 * * *' --timezone Europe/Berlin\n  \
                  koyalite schedules change ticker.nightly --cron '0 4 * * *'\n  \
                  koyalite schedules pause ticker.nightly\n  \
                  koyalite schedules run ticker.nightly\n  \
                  koyalite schedules backfill ticker.nightly --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z\n  \
                  koyalite schedules runs ticker.nightly --status failed"
)]
pub(super) struct SchedulesArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The tasks of the project, and when they run next
    List(ListArgs),
    /// One task in plain words, with its next five firings
    Show(TaskArgs),
    /// Make a task beside those of the function's manifest
    Create(Box<CreateArgs>),
    /// Change a task that was made here; it keeps its name and its runs
    Change(Box<ChangeArgs>),
    /// Remove a task that was made here; those of a manifest go with a deploy
    Delete(TaskArgs),
    /// Let a task fire no more until it is resumed
    Pause(TaskArgs),
    /// Let a paused task fire again
    Resume(TaskArgs),
    /// Run a task now, whether or not it is due
    Run(TaskArgs),
    /// Run what was due in a range of the past and has not succeeded
    Backfill(BackfillArgs),
    /// The latest runs of one task, with their reasons
    Runs(RunsArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those of this function
    #[arg(long, value_name = "FUNCTION")]
    function: Option<String>,
    /// Only those that fire, or that do not
    #[arg(long, value_parser = ["active", "paused"])]
    status: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct TaskArgs {
    /// The task, as `koyalite schedules` names it: <function>.<name>
    task: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Tasks {
    items: Vec<Task>,
}

/// A scheduled task, as the control API shows it.
#[derive(Deserialize)]
pub(super) struct Task {
    /// `<function>.<name>`.
    pub(super) task: String,
    /// The function that it runs.
    pub(super) function: String,
    /// When, in cron's words.
    pub(super) cron_schedule: String,
    /// `active` or `paused`.
    pub(super) status: String,
    /// The last time it fired.
    pub(super) last_run: Option<String>,
    /// The next time it will.
    pub(super) next_run: Option<String>,
}

/// A task with what its expression means.
#[derive(Deserialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    task: Task,
    origin: String,
    overlap: String,
    catch_up: String,
    retries: u64,
    description: Option<String>,
    next: Vec<String>,
}

impl Shown {
    /// For people: what it is, in plain words, and when.
    pub(super) fn text(self) -> String {
        let task = self.task;
        let mut lines = vec![
            format!("{}  {}  {}", task.task, task.cron_schedule, task.status),
            or_dash(self.description),
            format!(
                "overlap {}, catch up {}, retries {}, made by the {}",
                self.overlap, self.catch_up, self.retries, self.origin
            ),
            format!("last run {}", or_dash(task.last_run)),
        ];
        lines.push(match task.status.as_str() {
            "paused" => "paused; resumed now, it would next fire at".to_owned(),
            _ => "it next fires at".to_owned(),
        });
        lines.extend(self.next.into_iter().map(|time| format!("  {time}")));
        lines.join("\n")
    }
}

impl SchedulesArgs {
    /// Lists tasks, or does what was asked about one.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            None => list(self.list).await,
            Some(Action::List(args)) => list(args).await,
            Some(Action::Show(args)) => show(&args).await,
            Some(Action::Create(args)) => args.run().await,
            Some(Action::Change(args)) => args.run().await,
            Some(Action::Delete(args)) => delete(&args).await,
            Some(Action::Pause(args)) => set(&args, "pause").await,
            Some(Action::Resume(args)) => set(&args, "resume").await,
            Some(Action::Run(args)) => run_now(&args).await,
            Some(Action::Backfill(args)) => args.run().await,
            Some(Action::Runs(args)) => args.run().await,
        }
    }
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let filter = [
        ("function", args.function.as_deref()),
        ("status", args.status.as_deref()),
    ];
    let server = &args.server;
    let path = server.path(["schedules"]);
    let answer = pages::all(&server.client()?, &path, &filter).await?;
    server.output().show(answer, |tasks: Tasks| {
        let rows = tasks.items.into_iter().map(|task| {
            let (last, next) = (or_dash(task.last_run), or_dash(task.next_run));
            [task.task, task.cron_schedule, task.status, last, next]
        });
        table(
            ["TASK", "SCHEDULE", "STATUS", "LAST RUN", "NEXT RUN"],
            rows.collect(),
            "nothing is scheduled; add [[schedules]] to a koyalite.toml",
        )
    })
}

async fn show(args: &TaskArgs) -> Result<(), CliError> {
    let path = args.server.path(["schedules", &args.task]);
    let answer = args.server.client()?.get(&path).await?;
    args.server.output().show(answer, Shown::text)
}

async fn set(args: &TaskArgs, what: &str) -> Result<(), CliError> {
    let path = args.server.path(["schedules", &args.task, what]);
    let client = args.server.client()?;
    let answer = client.send(Method::POST, &path, &json!({})).await?;
    args.server.output().show(answer, Shown::text)
}

async fn delete(args: &TaskArgs) -> Result<(), CliError> {
    let path = args.server.path(["schedules", &args.task]);
    let client = args.server.client()?;
    client.send(Method::DELETE, &path, &json!({})).await?;
    let output = args.server.output();
    output.line(&format!("{} is removed; its runs stay", args.task))
}

async fn run_now(args: &TaskArgs) -> Result<(), CliError> {
    #[derive(Deserialize)]
    struct Run {
        id: String,
    }
    let path = args.server.path(["schedules", &args.task, "run"]);
    let client = args.server.client()?;
    let answer = client.send(Method::POST, &path, &json!({})).await?;
    args.server.output().show(answer, |run: Run| {
        let task = &args.task;
        format!(
            "{task} runs as {}; see `koyalite schedules runs {task}`",
            run.id
        )
    })
}

/// The tasks of one function, for `koyalite deploy` to show.
pub(super) async fn of_function(
    server: &ControlArgs,
    function: &str,
) -> Result<Vec<Task>, CliError> {
    let answer = server.client()?.list(&server.path(["schedules"])).await?;
    let tasks: Tasks = typed(answer)?;
    Ok(tasks
        .items
        .into_iter()
        .filter(|task| task.function == function)
        .collect())
}
