//! What nodes search by: the vector indexes of projects, and the extension.

use std::collections::HashMap;

use koyalite_host_api::vectors::{Graph, Metric, PgVector, VectorIndex, Vectors};
use uuid::Uuid;

use super::{State, dimension_of};
use crate::registry::error::RegistryError;
use crate::registry::pool::DbConnection;

/// Those of one project, or of all, by the project's id.
pub(crate) async fn load(
    conn: &mut DbConnection,
    project: Option<Uuid>,
) -> Result<HashMap<Uuid, Vectors>, RegistryError> {
    let extension = sqlx::query_scalar!(
        r#"SELECT n.nspname::text AS "schema!" FROM pg_extension e
           JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'"#
    )
    .fetch_optional(&mut *conn)
    .await?;
    let rows = sqlx::query!(
        r#"SELECT v.id, v.project_id, v.name, t.name AS "table", c.name AS "column", c.type AS ty,
               v.metric, v.state
           FROM koyalite.vector_indexes v
           JOIN koyalite.tables t ON t.id = v.associated_table_id
           JOIN koyalite.columns c ON c.id = v.column_id
           WHERE $1::uuid IS NULL OR v.project_id = $1
           ORDER BY v.name"#,
        project,
    )
    .fetch_all(conn)
    .await?;
    let mut found: HashMap<Uuid, Vectors> = HashMap::new();
    for row in rows {
        let metric = Metric::parse(&row.metric);
        let index = VectorIndex {
            id: row.id,
            name: row.name.parse().map_err(RegistryError::internal)?,
            table: row.table.parse().map_err(RegistryError::internal)?,
            column: row.column.parse().map_err(RegistryError::internal)?,
            dimension: dimension_of(&row.ty)?,
            metric: metric.ok_or_else(|| RegistryError::internal("a metric that is none"))?,
            graph: match State::parse(&row.state)? {
                State::Ready => Graph::Hnsw,
                State::Exact | State::Building | State::Failed => Graph::None,
            },
        };
        let known = || Vectors {
            pgvector: extension.clone().map(|schema| PgVector { schema }),
            indexes: Vec::new(),
        };
        found
            .entry(row.project_id)
            .or_insert_with(known)
            .indexes
            .push(index);
    }
    Ok(found)
}
