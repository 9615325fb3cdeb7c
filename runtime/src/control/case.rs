//! One case put to a project's policies: who does what to which row, and what becomes of it.
//!
//! Pure: the row is the asker's own and no table is read, so nothing here tells what a project
//! holds. What a row of another table would decide stays `unknown`.

use std::collections::{BTreeMap, BTreeSet};

use koyalite_policy::{
    ColumnName, Command, Denied, FunctionName, Identity, Permit, Preset, Residual, Row, Schema,
    Service, SqlWriter, TableName, TableShape, Timestamp, User, Value, decide, evaluate,
    evaluate_change,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::http::Mistake;
use crate::keys::{Audience, token::ISSUER};

/// What is asked.
#[derive(Deserialize)]
pub(super) struct Case {
    #[serde(default)]
    identity: Who,
    command: Command,
    pub(super) table: TableName,
    /// The row that exists; for an insert, what is written.
    row: Option<Map<String, Json>>,
    /// What an update changes of it.
    #[serde(default)]
    set: Map<String, Json>,
    /// Columns that the request reads beside that.
    #[serde(default)]
    columns: BTreeSet<ColumnName>,
}

/// Who acts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Who {
    /// Nobody signed in.
    #[default]
    Anonymous,
    /// A user, as their token says.
    User {
        sub: String,
        #[serde(default)]
        claims: Map<String, Json>,
    },
    /// A function on its own.
    Service { function: FunctionName },
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
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
pub(super) struct Weighed {
    pub(super) verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<Reason>,
    /// What is left for Postgres, over the row `t` and, in the check of an update, `old`.
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<Sql>,
    /// What the host would write by itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    presets: BTreeMap<ColumnName, Json>,
}

/// Why not.
#[derive(Serialize)]
pub(super) struct Reason {
    pub(super) code: &'static str,
    pub(super) message: String,
}

#[derive(Serialize)]
struct Sql {
    #[serde(skip_serializing_if = "Option::is_none")]
    using: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<String>,
    binds: Vec<Json>,
}

/// Puts the case to the policies.
///
/// # Errors
/// Mistakes in the row: columns that the table has not, and values that do not fit them.
pub(super) fn weigh(
    schema: &Schema,
    project: Uuid,
    case: Case,
    now: Timestamp,
) -> Result<Weighed, Vec<Mistake>> {
    let Some(rules) = schema.table(&case.table) else {
        return Ok(denied(Reason::of(&Denied::UnknownTable)));
    };
    let (row, set) = rows(rules.shape(), &case)?;
    let identity = case.identity.of(project);
    let permit = match decide(schema, &identity, case.command, &case.table, now) {
        Ok(permit) => permit,
        Err(refused) => return Ok(denied(Reason::of(&refused))),
    };
    let written: BTreeSet<ColumnName> = match case.command {
        Command::Insert => row.iter().flat_map(|row| row.keys().cloned()).collect(),
        Command::Update => set.keys().cloned().collect(),
        Command::Select | Command::Delete => BTreeSet::new(),
    };
    if let Some(reason) = column_refused(&permit, &case.columns, &written) {
        return Ok(denied(reason));
    }
    let permit = match permit.for_columns(&case.columns, &written) {
        Ok(permit) => permit,
        Err(refused) => return Ok(denied(Reason::of(&refused))),
    };
    let verdict = on_row(&permit, row, set, now);
    let fails = || Reason {
        code: "row_denied",
        message: "the row does not meet what is left of the policies for this caller".to_owned(),
    };
    Ok(Weighed {
        verdict,
        reason: (verdict == Verdict::Denied).then(fails),
        sql: Some(sql(&permit)),
        presets: presets(&permit),
    })
}

impl Who {
    fn of(self, project: Uuid) -> Identity {
        match self {
            Who::Anonymous => Identity::Anonymous,
            Who::User { sub, mut claims } => {
                // As a token would have them, so that a policy reads the same.
                claims.insert("sub".to_owned(), sub.clone().into());
                claims.insert("iss".to_owned(), ISSUER.into());
                claims.insert(
                    "aud".to_owned(),
                    Audience::Project(project).to_string().into(),
                );
                Identity::User(User::new(sub, claims))
            }
            Who::Service { function } => Identity::Service(Service {
                function,
                bypass: BTreeSet::new(),
            }),
        }
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
    }
}

/// The row and the change in the column's types.
fn rows(shape: &TableShape, case: &Case) -> Result<(Option<Row>, Row), Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let row = case
        .row
        .as_ref()
        .map(|row| read(shape, "row", row, &mut mistakes));
    let set = read(shape, "set", &case.set, &mut mistakes);
    for column in &case.columns {
        if shape.column(column.as_str()).is_none() {
            mistakes.push(Mistake::at(
                "columns",
                format!("there is no column {column}"),
            ));
        }
    }
    if !case.set.is_empty() && case.command != Command::Update {
        mistakes.push(Mistake::at(
            "set",
            "only an update sets columns; an insert has `row`",
        ));
    }
    match mistakes.is_empty() {
        true => Ok((row, set)),
        false => Err(mistakes),
    }
}

fn read(
    shape: &TableShape,
    field: &str,
    given: &Map<String, Json>,
    mistakes: &mut Vec<Mistake>,
) -> Row {
    let mut row = Row::new();
    for (name, value) in given {
        let place = format!("{field}.{name}");
        let Some(column) = shape.column(name) else {
            mistakes.push(Mistake::at(place, "there is no such column"));
            continue;
        };
        match Value::from_json(value.clone(), column.ty) {
            Ok(value) => drop(row.insert(column.name.clone(), value)),
            Err(error) => mistakes.push(Mistake::at(place, error.to_string())),
        }
    }
    row
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

fn on_row(permit: &Permit, row: Option<Row>, set: Row, now: Timestamp) -> Verdict {
    let Some(row) = row else {
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
    match permit.command() {
        Command::Select | Command::Delete => judged(permit.using(), |expr| evaluate(expr, &row)),
        Command::Insert => {
            let new = filled(permit, row, now);
            judged(permit.check(), |expr| evaluate(expr, &new))
        }
        Command::Update => {
            let mut new = row.clone();
            new.extend(set);
            let new = filled(permit, new, now);
            let before = judged(permit.using(), |expr| evaluate(expr, &row));
            let after = judged(permit.check(), |expr| evaluate_change(expr, &row, &new));
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

#[cfg(test)]
mod tests;
