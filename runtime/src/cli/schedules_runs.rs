//! `koyalite schedules runs` and `backfill`: what a task did, and what it should do again.

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::{ControlArgs, encode};
use super::error::CliError;
use super::output::{or_dash, table};

/// Which runs.
#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    /// The task, as `koyalite schedules` names it: <function>.<name>
    task: String,

    /// Only waiting, running, succeeded, failed, skipped or missed ones
    #[arg(long)]
    status: Option<String>,

    /// Only those set off by schedule, catch_up, manual or backfill
    #[arg(long)]
    trigger: Option<String>,

    /// Only those due at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// Only those due before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to: Option<String>,

    /// Only those that this node ran
    #[arg(long)]
    node: Option<String>,

    /// How many at most (default 50)
    #[arg(long, value_name = "COUNT")]
    limit: Option<u32>,

    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Runs {
    items: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    scheduled_for: String,
    status: String,
    trigger: String,
    attempt: u32,
    node: Option<String>,
    started_at: Option<String>,
    finished_at: Option<String>,
    reason: Option<String>,
}

impl RunsArgs {
    /// Lists them.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let limit = self.limit.map(|limit| limit.to_string());
        let asked = [
            ("status", &self.status),
            ("trigger", &self.trigger),
            ("from", &self.from),
            ("to", &self.to),
            ("node", &self.node),
            ("limit", &limit),
        ];
        let query: Vec<String> = asked
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", encode(value.as_deref()?))))
            .collect();
        let path = self.server.path(["schedules", &self.task, "runs"]);
        let path = format!("{path}?{}", query.join("&"));
        let answer = self.server.client()?.get(&path).await?;
        self.server.output().show(answer, |runs: Runs| {
            table(
                [
                    "SCHEDULED FOR",
                    "STATUS",
                    "TRIGGER",
                    "ATTEMPT",
                    "NODE",
                    "STARTED",
                    "FINISHED",
                    "REASON",
                ],
                runs.items.into_iter().map(Run::row).collect(),
                "no such runs",
            )
        })
    }
}

impl Run {
    fn row(self) -> [String; 8] {
        [
            self.scheduled_for,
            self.status,
            self.trigger,
            self.attempt.to_string(),
            or_dash(self.node),
            or_dash(self.started_at),
            or_dash(self.finished_at),
            self.reason.unwrap_or_default(),
        ]
    }
}

/// Which part of the past.
#[derive(Debug, Args)]
pub(super) struct BackfillArgs {
    /// The task, as `koyalite schedules` names it: <function>.<name>
    task: String,

    /// From this time on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: String,

    /// Until before this time, which must have passed (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to: String,

    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Backfilled {
    due: u64,
    enqueued: u64,
    left: u64,
}

impl BackfillArgs {
    /// Enqueues what was due, and says how much that is.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let path = self.server.path(["schedules", &self.task, "backfill"]);
        let range = json!({ "from": self.from, "to": self.to });
        let client = self.server.client()?;
        let answer = client.send(Method::POST, &path, &range).await?;
        self.server.output().show(answer, |done: Backfilled| {
            format!(
                "{} firings in the range: {} enqueued, {} left as they are",
                done.due, done.enqueued, done.left
            )
        })
    }
}
