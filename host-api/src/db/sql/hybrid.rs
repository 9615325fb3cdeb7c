//! Rows that are near and rows that have the words, in one order: each of the two lists gives a row more the
//! further up it stands there (reciprocal rank fusion).
//!
//! Both lists are made of the rows that the permit's conditions and the filter let through, in one statement, so
//! of one view of the table. Words are looked for as Postgres does it, in its own languages.

use koyalite_policy::{ColumnName, ColumnType, Permit, SqlWriter, Value, quote_ident};

use super::super::bind::Bind;
use super::super::rows::Reading;
use super::super::run::Statement;
use super::near::{Near, read};
use super::{Binds, ROW, column_of, condition, outputs, table};
use crate::limits::{HYBRID_CANDIDATES, HYBRID_ROWS};
use crate::vectors::Language;

/// How much less the first place of a list is worth than it would be alone: so that it takes good places in both
/// to be first. As in the paper that has measured it, and in every engine since.
const SMOOTHING: u32 = 60;

/// What words are looked for, and where.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    pub(crate) text: String,
    /// Columns of text, each of which may be read.
    pub(crate) columns: Vec<ColumnName>,
    pub(crate) language: Language,
}

/// Where the list of near rows comes from.
pub(crate) enum Nearest {
    /// The database compares.
    Here,
    /// The host has compared: places, the nearest first. In the view that had them there.
    At(Vec<String>),
}

/// How many rows count, as far as that decides anything: one hidden value.
pub(crate) fn counted(permit: &Permit, near: &Near) -> Statement {
    let mut writer = SqlWriter::new().in_schema(&near.place.schema);
    let condition = counting(&mut writer, permit, near);
    let text = format!(
        "SELECT count(*) FROM (SELECT FROM {} WHERE {condition} LIMIT {}) counted",
        table(permit, &near.place.schema, ROW),
        HYBRID_ROWS + 1,
    );
    let reading = Reading {
        hidden: 1,
        ..Reading::default()
    };
    read(text, Binds::after(writer).0, reading)
}

/// The rows that stand best in both lists.
pub(crate) fn hybrid(permit: &Permit, near: &Near, words: &Words, nearest: Nearest) -> Statement {
    let mut writer = SqlWriter::new().in_schema(&near.place.schema);
    let condition = counting(&mut writer, permit, near);
    let mut binds = Binds::after(writer);
    let rows = table(permit, &near.place.schema, ROW);
    let keys = keys(permit);
    let by_distance = match nearest {
        Nearest::Here => {
            let distance = near.distance_from(&mut binds);
            let column = column_of(ROW, &near.column);
            format!(
                "SELECT place, row_number() OVER () AS n FROM (
                     SELECT {ROW}.ctid AS place FROM {rows} WHERE {condition} AND {column} IS NOT NULL
                     ORDER BY {distance} + 0::double precision{keys} LIMIT {HYBRID_CANDIDATES}) nearest"
            )
        }
        Nearest::At(places) => {
            let places = binds.push_list(Bind::Typed {
                value: Value::List(places.into_iter().map(Value::Text).collect()),
                ty: ColumnType::Text,
            });
            format!(
                "SELECT place, n FROM unnest({places}::tid[]) WITH ORDINALITY AS near(place, n)"
            )
        }
    };
    let query = binds.push(Bind::Typed {
        value: Value::Text(words.text.clone()),
        ty: ColumnType::Text,
    });
    let language = words.language.as_str();
    let query = format!("websearch_to_tsquery('pg_catalog.{language}', {query})");
    let said = words.said();
    let by_words = format!(
        "SELECT place, row_number() OVER () AS n FROM (
             SELECT {ROW}.ctid AS place FROM {rows} WHERE {condition} AND {said} @@ {query}
             ORDER BY ts_rank_cd({said}, {query}) DESC{keys} LIMIT {HYBRID_CANDIDATES}) said"
    );
    let mut items = outputs(&near.columns, ROW);
    items.push(format!(
        "best.score AS {}",
        quote_ident(near.distance.as_str())
    ));
    let text = format!(
        "WITH near AS MATERIALIZED ({by_distance}), said AS MATERIALIZED ({by_words}),
              best AS MATERIALIZED (
                  SELECT place, sum(1::double precision / ({SMOOTHING} + n)) AS score
                  FROM (SELECT place, n FROM near UNION ALL SELECT place, n FROM said) listed
                  GROUP BY place)
         SELECT {} FROM best JOIN {rows} ON {ROW}.ctid = best.place WHERE {condition}
         ORDER BY best.score DESC{keys} LIMIT {}",
        items.join(", "),
        near.limit,
    );
    read(text, binds.0, Reading::default())
}

impl Words {
    /// The words of a row.
    fn said(&self) -> String {
        let columns = self.columns.iter();
        let texts: Vec<_> = columns
            .map(|column| format!("coalesce({}, '')", column_of(ROW, column)))
            .collect();
        let language = self.language.as_str();
        format!(
            "to_tsvector('pg_catalog.{language}', {})",
            texts.join(" || ' ' || ")
        )
    }
}

/// The primary key behind another key of an order: rows that stand equal come in its order.
fn keys(permit: &Permit) -> String {
    let key = permit.table().columns.iter();
    let key = key.filter(|column| column.primary_key);
    key.map(|column| format!(", {}", column_of(ROW, &column.name)))
        .collect()
}

/// Which rows count: those of the policies and the filter, with a vector or without.
fn counting(writer: &mut SqlWriter, permit: &Permit, near: &Near) -> String {
    let using = permit.using();
    #[cfg(test)]
    let using = super::leak::residual(super::leak::Leak::Words, using);
    let condition = condition(writer, ROW, [using], near.filter.as_ref());
    condition.unwrap_or_else(|| "true".to_owned())
}
