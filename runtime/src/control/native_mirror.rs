//! Whether Postgres enforces a project's policies beside the host, or those of some of its tables.

use std::collections::BTreeSet;

use axum::extract::State;
use koyalite_host_api::db::Mirror;
use koyalite_policy::TableName;
use serde::{Deserialize, Serialize};

use crate::registry::mirror::{self, Switch};
use crate::registry::tables::Table;

use super::Shared;
use super::answer::{Answer, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{At, InProject, name};
use super::json::Json;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = MirrorWanted)]
pub(super) struct Wanted {
    enabled: bool,
}

/// The setting as it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct NativeMirror {
    /// Whether all tables are mirrored.
    enabled: bool,
    /// Those that are mirrored by themselves, where not all are.
    tables: BTreeSet<TableName>,
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
) -> Result<Answer<NativeMirror>, ApiError> {
    let stored = mirror::get(&control.registry, &project.name).await?;
    Ok(ok(stored.into()))
}

pub(super) async fn replace(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Json(wanted): Json<Wanted>,
) -> Result<Answer<NativeMirror>, ApiError> {
    let mirror = wanted.switch();
    mirror::set(&control.registry, &project.name, mirror).await?;
    tracing::info!(
        operator = operator.subject, project = %project.name, ?mirror, "changed the mirror"
    );
    let stored = mirror::get(&control.registry, &project.name).await?;
    Ok(ok(stored.into()))
}

pub(super) async fn replace_of_table(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, table)): At<(String, String)>,
    operator: Operator,
    Json(wanted): Json<Wanted>,
) -> Result<Answer<Table>, ApiError> {
    let (table, mirror) = (name(&table)?, wanted.switch());
    let changed = mirror::set_table(&control.registry, &project.name, &table, mirror).await?;
    tracing::info!(
        operator = operator.subject, project = %project.name, %table, ?mirror,
        "changed the mirror of a table"
    );
    Ok(ok(changed))
}

impl Wanted {
    fn switch(&self) -> Switch {
        match self.enabled {
            true => Switch::On,
            false => Switch::Off,
        }
    }
}

impl From<Mirror> for NativeMirror {
    fn from(stored: Mirror) -> Self {
        let tables = match &stored {
            Mirror::Off | Mirror::On => BTreeSet::new(),
            Mirror::Tables(tables) => BTreeSet::clone(tables),
        };
        Self {
            enabled: stored == Mirror::On,
            tables,
        }
    }
}
