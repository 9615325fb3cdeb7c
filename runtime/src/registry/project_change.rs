//! Changing a project: its name, its owner, what it is for, its settings. Everything else about it goes by its id,
//! so nothing has to move with a name.

use koyalite_policy::ProjectName;
use uuid::Uuid;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::Change;
use super::condition::Condition;
use super::error::RegistryError;
use super::projects::{Project, named};
use super::settings::{self, SettingsPatch};
use super::snapshot::Environment;

/// What is to be different. What is left out stays.
#[derive(Debug, Clone, Default)]
pub struct ProjectPatch {
    /// Another name.
    pub name: Option<ProjectName>,
    /// Another owner.
    pub owner: Option<Uuid>,
    /// Another environment.
    pub environment: Option<Environment>,
    /// Other settings.
    pub settings: Option<SettingsPatch>,
}

impl ProjectPatch {
    /// What it changes, for the log.
    fn fields(&self) -> Vec<&'static str> {
        let fields = [
            ("name", self.name.is_some()),
            ("owner_id", self.owner.is_some()),
            ("environment", self.environment.is_some()),
            ("settings", self.settings.is_some()),
        ];
        let given = fields.into_iter().filter(|(_, given)| *given);
        given.map(|(field, _)| field).collect()
    }
}

/// Changes a project, where it is as the condition says.
///
/// # Errors
/// `NotFound`; `Conflict` where the name is taken or the condition does not hold; `Invalid` where there
/// is no such user, or a setting makes no sense.
pub async fn update(
    registry: &Registry,
    name: &ProjectName,
    patch: ProjectPatch,
    condition: &Condition,
) -> Result<Project, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(name).await?;
    condition.check(&named(change.conn(), name).await?)?;
    let fields = patch.fields();
    if let Some(owner) = patch.owner {
        must_exist(&mut change, owner).await?;
    }
    if let Some(settings) = patch.settings {
        settings::change(change.conn(), locked.id, settings).await?;
    }
    sqlx::query!(
        "UPDATE koyalite.projects SET name = coalesce($2, name), owner_id = coalesce($3, owner_id),
             environment = coalesce($4, environment), updated_at = now()
         WHERE id = $1",
        locked.id,
        patch.name.as_ref().map(ProjectName::as_str),
        patch.owner,
        patch.environment.map(Environment::as_str),
    )
    .execute(change.conn())
    .await?;
    let project = named(change.conn(), patch.name.as_ref().unwrap_or(name)).await?;
    let deed = Deed::new(Action::ProjectUpdate, &project.name).with("fields", fields);
    change.commit(deed).await?;
    Ok(project)
}

async fn must_exist(change: &mut Change<'_>, user: Uuid) -> Result<(), RegistryError> {
    let found = sqlx::query_scalar!("SELECT id FROM koyalite.users WHERE id = $1", user)
        .fetch_optional(change.conn())
        .await?;
    match found {
        Some(_) => Ok(()),
        None => Err(RegistryError::invalid("owner_id", "there is no such user")),
    }
}
