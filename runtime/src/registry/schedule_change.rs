//! A task that was made over the API, changed where it is: its history and its firings stay its own.
//! One of a manifest changes with a deploy, so that a rollback finds it as it was.

use koyalite_policy::ProjectName;
use serde_json::{Map, Value as Json};

use super::Registry;
use super::audit::write::record_with;
use super::audit::{Action, Chain, Deed};
use super::condition::Condition;
use super::error::{RegistryError, Standing};
use super::manifest::ScheduleSpec;
use super::runs;
use super::schedule_sync::{next, update};
use super::schedules::{ScheduledTask, find, lock};

impl ScheduledTask {
    /// What of it is somebody's decision, and not what has come of it.
    #[must_use]
    pub fn spec(&self) -> ScheduleSpec {
        ScheduleSpec {
            name: self.name.clone(),
            cron: self.cron_schedule.clone(),
            timezone: self.timezone.clone(),
            path: self.path.clone(),
            rules: self.rules.clone(),
        }
    }
}

/// Changes the fields that are given; `null` stands for the usual value. What waits already still runs.
///
/// # Errors
/// `NotFound` for an unknown task; `Conflict` for one of a manifest, and where the condition does not
/// hold; `Invalid` where it cannot be scheduled like that.
pub async fn change(
    registry: &Registry,
    project: &ProjectName,
    task: &str,
    (condition, patch): (&Condition, Map<String, Json>),
) -> Result<ScheduledTask, RegistryError> {
    let seen = find(registry, project, task).await?;
    let mut tx = registry.begin().await?;
    let seen = lock(&mut tx, &seen).await?;
    if seen.origin != "api" {
        return Err(of_manifest(&seen));
    }
    condition.check(&seen.spec())?;
    let spec = ScheduleSpec::parse(&merged(&seen.spec(), patch)?)?;
    let now = runs::now(&mut tx).await?;
    update(&mut tx, seen.function_id, &spec, next(&spec, now)?).await?;
    let deed = Deed::new(Action::ScheduleUpdate, seen.task())
        .with("cron", spec.cron.as_str())
        .with("timezone", spec.timezone.as_str());
    record_with(&mut tx, Chain::Project(seen.project_id), deed).await?;
    tx.commit().await?;
    find(registry, project, &seen.id.to_string()).await
}

fn merged(seen: &ScheduleSpec, patch: Map<String, Json>) -> Result<Json, RegistryError> {
    let mut fields = serde_json::to_value(seen).map_err(RegistryError::internal)?;
    if let Some(fields) = fields.as_object_mut() {
        // A value that is not there is not written as null in a manifest either.
        fields.retain(|_, value| !value.is_null());
        for (name, value) in patch {
            if name == "name" && fields.get("name") != Some(&value) {
                let message = "a task keeps its name, which its runs go by; make another one";
                return Err(RegistryError::invalid("name", message));
            }
            match value {
                Json::Null => drop(fields.remove(&name)),
                value => drop(fields.insert(name, value)),
            }
        }
    }
    Ok(fields)
}

/// The refusal to touch what a deploy would bring back.
pub(super) fn of_manifest(task: &ScheduledTask) -> RegistryError {
    let reason = format!(
        "{} is in the manifest of {}; change it there and deploy, or pause it",
        task.task(),
        task.function
    );
    RegistryError::conflict(Standing::InUse, reason)
}
