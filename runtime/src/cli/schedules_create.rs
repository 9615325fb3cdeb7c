//! `koyalite schedules create` and `change`: tasks beside those of the manifest. The server judges every
//! value; what is not given is the server's default, or stays.

use clap::Args;
use http::Method;
use serde::Serialize;

use super::args::ControlArgs;
use super::error::CliError;
use super::schedules::Shown;

/// The task.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    schedule: Wanted,
    #[command(flatten)]
    server: ControlArgs,
}

/// As the control API takes it.
#[derive(Debug, Args, Serialize)]
struct Wanted {
    /// The function that it runs
    function: String,

    /// What it is called, unique in the function
    #[arg(long)]
    name: String,

    /// When: five fields, or six with seconds first
    #[arg(long, value_name = "EXPRESSION")]
    cron: String,

    #[command(flatten)]
    #[serde(flatten)]
    rules: Rules,
}

/// What can be said of a task beside its name and its times.
#[derive(Debug, Args, Serialize)]
struct Rules {
    /// Zone that the expression is read in (default UTC)
    #[arg(long, value_name = "ZONE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<String>,

    /// Where a component without the `scheduled` export is posted to
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,

    /// While a run is not over: skip (default), queue or allow
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap: Option<String>,

    /// After an outage: latest (default), all or none
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    catch_up: Option<String>,

    /// How late is too late to catch up
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    catch_up_window_s: Option<u64>,

    /// How often a run that failed is tried again (default 0)
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u64>,

    /// Pause before the first retry; it doubles each time
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_s: Option<u64>,

    /// The longest such pause
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_max_s: Option<u64>,

    /// How long a run may take
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_s: Option<u64>,

    /// Start up to so much later, always the same for one task
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter_s: Option<u64>,
}

/// What is to be different.
#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    /// The task, as `koyalite schedules` names it: <function>.<name>
    task: String,
    #[command(flatten)]
    schedule: Difference,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args, Serialize)]
struct Difference {
    /// When: five fields, or six with seconds first
    #[arg(long, value_name = "EXPRESSION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,

    #[command(flatten)]
    #[serde(flatten)]
    rules: Rules,
}

impl ChangeArgs {
    /// Changes it and says what it means now.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let path = self.server.path(["schedules", &self.task]);
        let client = self.server.client()?;
        let answer = client.send(Method::PATCH, &path, &self.schedule).await?;
        self.server.output().show(answer, Shown::text)
    }
}

impl CreateArgs {
    /// Makes it and says what it means.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let path = self.server.path(["schedules"]);
        let client = self.server.client()?;
        let answer = client.send(Method::POST, &path, &self.schedule).await?;
        self.server.output().show(answer, Shown::text)
    }
}
