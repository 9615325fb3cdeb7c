//! What operators send about vector indexes, and what is wrong with it.

use koyalite_host_api::vectors::Metric;
use koyalite_policy::{ColumnType, IndexName, NAME_BYTES_MAX};
use serde::Deserialize;
use uuid::Uuid;

use super::VectorIndex;
use crate::registry::columns::{self, StoredTable};
use crate::registry::definition::keep;
use crate::registry::error::{Mistake, RegistryError};
use crate::registry::pool::DbConnection;

/// A vector index to make.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVectorIndex {
    /// `[a-z_][a-z0-9_]{0,62}`; left out, it is made of the names of the table and the column.
    #[serde(default)]
    pub name: Option<String>,
    /// The table, by id.
    #[serde(default)]
    pub associated_table_id: Option<Uuid>,
    /// The table, by name: one of the two.
    #[serde(default)]
    pub table: Option<String>,
    /// A column of type `vector(n)`.
    pub embedding_column: String,
    /// `cosine` (where nothing is said), `l2` or `inner_product`.
    #[serde(default)]
    pub metric: Option<String>,
    /// What the column's dimension is believed to be: checked, and of no other use.
    #[serde(default)]
    pub dimension: Option<u16>,
}

/// A change of one. What is left out stays.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorIndexPatch {
    /// Another name.
    #[serde(default)]
    pub name: Option<String>,
    /// Another metric: the graph is built anew.
    #[serde(default)]
    pub metric: Option<String>,
}

/// A vector index that can be made.
pub(super) struct Checked {
    pub(super) name: IndexName,
    pub(super) table: Uuid,
    pub(super) column: Uuid,
    pub(super) dimension: u16,
    pub(super) metric: Metric,
}

/// What a change comes to.
pub(super) struct Wanted {
    pub(super) name: IndexName,
    pub(super) metric: Metric,
}

impl NewVectorIndex {
    /// Checks it against the tables that there are. Every mistake is told.
    pub(super) async fn check(
        &self,
        conn: &mut DbConnection,
        project: Uuid,
    ) -> Result<Checked, RegistryError> {
        let tables = columns::load(conn, Some(project)).await?;
        self.check_against(&tables).map_err(RegistryError::from)
    }

    fn check_against(&self, tables: &[StoredTable]) -> Result<Checked, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let metric = metric(self.metric.as_deref(), Metric::Cosine);
        let metric = metric.map_err(|mistake| mistakes.push(mistake)).ok();
        let place = self.place(tables);
        let place = place.map_err(|mistake| mistakes.push(mistake)).ok();
        let name = match &self.name {
            Some(name) => keep(name.parse(), "name", &mut mistakes),
            None => place.as_ref().and_then(|place| {
                let telling = format!("{}_{}", place.table.name, self.embedding_column);
                let cut = telling.get(..NAME_BYTES_MAX.min(telling.len()));
                keep(cut.unwrap_or(&telling).parse(), "name", &mut mistakes)
            }),
        };
        match (name, place, metric) {
            (Some(name), Some(place), Some(metric)) if mistakes.is_empty() => Ok(Checked {
                name,
                table: place.table.id,
                column: place.column,
                dimension: place.dimension,
                metric,
            }),
            _ => Err(mistakes),
        }
    }

    fn place<'a>(&self, tables: &'a [StoredTable]) -> Result<Place<'a>, Mistake> {
        let table = self.table_among(tables)?;
        let field = "embedding_column";
        let named = table.columns.iter();
        let mut named = named.filter(|column| column.name.as_str() == self.embedding_column);
        let Some(column) = named.next() else {
            let message = format!("{} has no column {:?}", table.name, self.embedding_column);
            return Err(Mistake::new(field, message));
        };
        let ColumnType::Vector(dimension) = column.ty.ty else {
            let message = format!(
                "{} is of type {}; a vector index is on a column of type vector(n)",
                column.name, column.ty
            );
            return Err(Mistake::new(field, message));
        };
        match self.dimension {
            Some(believed) if believed != dimension => {
                let message = format!("{} has {dimension} dimensions, not {believed}", column.name);
                Err(Mistake::new("dimension", message))
            }
            _ => Ok(Place {
                table,
                column: column.id,
                dimension,
            }),
        }
    }

    fn table_among<'a>(&self, tables: &'a [StoredTable]) -> Result<&'a StoredTable, Mistake> {
        let mut all = tables.iter();
        match (self.associated_table_id, &self.table) {
            (Some(id), None) => {
                let missing = || format!("the project has no table of the id {id}");
                all.find(|table| table.id == id)
                    .ok_or_else(|| Mistake::new("associated_table_id", missing()))
            }
            (None, Some(name)) => {
                let missing = || format!("the project has no table {name:?}");
                all.find(|table| table.name.as_str() == name)
                    .ok_or_else(|| Mistake::new("table", missing()))
            }
            (None, None) | (Some(_), Some(_)) => {
                let message = "name the table by `associated_table_id` or by `table`, not by both";
                Err(Mistake::new("associated_table_id", message))
            }
        }
    }
}

impl VectorIndexPatch {
    pub(super) fn check(&self, before: &VectorIndex) -> Result<Wanted, RegistryError> {
        let mut mistakes = Vec::new();
        let name = self.name.as_deref().unwrap_or(&before.name);
        let name = keep(name.parse(), "name", &mut mistakes);
        let known = Metric::parse(&before.metric);
        let known = known.ok_or_else(|| RegistryError::internal("a metric that is none"))?;
        let metric = metric(self.metric.as_deref(), known);
        let metric = metric.map_err(|mistake| mistakes.push(mistake)).ok();
        match (name, metric) {
            (Some(name), Some(metric)) => Ok(Wanted { name, metric }),
            _ => Err(mistakes.into()),
        }
    }
}

/// Where an index is to be.
struct Place<'a> {
    table: &'a StoredTable,
    column: Uuid,
    dimension: u16,
}

fn metric(asked: Option<&str>, otherwise: Metric) -> Result<Metric, Mistake> {
    let Some(word) = asked else {
        return Ok(otherwise);
    };
    let message = || format!("{word:?} is no metric; write cosine, l2 or inner_product");
    Metric::parse(word).ok_or_else(|| Mistake::new("metric", message()))
}
