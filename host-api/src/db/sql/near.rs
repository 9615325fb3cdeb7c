//! The nearest rows: by the database, with its graph or without, or in two steps around the host.
//!
//! All of them carry the permit's conditions. The graph's order is the only one that the planner may take
//! from an index, so a `+ 0` in the exact one keeps it out.

use koyalite_policy::{ColumnName, ColumnType, Expr, Permit, SqlWriter, Value, quote_ident};

use super::super::bind::Bind;
use super::super::rows::Reading;
use super::super::run::{Effect, Plan, Statement};
use super::{AnswerName, Binds, Output, ROW, column_of, condition, outputs, table};
use crate::limits::{EXACT_ROWS, SCANNED_VECTORS};
use crate::vectors::Metric;

/// A checked search: every column exists and may be read.
#[derive(Debug, Clone)]
pub(crate) struct Near {
    pub(crate) columns: Vec<Output>,
    pub(crate) filter: Option<Expr>,
    /// The column of vectors.
    pub(crate) column: ColumnName,
    /// What rows are to be near to.
    pub(crate) vector: Bind,
    pub(crate) dimension: u16,
    pub(crate) metric: Metric,
    pub(crate) limit: u32,
    /// The key of each row's distance.
    pub(crate) distance: AnswerName,
    pub(crate) place: NearIn,
}

/// Where a search takes place.
#[derive(Debug, Clone)]
pub(crate) struct NearIn {
    /// The schema of the project.
    pub(crate) schema: String,
    /// That of pgvector, where the database has it.
    pub(crate) extension: Option<String>,
}

/// What a graph is told before it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effort {
    /// How many candidates are kept: the more, the surer and the slower.
    pub(crate) ef: u32,
}

/// As many rows as the graph may look at for one search, before all of them are compared instead.
const GRAPH_TUPLES: u32 = 100_000;

/// Memory of one walk through the graph, in the server's `work_mem`.
const GRAPH_MEMORY: u32 = 4;

/// In which order rows are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// By comparing all of them.
    Compared,
    /// As the graph has them.
    Graph,
}

/// The rows that count, each compared by the database.
pub(crate) fn exact(permit: &Permit, near: &Near) -> Statement {
    by_distance(permit, near, Order::Compared)
}

/// The rows that the graph finds. For a transaction that [`effort`] has begun.
pub(crate) fn graph(permit: &Permit, near: &Near) -> Statement {
    by_distance(permit, near, Order::Graph)
}

fn by_distance(permit: &Permit, near: &Near, order: Order) -> Statement {
    let mut writer = SqlWriter::new().in_schema(&near.place.schema);
    let condition = counting(&mut writer, permit, near);
    let mut binds = Binds::after(writer);
    let distance = near.distance_from(&mut binds);
    let mut items = outputs(&near.columns, ROW);
    items.push(format!(
        "{distance} AS {}",
        quote_ident(near.distance.as_str())
    ));
    let order = match order {
        Order::Graph => distance,
        Order::Compared => {
            let mut keys = vec![format!("{distance} + 0::double precision")];
            let key = permit.table().columns.iter();
            let key = key.filter(|column| column.primary_key);
            keys.extend(key.map(|column| column_of(ROW, &column.name)));
            keys.join(", ")
        }
    };
    let text = format!(
        "SELECT {} FROM {} WHERE {condition} ORDER BY {order} LIMIT {}",
        items.join(", "),
        table(permit, &near.place.schema, ROW),
        near.limit,
    );
    read(text, binds.0, Reading::default())
}

impl Near {
    /// How far a row is, as pgvector works it out.
    pub(super) fn distance_from(&self, binds: &mut Binds) -> String {
        let schema = quote_ident(self.place.extension.as_deref().unwrap_or_default());
        let ty = format!("{schema}.vector({})", self.dimension);
        let vector = binds.push_list(self.vector.clone());
        format!(
            "({}::{ty} OPERATOR({schema}.{}) {vector}::{ty})",
            column_of(ROW, &self.column),
            self.metric.operator(),
        )
    }
}

/// How many rows count, as far as that decides anything, and about how many the table has: two hidden
/// values of one row.
pub(crate) fn reach(permit: &Permit, near: &Near) -> Statement {
    let mut writer = SqlWriter::new().in_schema(&near.place.schema);
    let condition = counting(&mut writer, permit, near);
    let mut binds = Binds::after(writer);
    let name = format!(
        "{}.{}",
        quote_ident(&near.place.schema),
        quote_ident(permit.table().name.as_str())
    );
    let relation = binds.push(Bind::Typed {
        value: Value::Text(name),
        ty: ColumnType::Text,
    });
    let text = format!(
        "WITH size AS MATERIALIZED (
             SELECT greatest(reltuples, 0)::bigint AS rows FROM pg_catalog.pg_class
             WHERE oid = {relation}::regclass)
         SELECT (SELECT count(*) FROM (SELECT FROM {} WHERE {condition} LIMIT (
                    SELECT greatest({EXACT_ROWS}, least({SCANNED_VECTORS}, rows / 5)) + 1 FROM size
                )) counted),
                (SELECT rows FROM size)",
        table(permit, &near.place.schema, ROW),
    );
    let reading = Reading {
        hidden: 2,
        ..Reading::default()
    };
    read(text, binds.0, reading)
}

/// Tells the graph how hard to look, for this transaction alone.
pub(crate) fn effort(effort: Effort) -> Statement {
    // Without sorting, only the graph answers in order; the planner is left no other way.
    let settings = [
        ("plan_cache_mode", "force_custom_plan".to_owned()),
        ("enable_sort", "off".to_owned()),
        ("hnsw.iterative_scan", "strict_order".to_owned()),
        ("hnsw.ef_search", effort.ef.to_string()),
        ("hnsw.max_scan_tuples", GRAPH_TUPLES.to_string()),
        ("hnsw.scan_mem_multiplier", GRAPH_MEMORY.to_string()),
    ];
    let calls = settings.map(|(name, value)| format!("set_config('{name}', '{value}', true)"));
    let reading = Reading {
        hidden: calls.len(),
        ..Reading::default()
    };
    read(format!("SELECT {}", calls.join(", ")), Vec::new(), reading)
}

/// Place, vector and key of every row that counts, for the host to compare.
pub(crate) fn candidates(permit: &Permit, near: &Near) -> Statement {
    let mut writer = SqlWriter::new().in_schema(&near.place.schema);
    let condition = counting(&mut writer, permit, near);
    let mut items = vec![
        format!("{ROW}.ctid::text"),
        format!("{}::real[]", column_of(ROW, &near.column)),
    ];
    let key = permit.table().columns.iter();
    let key = key.filter(|column| column.primary_key);
    items.extend(key.map(|column| column_of(ROW, &column.name)));
    let text = format!(
        "SELECT {} FROM {} WHERE {condition} LIMIT {}",
        items.join(", "),
        table(permit, &near.place.schema, ROW),
        SCANNED_VECTORS + 1,
    );
    read(text, Binds::after(writer).0, Reading::default())
}

/// The rows at these places, in their order, with these distances. In the view that had them there.
pub(crate) fn at(permit: &Permit, near: &Near, found: Vec<(String, f64)>) -> Statement {
    let mut writer = SqlWriter::new().in_schema(&near.place.schema);
    let condition = counting(&mut writer, permit, near);
    let mut binds = Binds::after(writer);
    let (places, distances): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let places = binds.push_list(Bind::Typed {
        value: Value::List(places.into_iter().map(Value::Text).collect()),
        ty: ColumnType::Text,
    });
    let distances = binds.push_list(Bind::Typed {
        value: Value::List(distances.into_iter().map(Value::Float).collect()),
        ty: ColumnType::Double,
    });
    let mut items = outputs(&near.columns, ROW);
    let distance = quote_ident(near.distance.as_str());
    items.push(format!("found.away AS {distance}"));
    let text = format!(
        "SELECT {} FROM unnest({places}::tid[], {distances}) WITH ORDINALITY AS found(place, away, n)
         JOIN {} ON {ROW}.ctid = found.place WHERE {condition} ORDER BY found.n",
        items.join(", "),
        table(permit, &near.place.schema, ROW),
    );
    read(text, binds.0, Reading::default())
}

/// Which rows count: those of the policies and the filter that have a vector.
fn counting(writer: &mut SqlWriter, permit: &Permit, near: &Near) -> String {
    let column = column_of(ROW, &near.column);
    let using = permit.using();
    #[cfg(test)]
    let using = super::leak::residual(super::leak::Leak::Near, using);
    match condition(writer, ROW, [using], near.filter.as_ref()) {
        Some(condition) => format!("{condition} AND {column} IS NOT NULL"),
        None => format!("{column} IS NOT NULL"),
    }
}

pub(super) fn read(text: String, binds: Vec<Bind>, reading: Reading) -> Statement {
    Statement {
        text,
        binds,
        // Planned for its own values: a plan for a caller who sees everything is a bad one for who
        // sees little.
        plan: Plan::Once,
        effect: Effect::Reads,
        reading,
    }
}
