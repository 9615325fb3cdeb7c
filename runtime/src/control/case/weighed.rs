//! What becomes of a case: the verdict of the rules that requests are weighed by, and how each policy
//! came to it. What a row of another table would decide stays `unknown`.

use std::collections::{BTreeMap, BTreeSet};

use koyalite_policy::{
    ColumnName, Command, Coverage, Denied, Permit, PolicyView, Preset, Question, Residual, Row,
    Schema, SqlWriter, SubqueryView, Timestamp, Value, decide, evaluate, evaluate_change, explain,
};
use serde::Serialize;
use serde_json::Value as Json;

use super::Asked;

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::control) enum Verdict {
    /// It may be done.
    Allowed,
    /// It may not.
    Denied,
    /// The row decides, and none was given.
    Depends,
    /// Rows of other tables decide.
    Unknown,
}

/// The answer.
#[derive(Serialize)]
pub(in crate::control) struct Weighed {
    pub(in crate::control) verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::control) reason: Option<Reason>,
    /// What is left for Postgres, over the row `t` and, in the check of an update, `old`.
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<Sql>,
    /// What the host would write by itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    presets: BTreeMap<ColumnName, Json>,
    /// Each policy that was asked, and what it says.
    policies: Vec<PolicyView>,
    /// How the tables that policies read are read themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subqueries: Vec<SubqueryView>,
}

/// Why not.
#[derive(Serialize)]
pub(in crate::control) struct Reason {
    pub(in crate::control) code: &'static str,
    pub(in crate::control) message: String,
}

#[derive(Serialize)]
struct Sql {
    #[serde(skip_serializing_if = "Option::is_none")]
    using: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<String>,
    binds: Vec<Json>,
}

/// Puts the case to the policies, and notes which of their tests it showed.
pub(in crate::control) fn weigh(
    schema: &Schema,
    asked: &Asked,
    now: Timestamp,
    coverage: &mut Coverage,
) -> Weighed {
    let (read, written) = &asked.columns;
    let decided = decide(schema, &asked.identity, asked.command, &asked.table, now);
    let (old, row) = asked.rows(decided.as_ref().ok(), now);
    let question = Question {
        identity: &asked.identity,
        command: asked.command,
        table: &asked.table,
        now,
        row: row.as_ref(),
        old: old.as_ref(),
        columns: asked.columns.clone(),
    };
    coverage.see(schema, &question);
    let explanation = explain(schema, &question);
    let mut weighed = match decided {
        Err(refused) => denied(Reason::of(&refused)),
        Ok(permit) => match column_refused(&permit, read, written) {
            Some(reason) => denied(reason),
            None => match permit.for_columns(read, written) {
                Err(refused) => denied(Reason::of(&refused)),
                Ok(permit) => permitted(&permit, &question),
            },
        },
    };
    weighed.policies = explanation.policies;
    weighed.subqueries = explanation.subqueries;
    weighed
}

impl Asked {
    /// The row before an update, and the row that is decided about, as the host would write it.
    fn rows(&self, permit: Option<&Permit>, now: Timestamp) -> (Option<Row>, Option<Row>) {
        let fill = |row: Row| match permit {
            Some(permit) => filled(permit, row, now),
            None => row,
        };
        match (self.command, &self.row) {
            (_, None) => (None, None),
            (Command::Select | Command::Delete, Some(row)) => (None, Some(row.clone())),
            (Command::Insert, Some(row)) => (None, Some(fill(row.clone()))),
            (Command::Update, Some(row)) => {
                let mut new = row.clone();
                new.extend(self.set.clone());
                (Some(row.clone()), Some(fill(new)))
            }
        }
    }
}

fn permitted(permit: &Permit, question: &Question<'_>) -> Weighed {
    let verdict = on_row(permit, question);
    let fails = || Reason {
        code: "row_denied",
        message: "the row does not meet what is left of the policies for this caller".to_owned(),
    };
    Weighed {
        verdict,
        reason: (verdict == Verdict::Denied).then(fails),
        sql: Some(sql(permit)),
        presets: presets(permit),
        policies: Vec::new(),
        subqueries: Vec::new(),
    }
}

impl Reason {
    fn of(denied: &Denied) -> Reason {
        Reason {
            code: denied.code(),
            message: denied.message(),
        }
    }
}

fn denied(reason: Reason) -> Weighed {
    Weighed {
        verdict: Verdict::Denied,
        reason: Some(reason),
        sql: None,
        presets: BTreeMap::new(),
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

fn on_row(permit: &Permit, question: &Question<'_>) -> Verdict {
    let Some(row) = question.row else {
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
    match (permit.command(), question.old) {
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

fn judged(
    residual: &Residual,
    evaluate: impl FnOnce(&koyalite_policy::Expr) -> Option<bool>,
) -> Verdict {
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

/// The row with what the host writes by itself.
fn filled(permit: &Permit, mut row: Row, now: Timestamp) -> Row {
    for (column, preset) in permit.presets() {
        let value = match preset {
            Preset::Value(value, _) => value.clone(),
            Preset::Now => Value::Timestamptz(now.to_string()),
        };
        row.insert(column.clone(), value);
    }
    row
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

fn sql(permit: &Permit) -> Sql {
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
    Sql {
        using,
        check,
        binds: binds.collect(),
    }
}
