//! Scheduled tasks and their runs. They are made by deploying a manifest, and read here.

use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::registry::schedules::{self, RUNS_LISTED_MAX, Run, ScheduledTask};

use super::Shared;
use super::answer::{Answer, Items, items};
use super::error::ApiError;
use super::extract::{Asked, At, InProject};

/// What a screen holds.
const RUNS_DEFAULT: u32 = 50;

/// A task with the name that it goes by in paths and on the command line.
#[derive(Serialize)]
pub(super) struct Named {
    /// `<function>.<name>`: a function's name has no dot, so it ends at the first one.
    task: String,
    #[serde(flatten)]
    scheduled: ScheduledTask,
}

impl From<ScheduledTask> for Named {
    fn from(scheduled: ScheduledTask) -> Named {
        Named {
            task: task_name(&scheduled),
            scheduled,
        }
    }
}

fn task_name(scheduled: &ScheduledTask) -> String {
    format!("{}.{}", scheduled.function, scheduled.name)
}

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
) -> Result<Answer<Items<Named>>, ApiError> {
    let tasks = schedules::list(&control.registry, &project.name).await?;
    Ok(items(tasks.into_iter().map(Named::from).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    limit: Option<u32>,
}

pub(super) async fn runs(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, task)): At<(String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Answer<Items<Run>>, ApiError> {
    let tasks = schedules::list(&control.registry, &project.name).await?;
    // The id works too: it is what a run row carries.
    let known = |one: &&ScheduledTask| task_name(one) == task || one.id.to_string() == task;
    let Some(found) = tasks.iter().find(known) else {
        return Err(ApiError::UnknownTask(task));
    };
    let limit = wanted.limit.unwrap_or(RUNS_DEFAULT).min(RUNS_LISTED_MAX);
    Ok(items(
        schedules::runs(&control.registry, &project.name, found.id, limit).await?,
    ))
}
