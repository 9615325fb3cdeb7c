//! The host's condition on every row of a table beside what Postgres' own row security says.
//!
//! For verifying the one against the other, a part of the table at a time: a range of its blocks, so
//! that all parts together cost one pass.

use koyalite_policy::{Permit, Residual, SqlWriter, TableShape, quote_ident};

use super::super::bind::Bind;
use super::{Binds, column_of};

/// What is asked of each part of a table.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// `schema.table`.
    relation: String,
    /// The table's own name: the conditions of row security speak of it so.
    row: String,
    key: String,
    host: String,
    /// What row security would say; none where it is in force, and says so itself.
    native: Option<String>,
    pub(crate) binds: Vec<Bind>,
}

/// `permit` is none where the host lets no row through.
pub(crate) fn comparison(
    shape: &TableShape,
    schema: &str,
    permit: Option<&Permit>,
    native: Option<String>,
) -> Comparison {
    let row = quote_ident(shape.name.as_str());
    let mut writer = SqlWriter::new().in_schema(schema);
    let host = match permit.map(Permit::using) {
        None => "FALSE".to_owned(),
        Some(residual @ (Residual::True | Residual::When(_))) => writer.residual(residual, &row),
    };
    let key = shape.columns.iter().filter(|column| column.primary_key);
    let key = key.map(|column| {
        let name = column.name.as_str().replace('\'', "''");
        format!("'{name}', {}", column_of(&row, &column.name))
    });
    let key: Vec<_> = key.collect();
    Comparison {
        relation: format!("{}.{row}", quote_ident(schema)),
        key: match key.is_empty() {
            true => format!("jsonb_build_object('ctid', {row}.ctid::text)"),
            false => format!("jsonb_build_object({})", key.join(", ")),
        },
        row,
        host,
        native,
        binds: Binds::after(writer).0,
    }
}

impl Comparison {
    /// How many blocks the table has.
    pub(crate) fn blocks(&self) -> String {
        format!(
            "SELECT pg_relation_size('{}'::regclass) / current_setting('block_size')::bigint",
            self.relation.replace('\'', "''")
        )
    }

    /// Place and key of each row from one block up to another, whether the host lets it through, and
    /// whether row security would; that is NULL where it is in force.
    pub(crate) fn rows(&self, from: u32, until: u32) -> String {
        let native = self.native.as_deref().map(|it| format!("({it}) IS TRUE"));
        format!(
            "SELECT {row}.ctid::text, {key}::text, ({host}) IS TRUE, {native} FROM {part}",
            row = self.row,
            key = self.key,
            host = self.host,
            native = native.as_deref().unwrap_or("NULL::boolean"),
            part = self.part(from, until),
        )
    }

    /// The places of the rows that row security shows.
    pub(crate) fn shown(&self, from: u32, until: u32) -> String {
        let part = self.part(from, until);
        format!("SELECT {}.ctid::text FROM {part}", self.row)
    }

    fn part(&self, from: u32, until: u32) -> String {
        let Comparison { relation, row, .. } = self;
        format!(
            "{relation} AS {row} WHERE {row}.ctid >= '({from},0)'::tid \
             AND {row}.ctid < '({until},0)'::tid"
        )
    }
}
