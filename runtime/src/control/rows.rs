//! Rows for a table, past its policies: how an administrator fills a project that is new.
//!
//! The rows go the way of a function's, as a service that bypasses policies on that one table: the
//! same statements, checks and limits. Nothing is read here, and the log says who wrote how many.

use axum::extract::State;
use koyalite_host_api::tables::{self, InsertQuery};
use koyalite_policy::{Identity, Service, TableName};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::registry::audit::{self, Action, Chain, Deed};
use crate::registry::identity::advance;

use super::Shared;
use super::answer::{Created, created};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{At, InProject, name};
use super::json::Json;

/// What acts, in the log: there is no function behind it.
const SEEDER: &str = "seed";

#[derive(Deserialize, utoipa::ToSchema)]
pub(super) struct NewRows {
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Box<RawValue>>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Inserted {
    inserted: usize,
}

pub(super) async fn insert(
    State(control): State<Shared>,
    InProject(entry): InProject,
    At((_, table)): At<(String, String)>,
    operator: Operator,
    Json(new): Json<NewRows>,
) -> Result<Created<Inserted>, ApiError> {
    let table: TableName = name(&table)?;
    let project = entry.for_host(&control.databases);
    let identity = Identity::Service(Service::past_policies(SEEDER, [table.clone()])?);
    let inserted = new.rows.len();
    // Each row as it was written: numbers keep all their digits.
    let rows: Vec<&str> = new.rows.iter().map(|row| row.get()).collect();
    let query = InsertQuery {
        table: table.to_string(),
        rows: format!("[{}]", rows.join(",")),
        returning: Vec::new(),
    };
    let deed = Deed::new(Action::RowsWrite, &table).with("rows", inserted);
    audit::record(&control.registry, Chain::Project(entry.id), deed).await?;
    tables::insert(&project, &identity, query).await?;
    advance(&control.registry, &entry.name, &table, &rows).await?;
    tracing::info!(
        operator = operator.subject, project = %entry.name, %table, inserted, "wrote rows"
    );
    Ok(created(Inserted { inserted }))
}
