//! Vector indexes: which column of which table is searched for near rows, and by which metric.
//!
//! One that pgvector can serve is built beside the table's traffic by `build`; until then, and where the
//! database has no pgvector, its searches compare row by row. Searches themselves are in
//! [`koyalite_host_api::vectors`].

pub mod build;
mod extension;
mod input;
mod load;

use chrono::{DateTime, Utc};
use koyalite_host_api::vectors::HNSW_DIMENSIONS_MAX;
use koyalite_policy::{ColumnName, ColumnType, ProjectName};
use serde::Serialize;
use uuid::Uuid;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::{Change, LockedProject, project_id};
use super::condition::Condition;
use super::ddl::vectors as ddl;
use super::error::{RegistryError, Standing};
use super::page::{Page, Part};
use crate::registry::pool::DbConnection;

pub(crate) use extension::make as make_extension;
pub use input::{NewVectorIndex, VectorIndexPatch};
pub(crate) use load::load;

/// A graph over 100 000 vectors takes some 200 MB of the server, and each row is written into every one.
pub const VECTOR_INDEXES_MAX: i64 = 64;

/// A vector index as operators see it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct VectorIndex {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the project.
    pub name: String,
    /// Who owns it.
    pub user_id: Uuid,
    /// The table whose rows are searched.
    pub associated_table_id: Uuid,
    /// Its name.
    pub table: String,
    /// The column that holds the vectors.
    pub embedding_column: String,
    /// How many numbers each of them has.
    pub dimension: u16,
    /// `cosine`, `l2` or `inner_product`.
    pub metric: String,
    /// `exact`, `building`, `ready` or `failed`.
    pub state: String,
    /// What the state means where that is not plain.
    pub detail: Option<&'static str>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// How rows are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Row by row, by nature.
    Exact,
    /// Row by row, until the graph is there.
    Building,
    /// By pgvector's graph, where that is better than row by row.
    Ready,
    /// Row by row: the graph could not be built.
    Failed,
}

impl State {
    const ALL: [Self; 4] = [Self::Exact, Self::Building, Self::Ready, Self::Failed];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Building => "building",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn parse(word: &str) -> Result<Self, RegistryError> {
        let known = Self::ALL.into_iter().find(|one| one.as_str() == word);
        known.ok_or_else(|| RegistryError::internal(format!("unknown state {word:?}")))
    }

    /// Where a new index begins, or one with another metric.
    fn first(project: &LockedProject, dimension: u16) -> Self {
        match project.vector_schema.is_some() && dimension <= HNSW_DIMENSIONS_MAX {
            true => Self::Building,
            false => Self::Exact,
        }
    }

    fn detail(self, dimension: u16) -> Option<&'static str> {
        match self {
            Self::Exact if dimension > HNSW_DIMENSIONS_MAX => Some(
                "rows are compared one by one: the graphs of pgvector take vectors of at most 2000 \
                 dimensions",
            ),
            Self::Exact => Some(
                "rows are compared one by one: the database has no pgvector; install it and run \
                 `CREATE EXTENSION vector` as a superuser",
            ),
            Self::Building => Some("rows are compared one by one until the graph is built"),
            Self::Failed => Some(
                "rows are compared one by one: the graph could not be built, and the log of the node \
                 says why; change the metric, or delete and make it again, to have it tried once more",
            ),
            Self::Ready => None,
        }
    }
}

struct Row {
    id: Uuid,
    name: String,
    user_id: Uuid,
    associated_table_id: Uuid,
    table: String,
    embedding_column: String,
    ty: String,
    metric: String,
    state: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for VectorIndex {
    type Error = RegistryError;

    fn try_from(row: Row) -> Result<Self, RegistryError> {
        let dimension = dimension_of(&row.ty)?;
        Ok(Self {
            id: row.id,
            name: row.name,
            user_id: row.user_id,
            associated_table_id: row.associated_table_id,
            table: row.table,
            embedding_column: row.embedding_column,
            dimension,
            metric: row.metric,
            detail: State::parse(&row.state)?.detail(dimension),
            state: row.state,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

fn dimension_of(ty: &str) -> Result<u16, RegistryError> {
    match ty.parse::<ColumnType>().map_err(RegistryError::internal)? {
        ColumnType::Vector(dimensions) => Ok(dimensions),
        other => Err(RegistryError::internal(format!(
            "a vector index on {other}"
        ))),
    }
}

/// A part of a project's vector indexes, by name.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    page: &Page<String>,
) -> Result<Part<VectorIndex>, RegistryError> {
    let id = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    Ok(page.part(select(&mut conn, (id, None), page).await?))
}

/// The vector index of that name.
///
/// # Errors
/// `NotFound` where the project has none.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    name: &str,
) -> Result<VectorIndex, RegistryError> {
    let id = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    find(&mut conn, (id, name)).await
}

async fn find(
    conn: &mut DbConnection,
    (project, name): (Uuid, &str),
) -> Result<VectorIndex, RegistryError> {
    let found = select(conn, (project, Some(name)), &Page::first(1)).await?;
    let found = found.into_iter().next();
    found.ok_or_else(|| RegistryError::not_found("vector index", name))
}

/// Those of a project, or the one of that name.
async fn select(
    conn: &mut DbConnection,
    (project, name): (Uuid, Option<&str>),
    page: &Page<String>,
) -> Result<Vec<VectorIndex>, RegistryError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT v.id, v.name, v.user_id, v.associated_table_id, t.name AS "table",
               c.name AS embedding_column, c.type AS ty, v.metric, v.state, v.created_at, v.updated_at
           FROM koyalite.vector_indexes v
           JOIN koyalite.tables t ON t.id = v.associated_table_id
           JOIN koyalite.columns c ON c.id = v.column_id
           WHERE v.project_id = $1 AND ($2::text IS NULL OR v.name = $2)
               AND ($3::text IS NULL OR v.name COLLATE "C" > $3)
           ORDER BY v.name COLLATE "C" LIMIT $4"#,
        project,
        name,
        page.after,
        page.rows(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(VectorIndex::try_from).collect()
}

/// Makes a vector index. Where pgvector can serve it, its graph is built after this has answered.
///
/// # Errors
/// `Invalid` with every mistake; `Conflict` where the name is taken.
pub async fn create(
    registry: &Registry,
    project: &ProjectName,
    (new, owner): (&NewVectorIndex, Uuid),
) -> Result<VectorIndex, RegistryError> {
    let mut change = Change::begin(registry).await?;
    // It may grant a right on what projects share.
    change.take_turn().await?;
    let locked = change.lock(project).await?;
    let checked = new.check(change.conn(), locked.id).await?;
    let there = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM koyalite.vector_indexes WHERE project_id = $1"#,
        locked.id,
    )
    .fetch_one(change.conn())
    .await?;
    if there >= VECTOR_INDEXES_MAX {
        let reason = format!("a project has at most {VECTOR_INDEXES_MAX} vector indexes");
        return Err(RegistryError::conflict(Standing::State, reason));
    }
    let state = State::first(&locked, checked.dimension);
    let id = Uuid::now_v7();
    sqlx::query!(
        "INSERT INTO koyalite.vector_indexes
             (id, project_id, name, user_id, associated_table_id, column_id, metric, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id,
        locked.id,
        checked.name.as_str(),
        owner,
        checked.table,
        checked.column,
        checked.metric.as_str(),
        state.as_str(),
    )
    .execute(change.conn())
    .await?;
    if let Some(extension) = &locked.vector_schema {
        change.run(ddl::grant_extension(&locked, extension)).await?;
    }
    let made = find(change.conn(), (locked.id, checked.name.as_str())).await?;
    let deed = Deed::new(Action::VectorIndexCreate, &made.name).with("index", recorded(&made)?);
    change.commit(deed).await?;
    Ok(made)
}

/// Changes a vector index. With another metric its graph is built anew.
///
/// # Errors
/// `NotFound`, `Invalid`, or `Conflict` where it is not as its author saw it.
pub async fn update(
    registry: &Registry,
    project: &ProjectName,
    (name, patch): (&str, &VectorIndexPatch),
    condition: &Condition,
) -> Result<VectorIndex, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let before = find(change.conn(), (locked.id, name)).await?;
    condition.check(&before)?;
    let wanted = patch.check(&before)?;
    let mut state = State::parse(&before.state)?;
    if wanted.metric.as_str() != before.metric {
        change.run(ddl::drop_hnsw(&locked, before.id)).await?;
        state = State::first(&locked, before.dimension);
    }
    sqlx::query!(
        "UPDATE koyalite.vector_indexes SET name = $2, metric = $3, state = $4,
             updated_at = greatest(now(), updated_at + interval '1 microsecond')
         WHERE id = $1",
        before.id,
        wanted.name.as_str(),
        wanted.metric.as_str(),
        state.as_str(),
    )
    .execute(change.conn())
    .await?;
    let now = find(change.conn(), (locked.id, wanted.name.as_str())).await?;
    let deed = Deed::new(Action::VectorIndexUpdate, name)
        .with("before", recorded(&before)?)
        .with("index", recorded(&now)?);
    change.commit(deed).await?;
    Ok(now)
}

/// Deletes a vector index; the rows stay as they are.
///
/// # Errors
/// `NotFound`, `Conflict` where it is not as its author saw it, `Unavailable` while it is being built.
pub async fn delete(
    registry: &Registry,
    project: &ProjectName,
    name: &str,
    condition: &Condition,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let before = find(change.conn(), (locked.id, name)).await?;
    condition.check(&before)?;
    sqlx::query!(
        "DELETE FROM koyalite.vector_indexes WHERE id = $1",
        before.id
    )
    .execute(change.conn())
    .await?;
    change.run(ddl::drop_hnsw(&locked, before.id)).await?;
    let deed = Deed::new(Action::VectorIndexDelete, name).with("before", recorded(&before)?);
    change.commit(deed).await
}

/// Refuses to let a column go that is searched by.
pub(crate) async fn keep_column(
    conn: &mut DbConnection,
    column: Uuid,
    name: &ColumnName,
) -> Result<(), RegistryError> {
    match on_column(conn, column).await? {
        None => Ok(()),
        Some(index) => {
            let reason = format!("the vector index {index} is on {name}; delete that first");
            Err(RegistryError::conflict(Standing::InUse, reason))
        }
    }
}

/// A vector index that is on the column, if there is one.
pub(crate) async fn on_column(
    conn: &mut DbConnection,
    column: Uuid,
) -> Result<Option<String>, RegistryError> {
    let named = sqlx::query_scalar!(
        "SELECT name FROM koyalite.vector_indexes WHERE column_id = $1 ORDER BY name LIMIT 1",
        column,
    );
    Ok(named.fetch_optional(conn).await?)
}

fn recorded(index: &VectorIndex) -> Result<serde_json::Value, RegistryError> {
    serde_json::to_value(index).map_err(RegistryError::internal)
}
