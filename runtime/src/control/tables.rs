//! Tables, columns and indexes: the shape of a project's data, never its rows.

use axum::extract::State;
use axum::response::NoContent;
use serde::Deserialize;

use crate::http::Code;
use crate::registry::definition::{NewColumn, NewTable};
use crate::registry::indexes::{self, NewIndex};
use crate::registry::migration::{self, ColumnPatch};
use crate::registry::tables::{self, Data, Table};

use super::Shared;
use super::answer::{Answer, Created, Items, created, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At, InProject, name};
use super::json::Json;
use super::paging::{Paging, part};
use super::production::may_drop;
use super::schema::author;
use super::unchanged::{Tagged, Unchanged, tagged};

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Table>>, ApiError> {
    let page = paging.page("tables")?;
    let tables = tables::list(&control.registry, &project.name).await?;
    let key = |table: &Table| table.name.to_string();
    part("tables", page.cut(tables, key), key)
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, table)): At<(String, String)>,
) -> Result<Tagged<Answer<Table>>, ApiError> {
    let table = tables::get(&control.registry, &project.name, &name(&table)?).await?;
    tagged(ok(table))
}

pub(super) async fn create(
    State(control): State<Shared>,
    InProject(project): InProject,
    Json(new): Json<NewTable>,
) -> Result<Created<Table>, ApiError> {
    let made = tables::create(&control.registry, &project.name, &new).await;
    Ok(created(
        made.map_err(ApiError::invalid_as(Code::InvalidSchema))?,
    ))
}

/// What whoever drops something says about the data in it.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    #[serde(default)]
    lose_data: bool,
}

impl Said {
    fn data(&self) -> Data {
        match self.lose_data {
            true => Data::MayGo,
            false => Data::Kept,
        }
    }
}

pub(super) async fn remove(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, table)): At<(String, String)>,
    Asked(said): Asked<Said>,
) -> Result<NoContent, ApiError> {
    let table = name(&table)?;
    may_drop(&project, said.data())?;
    tables::drop(&control.registry, &project.name, &table, said.data()).await?;
    Ok(NoContent)
}

pub(super) async fn add_column(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, table)): At<(String, String)>,
    Json(new): Json<NewColumn>,
) -> Result<Created<Table>, ApiError> {
    let table = name(&table)?;
    let made = tables::add_column(&control.registry, &project.name, &table, &new).await;
    Ok(created(
        made.map_err(ApiError::invalid_as(Code::InvalidSchema))?,
    ))
}

pub(super) async fn change_column(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, table, column)): At<(String, String, String)>,
    operator: Operator,
    (Unchanged(condition), Json(patch)): (Unchanged, Json<ColumnPatch>),
) -> Result<Tagged<Answer<Table>>, ApiError> {
    let (table, column) = (name(&table)?, name(&column)?);
    let (registry, by) = (&control.registry, author(&control, &operator));
    let (which, patch) = ((&table, &column), (&condition, patch));
    let changed = migration::change_column(registry, &project.name, which, patch, by).await;
    tagged(ok(
        changed.map_err(ApiError::invalid_as(Code::InvalidSchema))?
    ))
}

pub(super) async fn drop_column(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, table, column)): At<(String, String, String)>,
    Asked(said): Asked<Said>,
) -> Result<Answer<Table>, ApiError> {
    let (table, column) = (name(&table)?, name(&column)?);
    may_drop(&project, said.data())?;
    Ok(ok(tables::drop_column(
        &control.registry,
        &project.name,
        (&table, &column),
        said.data(),
    )
    .await?))
}

pub(super) async fn create_index(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, table)): At<(String, String)>,
    Json(new): Json<NewIndex>,
) -> Result<Created<Table>, ApiError> {
    let table = name(&table)?;
    let made = indexes::create(&control.registry, &project.name, &table, &new).await;
    Ok(created(
        made.map_err(ApiError::invalid_as(Code::InvalidSchema))?,
    ))
}

pub(super) async fn drop_index(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, table, index)): At<(String, String, String)>,
) -> Result<Answer<Table>, ApiError> {
    let (table, index) = (name(&table)?, name(&index)?);
    Ok(ok(indexes::drop(
        &control.registry,
        &project.name,
        (&table, &index),
    )
    .await?))
}
