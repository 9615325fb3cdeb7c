//! One case to be put to a project's policies: who does what to which row. What becomes of it is
//! for the policy engine to say ([`koyalite_policy::explain`]).
//!
//! Pure: the row is the asker's own and no table is read, so nothing here tells what a project
//! holds.

use std::collections::BTreeSet;
use std::fmt;

use koyalite_policy::{
    ColumnName, Command, FunctionName, Identity, Question, Row, Schema, Service, TableName,
    TableShape, User, Value,
};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use koyalite_host_api::tables::trial::JsonRow;

use super::dry_run::Live;
use crate::http::Mistake;
use crate::keys::{Audience, token::ISSUER};

/// Why a test has no live rows.
const ONE_ROW: &str = "a test reads no table; give its `row`";

/// What is asked.
#[derive(Deserialize, utoipa::ToSchema)]
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
    /// In place of `row`: which of the rows that are stored.
    filter: Option<String>,
    /// In place of `row`: several that an insert writes.
    rows: Option<Vec<Map<String, Json>>>,
}

/// Who acts.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[schema(as = CaseIdentity)]
#[serde(rename_all = "lowercase")]
pub(super) enum Who {
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

impl Case {
    /// Which live rows it is about, if it is, and what an update changes of them.
    ///
    /// # Errors
    /// Both a row and live rows, or those of another command.
    pub(super) fn live(&mut self) -> Result<Option<(Live, JsonRow)>, Vec<Mistake>> {
        let wrong = |field: &str, message: &str| Err(vec![Mistake::at(field, message)]);
        let live = match (self.filter.take(), self.rows.take()) {
            (None, None) => return Ok(None),
            (Some(_), _) if self.command == Command::Insert => {
                return wrong("filter", "an insert finds no rows; it has `rows`");
            }
            (None, Some(_)) if self.command != Command::Insert => {
                return wrong("rows", "only an insert writes rows; give a `filter`");
            }
            (Some(filter), _) => Live::Found(filter),
            (None, Some(rows)) => Live::New(rows),
        };
        if self.row.is_some() {
            return wrong("row", "the case is about live rows; leave `row` out");
        }
        Ok(Some((live, self.set.clone())))
    }

    /// As [`Case::read`], for a case that is about no live rows.
    ///
    /// # Errors
    /// As [`Case::read`], and for a case that is.
    pub(super) fn read_alone(
        mut self,
        schema: &Schema,
        project: Uuid,
    ) -> Result<Question, Vec<Mistake>> {
        match self.live()? {
            None => self.read(schema, project),
            Some((Live::Found(_), _)) => Err(vec![Mistake::at("filter", ONE_ROW)]),
            Some((Live::New(_), _)) => Err(vec![Mistake::at("rows", ONE_ROW)]),
        }
    }

    /// The question, with its rows as their table has them.
    ///
    /// # Errors
    /// Columns that the table has not, values that do not fit them, or no such table.
    pub(super) fn read(self, schema: &Schema, project: Uuid) -> Result<Question, Vec<Mistake>> {
        let Some(rules) = schema.table(&self.table) else {
            let message = format!("there is no table {}", self.table);
            return Err(vec![Mistake::at("table", message)]);
        };
        let (row, set) = rows(rules.shape(), &self)?;
        let written = match self.command {
            Command::Insert => row.iter().flat_map(|row| row.keys().cloned()).collect(),
            Command::Update => set.keys().cloned().collect(),
            Command::Select | Command::Delete => BTreeSet::new(),
        };
        Ok(Question {
            identity: self.identity.of(project),
            command: self.command,
            table: self.table,
            row,
            set,
            columns: (self.columns, written),
        })
    }
}

/// As a report names them.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Anonymous => f.write_str("anonymous"),
            Who::User { sub, .. } => write!(f, "user {sub}"),
            Who::Service { function } => write!(f, "service {function}"),
        }
    }
}

impl Who {
    /// A user without claims of their own.
    pub(super) fn plain(sub: String) -> Who {
        Who::User {
            sub,
            claims: Map::new(),
        }
    }

    pub(super) fn of(self, project: Uuid) -> Identity {
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

#[cfg(test)]
mod tests;
