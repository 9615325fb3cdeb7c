//! The verdict: what the rules that requests are weighed by make of a question.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value as Json;

use super::asked::Asked;
use super::views::{Explanation, Reason, SqlView};
use crate::decide::Denied;
use crate::eval::{evaluate, evaluate_change};
use crate::expr::Expr;
use crate::names::ColumnName;
use crate::permit::{Permit, Preset, Residual};
use crate::policy::Command;
use crate::sql::SqlWriter;

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may be done.
    Allowed,
    /// It may not.
    Denied,
    /// The row decides, and none was given.
    Depends,
    /// Rows of other tables decide.
    Unknown,
}

/// The verdict, and what led to it beside the policies one by one.
pub(super) fn of(asked: &Asked<'_>) -> Explanation {
    let permit = match &asked.decided {
        Ok(permit) => permit,
        Err(refused) => return denied(Reason::of(refused)),
    };
    let (read, written) = &asked.question.columns;
    if let Some(reason) = column_refused(permit, read, written) {
        return denied(reason);
    }
    match permit.for_columns(read, written) {
        Err(refused) => denied(Reason::of(&refused)),
        Ok(permit) => permitted(&permit, asked),
    }
}

impl Reason {
    fn of(denied: &Denied) -> Self {
        Self {
            code: denied.code(),
            message: denied.message(),
        }
    }
}

fn denied(reason: Reason) -> Explanation {
    Explanation {
        verdict: Verdict::Denied,
        reason: Some(reason),
        sql: None,
        presets: BTreeMap::new(),
        policies: Vec::new(),
        subqueries: Vec::new(),
    }
}

fn permitted(permit: &Permit, asked: &Asked<'_>) -> Explanation {
    let verdict = on_row(permit, asked);
    let fails = || Reason {
        code: "row_denied",
        message: "the row does not meet what is left of the policies for this caller".to_owned(),
    };
    Explanation {
        verdict,
        reason: (verdict == Verdict::Denied).then(fails),
        sql: Some(sql(permit)),
        presets: presets(permit),
        policies: Vec::new(),
        subqueries: Vec::new(),
    }
}

fn column_refused(
    permit: &Permit,
    read: &BTreeSet<ColumnName>,
    written: &BTreeSet<ColumnName>,
) -> Option<Reason> {
    let refused = |code, column: &ColumnName, what| Reason {
        code,
        message: format!("no policy lets this caller {what} {column}"),
    };
    let unreadable = read.iter().find(|column| !permit.readable(column));
    let unwritable = written.iter().find(|column| !permit.writable(column));
    unreadable
        .map(|column| refused("column_not_readable", column, "read"))
        .or_else(|| unwritable.map(|column| refused("column_not_writable", column, "write")))
}

fn on_row(permit: &Permit, asked: &Asked<'_>) -> Verdict {
    let Some(row) = &asked.row else {
        let parts = [permit.using(), permit.check()];
        let open = match permit.command() {
            Command::Insert => *permit.check() == Residual::True,
            Command::Update => parts.iter().all(|part| **part == Residual::True),
            Command::Select | Command::Delete => *permit.using() == Residual::True,
        };
        return if open {
            Verdict::Allowed
        } else {
            Verdict::Depends
        };
    };
    match (permit.command(), &asked.old) {
        (Command::Select | Command::Delete, _) => {
            judged(permit.using(), |expr| evaluate(expr, row))
        }
        (Command::Insert, _) | (Command::Update, None) => {
            judged(permit.check(), |expr| evaluate(expr, row))
        }
        (Command::Update, Some(old)) => {
            let before = judged(permit.using(), |expr| evaluate(expr, old));
            let after = judged(permit.check(), |expr| evaluate_change(expr, old, row));
            match (before, after) {
                (Verdict::Denied, _) | (_, Verdict::Denied) => Verdict::Denied,
                (Verdict::Allowed, Verdict::Allowed) => Verdict::Allowed,
                _ => Verdict::Unknown,
            }
        }
    }
}

fn judged(residual: &Residual, evaluate: impl FnOnce(&Expr) -> Option<bool>) -> Verdict {
    let Residual::When(expr) = residual else {
        return Verdict::Allowed;
    };
    match evaluate(expr) {
        Some(true) => Verdict::Allowed,
        // A subquery counts as NULL here, and a NULL that decides may come of one.
        None if expr.reads_tables() => Verdict::Unknown,
        Some(false) | None => Verdict::Denied,
    }
}

fn presets(permit: &Permit) -> BTreeMap<ColumnName, Json> {
    let written = |preset: &Preset| match preset {
        Preset::Value(value, _) => value.to_json(),
        Preset::Now => Json::from("now()"),
    };
    let presets = permit.presets().iter();
    presets
        .map(|(column, preset)| (column.clone(), written(preset)))
        .collect()
}

fn sql(permit: &Permit) -> SqlView {
    let mut writer = SqlWriter::new().with_old_row("old");
    let (reads, writes) = match permit.command() {
        Command::Insert => (false, true),
        Command::Update => (true, true),
        Command::Select | Command::Delete => (true, false),
    };
    let using = reads.then(|| writer.residual(permit.using(), "t"));
    let check = writes.then(|| writer.residual(permit.check(), "t"));
    let binds = writer
        .into_binds()
        .into_iter()
        .map(|(value, _)| value.to_json());
    SqlView {
        using,
        check,
        binds: binds.collect(),
    }
}
