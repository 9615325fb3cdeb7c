//! Scheduled tasks and their runs. They are made by deploying a manifest, and read here.

use axum::extract::State;
use serde::Serialize;

use crate::registry::schedules::{self, Run, ScheduledTask};

use super::Shared;
use super::answer::{Answer, Items};
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::paging::{Paging, part};

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
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Named>>, ApiError> {
    let page = paging.page("schedules")?;
    let tasks = schedules::list(&control.registry, &project.name).await?;
    let key = |task: &ScheduledTask| (task.function.to_string(), task.name.clone());
    let tasks = page.cut(tasks, key).map(Named::from);
    part("schedules", tasks, |task| key(&task.scheduled))
}

pub(super) async fn runs(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, task)): At<(String, String)>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Run>>, ApiError> {
    let page = paging.page("runs")?;
    let tasks = schedules::list(&control.registry, &project.name).await?;
    // The id works too: it is what a run row carries.
    let known = |one: &&ScheduledTask| task_name(one) == task || one.id.to_string() == task;
    let Some(found) = tasks.iter().find(known) else {
        return Err(ApiError::UnknownTask(task));
    };
    let runs = schedules::runs(&control.registry, &project.name, found.id, &page).await?;
    part("runs", runs, |run| run.scheduled_for)
}
