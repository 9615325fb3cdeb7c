//! `koyalite schedules`: scheduled tasks, when they run next, and how their runs ended.

use clap::{Args, Subcommand};
use serde::Deserialize;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::{or_dash, table, typed};

/// The tasks, or the runs of one.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite schedules\n  koyalite schedules runs ticker.every-minute"
)]
pub(super) struct SchedulesArgs {
    #[command(subcommand)]
    detail: Option<Detail>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Subcommand)]
enum Detail {
    /// The latest runs of one task
    Runs(RunsArgs),
}

#[derive(Debug, Args)]
struct RunsArgs {
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

#[derive(Deserialize)]
struct Runs {
    items: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    scheduled_for: String,
    status: String,
    attempt: u32,
    reason: Option<String>,
}

impl SchedulesArgs {
    /// Lists tasks or runs.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.detail {
            None => list(&self.server).await,
            Some(Detail::Runs(args)) => runs(args).await,
        }
    }
}

async fn list(server: &ControlArgs) -> Result<(), CliError> {
    let answer = server.client()?.list(&server.path(["schedules"])).await?;
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

async fn runs(args: RunsArgs) -> Result<(), CliError> {
    let path = args.server.path(["schedules", &args.task, "runs"]);
    let answer = args.server.client()?.get(&path).await?;
    args.server.output().show(answer, |runs: Runs| {
        let rows = runs.items.into_iter().map(|run| {
            [
                run.scheduled_for,
                run.status,
                run.attempt.to_string(),
                run.reason.unwrap_or_default(),
            ]
        });
        table(
            ["SCHEDULED FOR", "STATUS", "ATTEMPT", "REASON"],
            rows.collect(),
            "no runs yet",
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
