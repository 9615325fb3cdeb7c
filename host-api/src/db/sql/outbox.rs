//! Statements that write to the outbox and look at it, through functions of `koyalite_api`.
//!
//! The row to be sent stands as a relation of one row, so that the policies' condition is about its
//! columns as about a table's; where it is not true, the statement undoes itself. The functions know
//! the project by the role that calls them.

use koyalite_policy::{Permit, SqlWriter, quote_ident};
use uuid::Uuid;

use super::super::bind::Bind;
use super::super::rows::Reading;
use super::super::run::{Effect, Plan, Statement};
use super::write::is_true;
use super::{Binds, ROW, condition};

/// A function of `koyalite_api`, the row that policies look at, and what else the function is told.
pub(crate) type Call = (&'static str, Vec<(&'static str, Bind)>, Vec<Bind>);

/// `SELECT koyalite_api.emit_webhook(…) AS id` of a row that passes the permit's check.
pub(crate) fn queue(permit: &Permit, schema: &str, (function, row, more): Call) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let check = condition(&mut writer, ROW, [permit.check()], None);
    let mut binds = Binds::after(writer);
    let names: Vec<_> = row.iter().map(|(name, _)| quote_ident(name)).collect();
    let cells = row.into_iter().zip(&names);
    let cells: Vec<_> = cells
        .map(|((_, bind), name)| format!("{} AS {name}", binds.push(bind)))
        .collect();
    let of_row = names.iter().map(|name| format!("{ROW}.{name}"));
    let mut arguments: Vec<_> = of_row.collect();
    arguments.extend(more.into_iter().map(|bind| binds.push(bind)));
    let mut text = format!(
        "WITH {ROW} AS (SELECT {}) SELECT koyalite_api.{function}({}) AS id FROM {ROW}",
        cells.join(", "),
        arguments.join(", "),
    );
    if let Some(check) = check {
        text.push_str(&format!(" WHERE koyalite_api.require({})", is_true(check)));
    }
    Statement {
        text,
        binds: binds.0,
        plan: Plan::Kept,
        effect: Effect::Writes,
        reading: Reading::default(),
    }
}

/// The row of that id which a function of `koyalite_api` finds, if the permit lets it be seen.
pub(crate) fn look_up(
    permit: &Permit,
    schema: &str,
    (function, columns): (&str, &[&str]),
    id: Uuid,
) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let visible = condition(&mut writer, ROW, [permit.using()], None);
    let mut binds = Binds::after(writer);
    let id = binds.push(Bind::Typed {
        value: koyalite_policy::Value::Uuid(id),
        ty: koyalite_policy::ColumnType::Uuid,
    });
    let columns: Vec<_> = columns.iter().map(|name| format!("{ROW}.{name}")).collect();
    let mut text = format!(
        "SELECT {} FROM koyalite_api.{function}({id}) AS {ROW}",
        columns.join(", ")
    );
    super::push_where(&mut text, visible);
    Statement {
        text,
        binds: binds.0,
        plan: Plan::Kept,
        effect: Effect::Reads,
        reading: Reading::default(),
    }
}

/// What a function of `koyalite_api` answers that the caller's own rows do not depend on: the permit says
/// that there is a caller who may go on with it.
pub(crate) fn ask(
    _permit: &Permit,
    (function, columns): (&str, &[&str]),
    arguments: Vec<Bind>,
) -> Statement {
    let mut binds = Binds(Vec::new());
    let arguments: Vec<_> = arguments.into_iter().map(|bind| binds.push(bind)).collect();
    let columns: Vec<_> = columns.iter().map(|name| format!("{ROW}.{name}")).collect();
    Statement {
        text: format!(
            "SELECT {} FROM koyalite_api.{function}({}) AS {ROW}",
            columns.join(", "),
            arguments.join(", ")
        ),
        binds: binds.0,
        plan: Plan::Kept,
        effect: Effect::Reads,
        reading: Reading::default(),
    }
}
