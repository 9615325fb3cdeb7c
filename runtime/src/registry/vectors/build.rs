//! Builds the graphs of vector indexes, one at a time, beside the traffic of their tables.
//!
//! A graph is built outside of any transaction, so it may end half-way; what is left of it is cleared by
//! whoever builds next. Of several nodes, the one that holds the lock builds.

use std::sync::Arc;
use std::time::Duration;

use koyalite_host_api::vectors::{HNSW_DIMENSIONS_MAX, Metric};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{State, dimension_of};
use crate::registry::audit::{Action, Deed};
use crate::registry::change::Change;
use crate::registry::ddl::{Ddl, vectors::Hnsw};
use crate::registry::error::RegistryError;
use crate::registry::pool::DbConnection;
use crate::registry::{Outage, Registry};

/// How often somebody looks for a graph to build. One statement on a small table.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Names the lock of whoever builds; any number would do.
const BUILDING_LOCK: i64 = 0x6b6f_7961_6873_6e77;

/// Builds what is to be built, until `stop`.
pub async fn keep_building(registry: Arc<Registry>, stop: CancellationToken) {
    let mut outage = Outage::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(registry.turn(LOOK_INTERVAL)) => {}
        }
        let built = tokio::select! {
            () = stop.cancelled() => return,
            built = build_next(&registry) => built,
        };
        outage.note(built.map(drop), "building vector indexes");
    }
}

/// A graph that waits to be built.
struct Due {
    id: Uuid,
    name: String,
    project: String,
    schema: String,
    table: String,
    column: String,
    ty: String,
    metric: String,
    extension: String,
}

/// Builds the graph that has waited longest; false where none waits, or another node builds.
///
/// # Errors
/// `Unavailable` where the database is away.
pub async fn build_next(registry: &Registry) -> Result<bool, RegistryError> {
    let mut conn = registry.pool.acquire().await?;
    let Some(due) = next(&mut conn).await? else {
        return Ok(false);
    };
    // A connection is opened by nobody who would only wait with it.
    let free = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)").bind(BUILDING_LOCK);
    let free: bool = free.fetch_one(&mut conn).await?;
    drop(conn);
    if !free {
        return Ok(false);
    }
    // The lock belongs to a session, and is given up with it.
    let mut session = registry.route.session().await?;
    let mine = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_lock($1) AS "mine!""#,
        BUILDING_LOCK
    );
    if !mine.fetch_one(&mut session).await? {
        return Ok(false);
    }
    let built = build(&mut session, &due).await;
    drop(session);
    let state = match &built {
        Ok(()) => State::Ready,
        Err(RegistryError::Unavailable(_)) => return built.map(|()| true),
        Err(error) => {
            let (project, index) = (&due.project, &due.name);
            tracing::error!(
                project,
                index,
                error = error.detail(),
                "a graph is not built"
            );
            State::Failed
        }
    };
    settle(registry, &due, state).await?;
    Ok(true)
}

async fn next(conn: &mut DbConnection) -> Result<Option<Due>, RegistryError> {
    let due = sqlx::query_as!(
        Due,
        r#"SELECT v.id, v.name, p.name AS project, p.database_schema AS schema, t.name AS "table",
               c.name AS "column", c.type AS ty, v.metric, n.nspname::text AS "extension!"
           FROM koyalite.vector_indexes v
           JOIN koyalite.projects p ON p.id = v.project_id
           JOIN koyalite.tables t ON t.id = v.associated_table_id
           JOIN koyalite.columns c ON c.id = v.column_id
           JOIN pg_extension e ON e.extname = 'vector'
           JOIN pg_namespace n ON n.oid = e.extnamespace
           WHERE v.state = 'building' OR (v.state = 'exact'
               AND substring(c.type FROM '[0-9]+')::integer <= $1)
           ORDER BY v.updated_at LIMIT 1"#,
        i32::from(HNSW_DIMENSIONS_MAX),
    );
    Ok(due.fetch_optional(conn).await?)
}

async fn build(conn: &mut PgConnection, due: &Due) -> Result<(), RegistryError> {
    let (table, column) = (due.table.parse(), due.column.parse());
    let metric = Metric::parse(&due.metric);
    let hnsw = Hnsw {
        id: due.id,
        schema: &due.schema,
        table: &table.map_err(RegistryError::internal)?,
        column: &column.map_err(RegistryError::internal)?,
        dimension: dimension_of(&due.ty)?,
        metric: metric.ok_or_else(|| RegistryError::internal("a metric that is none"))?,
        extension: &due.extension,
    };
    run(conn, hnsw.clear()).await?;
    run(conn, hnsw.create()).await
}

async fn run(conn: &mut PgConnection, statement: Ddl) -> Result<(), RegistryError> {
    // Safe to assert: a `Ddl` is made of validated names that are quoted, and of fixed words.
    let statement = sqlx::AssertSqlSafe(statement.into_text());
    sqlx::raw_sql(statement).execute(conn).await?;
    Ok(())
}

/// Says how it went, if the index is still the one that was built.
async fn settle(registry: &Registry, due: &Due, state: State) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    change.take_turn().await?;
    let project = due.project.parse().map_err(RegistryError::internal)?;
    let locked = change.lock(&project).await?;
    let settled = sqlx::query!(
        "UPDATE koyalite.vector_indexes SET state = $3,
             updated_at = greatest(now(), updated_at + interval '1 microsecond')
         WHERE id = $1 AND metric = $2 AND state IN ('building', 'exact')",
        due.id,
        due.metric,
        state.as_str(),
    )
    .execute(change.conn())
    .await?;
    if settled.rows_affected() == 0 {
        return Ok(());
    }
    // An index that was made before there was an extension has not granted it.
    let extension = super::ddl::grant_extension(&locked, &due.extension);
    change.run(extension).await?;
    let deed = Deed::new(Action::VectorIndexBuild, &due.name).with("state", state.as_str());
    change.commit(deed).await
}
