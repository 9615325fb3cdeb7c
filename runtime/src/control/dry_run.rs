//! A case on live rows: the real statement, run in a transaction that is undone, and what the policies
//! say to each row that it is about.
//!
//! Of a row that is stored only the key is answered, never a value. Even so it is for those alone who
//! may change policies, and so could read every row anyway; the log says who asked.

use std::collections::BTreeSet;

use koyalite_host_api::invocation::Project;
use koyalite_host_api::limits::EXPLAINED_ROWS;
use koyalite_host_api::tables::query::Filter;
use koyalite_host_api::tables::trial::{self, JsonRow};
use koyalite_host_api::tables::{CountQuery, DeleteQuery, InsertQuery, Operation, UpdateQuery};
use koyalite_host_api::{ErrorKind, HostError};
use koyalite_policy::{
    AtomView, Clause, ColumnName, Command, Explanation, Question, Reason, Row, TableShape,
    Timestamp, Value, Verdict, explain,
};
use serde::Serialize;
use serde_json::Value as Json;

/// Which rows a case is about, where it is about live ones.
#[derive(Debug)]
pub(super) enum Live {
    /// Those that a filter finds.
    Found(String),
    /// New ones.
    New(Vec<JsonRow>),
}

/// How a decision came about and, on live rows, what would happen.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Explained {
    #[serde(flatten)]
    pub(super) explanation: Explanation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dry_run: Option<DryRun>,
}

/// What would happen.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DryRun {
    /// How many rows would be read or written.
    #[serde(skip_serializing_if = "Option::is_none")]
    affected: Option<u64>,
    /// Why nothing would.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Reason>,
    /// The statement as it was sent, values as binds.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<String>,
    /// The first rows that it is about, each with what the policies say.
    rows: Vec<Judged>,
    /// Whether there are more of them.
    more: bool,
}

/// One row.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Judged {
    /// The key of a stored row.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    key: Option<JsonRow>,
    /// The place of a new row among those that were sent, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    verdict: Verdict,
    /// Of each policy that counts, the first test that speaks against the row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing: Vec<Failing>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Failing {
    policy: String,
    command: Command,
    clause: Clause,
    #[serde(flatten)]
    atom: AtomView,
}

impl Live {
    /// The columns that new rows name.
    fn columns(&self) -> BTreeSet<ColumnName> {
        let rows: &[JsonRow] = match self {
            Live::Found(_) => &[],
            Live::New(rows) => rows,
        };
        let names = rows.iter().flat_map(|row| row.keys());
        names.filter_map(|name| name.parse().ok()).collect()
    }
}

/// Runs the case dry. `set` is what an update changes, as it was sent.
///
/// # Errors
/// A filter that does not fit the table, or a database that is away.
pub(super) async fn run(
    project: &Project,
    question: Question,
    (live, set): (Live, &JsonRow),
    now: Timestamp,
) -> Result<Explained, HostError> {
    let question = with_columns(question, &live);
    let mut explanation = explain(&project.schema, &question, now);
    let operation = operation(&question, &live, set);
    let trial = trial::attempt(project, &question.identity, &operation).await;
    let case = Case {
        project,
        question: &question,
        now,
        succeeds: trial.affected.is_ok(),
    };
    let (rows, more) = match live {
        Live::New(new) => (case.new_rows(&new).await, new.len() > EXPLAINED_ROWS),
        Live::Found(filter) => case.stored_rows(filter, &operation).await?,
    };
    let (affected, error) = match trial.affected {
        Ok(affected) => {
            explanation.verdict = Verdict::Allowed;
            (Some(affected), None)
        }
        Err(error) => {
            let reason = Reason {
                code: error.code(),
                message: error.message().to_owned(),
            };
            if error.kind() == ErrorKind::Denied {
                explanation.verdict = Verdict::Denied;
                explanation.reason = Some(reason.clone());
            }
            (None, Some(reason))
        }
    };
    let dry_run = DryRun {
        affected,
        error,
        statement: trial.statement,
        rows,
        more,
    };
    Ok(Explained {
        explanation,
        dry_run: Some(dry_run),
    })
}

fn with_columns(mut question: Question, live: &Live) -> Question {
    question.columns.1.extend(live.columns());
    question
}

fn operation(question: &Question, live: &Live, set: &JsonRow) -> Operation {
    let table = question.table.to_string();
    let filter = |text: &String| Filter {
        text: text.clone(),
        params: Vec::new(),
    };
    match (question.command, live) {
        (_, Live::New(rows)) => {
            let rows = rows.iter().cloned().map(Json::Object).collect();
            Operation::Insert(InsertQuery {
                table,
                rows: Json::Array(rows).to_string(),
                returning: Vec::new(),
            })
        }
        (Command::Update, Live::Found(text)) => Operation::Update(UpdateQuery {
            table,
            filter: filter(text),
            changes: Json::Object(set.clone()).to_string(),
            ..UpdateQuery::default()
        }),
        (Command::Delete, Live::Found(text)) => Operation::Delete(DeleteQuery {
            table,
            filter: filter(text),
            ..DeleteQuery::default()
        }),
        (Command::Select | Command::Insert, Live::Found(text)) => Operation::Count(CountQuery {
            table,
            filter: filter(text),
        }),
    }
}

struct Case<'a> {
    project: &'a Project,
    question: &'a Question,
    now: Timestamp,
    /// Whether the whole statement passed.
    succeeds: bool,
}

impl Case<'_> {
    /// New rows as the database would store them; where it would not, as they were sent.
    async fn new_rows(&self, new: &[JsonRow]) -> Vec<Judged> {
        let shown = new.get(..EXPLAINED_ROWS).unwrap_or(new);
        let (identity, table) = (&self.question.identity, &self.question.table);
        let written = trial::written(self.project, identity, table, shown).await;
        let written = written.ok().filter(|rows| rows.len() == shown.len());
        let rows = written.as_deref().unwrap_or(shown).iter().enumerate();
        rows.map(|(index, row)| Judged {
            index: Some(index),
            ..self.judged(row, Reached::Unknown)
        })
        .collect()
    }

    async fn stored_rows(
        &self,
        filter: String,
        operation: &Operation,
    ) -> Result<(Vec<Judged>, bool), HostError> {
        let table = &self.question.table;
        let filter = Filter {
            text: filter,
            params: Vec::new(),
        };
        let stored = trial::stored(self.project, table, filter).await?;
        let reached = trial::reached(self.project, &self.question.identity, operation).await?;
        let names: BTreeSet<&str> = trial::key(self.project, table).collect();
        let rows = stored.iter().take(EXPLAINED_ROWS).map(|row| {
            let mut key = row.clone();
            key.retain(|name, _| names.contains(name.as_str()));
            let found = match (names.is_empty(), reached.contains(&key)) {
                (true, _) => Reached::Unknown,
                (false, true) => Reached::Yes,
                (false, false) => Reached::No,
            };
            Judged {
                key: (!names.is_empty()).then_some(key),
                ..self.judged(row, found)
            }
        });
        Ok((rows.collect(), stored.len() > EXPLAINED_ROWS))
    }

    fn judged(&self, row: &JsonRow, reached: Reached) -> Judged {
        let schema = &self.project.schema;
        let shape = schema
            .table(&self.question.table)
            .map(|rules| rules.shape());
        let question = Question {
            row: shape.map(|shape| typed(shape, row)),
            ..self.question.clone()
        };
        let explained = explain(schema, &question, self.now);
        let verdict = self.verdict(explained.verdict, reached);
        let failing = match verdict {
            Verdict::Allowed => Vec::new(),
            Verdict::Denied | Verdict::Depends | Verdict::Unknown => failing(explained),
        };
        Judged {
            key: None,
            index: None,
            verdict,
            failing,
        }
    }

    /// What Postgres said comes first: it knows the rows of other tables too.
    fn verdict(&self, explained: Verdict, reached: Reached) -> Verdict {
        let reads = matches!(self.question.command, Command::Select | Command::Delete);
        match (reached, explained) {
            (Reached::No, _) => Verdict::Denied,
            (Reached::Yes, _) if reads || self.succeeds => Verdict::Allowed,
            (Reached::Unknown, Verdict::Unknown) if self.succeeds && !reads => Verdict::Allowed,
            (_, explained) => explained,
        }
    }
}

/// Whether the statement's own conditions on stored rows hold for a row.
#[derive(Clone, Copy)]
enum Reached {
    Yes,
    No,
    /// It is a new row, or one without a key.
    Unknown,
}

/// A row of the database in the types of its table.
fn typed(shape: &TableShape, row: &JsonRow) -> Row {
    let cells = shape.columns.iter().filter_map(|column| {
        let json = row.get(column.name.as_str())?.clone();
        let value = Value::from_json(json, column.ty).ok()?;
        Some((column.name.clone(), value))
    });
    cells.collect()
}

fn failing(explained: Explanation) -> Vec<Failing> {
    let policies = explained.policies.into_iter();
    let against = policies.filter_map(|policy| {
        Some(Failing {
            atom: policy.failing?,
            policy: policy.name,
            command: policy.command,
            clause: policy.clause,
        })
    });
    against.collect()
}
