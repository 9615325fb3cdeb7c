//! Reading rows, and counting them.

use koyalite_policy::{Expr, Permit, SqlWriter, quote_ident};

use super::super::rows::{Content, Field, Reading};
use super::super::run::{Effect, Plan, Statement};
use super::embed::{Embed, Embedding};
use super::keyset::Keyset;
#[cfg(test)]
use super::leak::{self, Leak};
use super::{Binds, Key, Output, ROW, column_of, condition, order_by, outputs, push_where, table};

/// A checked select: every column exists and may be read.
#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) columns: Vec<Output>,
    pub(crate) filter: Option<Expr>,
    pub(crate) order: Vec<Key>,
    pub(crate) limit: u32,
    pub(crate) embeds: Vec<Embed>,
    /// For a page: the same keys, with where it begins.
    pub(crate) page: Option<Keyset>,
}

pub(crate) fn select(permit: &Permit, schema: &str, request: Select) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let using = permit.using();
    #[cfg(test)]
    let using = leak::residual(Leak::Select, using);
    let mut condition = condition(&mut writer, ROW, [using], request.filter.as_ref());
    let mut items = outputs(&request.columns, ROW);
    let mut embedding = Embedding::new(&mut writer, schema);
    for embed in &request.embeds {
        let rows = embedding.rows_of(embed, ROW);
        items.push(format!("{rows} AS {}", quote_ident(embed.name.as_str())));
    }
    let mut reading = reading(&request);
    let mut limit = u64::from(request.limit);
    if let Some(page) = &request.page {
        items.extend(page.keys.iter().map(|key| column_of(ROW, &key.key.column)));
        reading.hidden = page.keys.len();
        reading.cut = Some(request.limit);
        // One more than is answered says whether another page follows.
        limit += 1;
    }
    let mut binds = Binds::after(writer);
    if let Some(after) = request
        .page
        .as_ref()
        .and_then(|page| page.after(ROW, &mut binds))
    {
        #[cfg(test)]
        condition.take_if(|_| leak::is(Leak::Page));
        condition = Some(match condition {
            Some(condition) => format!("{condition} AND {after}"),
            None => after,
        });
    }
    let mut text = format!(
        "SELECT {} FROM {}",
        items.join(", "),
        table(permit, schema, ROW)
    );
    push_where(&mut text, condition);
    text.push_str(&order_by(&request.order, ROW));
    // Not a bind: the planner must know whether one row is wanted or a thousand.
    text.push_str(&format!(" LIMIT {limit}"));
    Statement {
        text,
        binds: binds.0,
        plan: Plan::Kept,
        effect: Effect::Reads,
        reading,
    }
}

/// How the rows become JSON: by the statement's own names, unless there are rows within rows.
fn reading(request: &Select) -> Reading {
    let fields = (!request.embeds.is_empty()).then(|| {
        let columns = request.columns.iter().map(Field::value);
        let embeds = request.embeds.iter().map(Embed::field);
        columns.chain(embeds).collect()
    });
    Reading {
        fields,
        ..Reading::default()
    }
}

impl Field {
    pub(super) fn value(output: &Output) -> Field {
        Field {
            name: output.name.as_str().to_owned(),
            content: Content::Value,
        }
    }
}

/// How many rows there are. The number is not part of an answer's rows: it is read as a hidden key.
pub(crate) fn count(permit: &Permit, schema: &str, filter: Option<&Expr>) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let using = permit.using();
    #[cfg(test)]
    let using = leak::residual(Leak::Count, using);
    let condition = condition(&mut writer, ROW, [using], filter);
    let mut text = format!("SELECT count(*) FROM {}", table(permit, schema, ROW));
    push_where(&mut text, condition);
    Statement {
        text,
        binds: Binds::after(writer).0,
        plan: Plan::Kept,
        effect: Effect::Reads,
        reading: Reading {
            hidden: 1,
            ..Reading::default()
        },
    }
}
