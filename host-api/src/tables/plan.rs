//! From an operation to its statement, or to its answer where no statement is needed.

use std::time::SystemTime;

use koyalite_policy::{Command, Expr, Identity, Permit, TableName, Timestamp};

use super::check::{self, Checked, Mentions, PageOrder, Rows, Surroundings};
use super::permit;
use super::query::{CountQuery, InsertQuery, Operation, Outcome, Page, SelectQuery, UpsertQuery};
use crate::db::rows::Read;
use crate::db::run::Statement;
use crate::db::sql;
use crate::error::HostError;
use crate::invocation::Project;
use crate::limits::EXPLAINED_ROWS;

/// What an operation comes to.
#[derive(Debug)]
pub(super) enum Plan {
    /// It is clear without asking.
    Known(Outcome),
    /// Postgres has to be asked.
    Ask {
        statement: Statement,
        answer: Answer,
    },
}

/// What is made of what was read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Rows,
    Count,
}

impl Answer {
    /// How many rows were answered, or counted.
    pub(super) fn seen(self, read: &Read) -> u64 {
        match self {
            Answer::Rows => read.count.into(),
            Answer::Count => counted(read).unwrap_or_default(),
        }
    }

    pub(super) fn outcome(self, read: Read) -> Result<Outcome, HostError> {
        Ok(match self {
            Answer::Rows => Outcome::Rows(read.rows),
            Answer::Count => Outcome::Count(counted(&read)?),
        })
    }
}

/// The number that a statement answers in place of rows.
pub(super) fn counted(read: &Read) -> Result<u64, HostError> {
    let count = read.hidden.first().map_or("", String::as_str);
    // Above 2^53 it is in quotes, as every such number is.
    count.trim_matches('"').parse().map_err(HostError::internal)
}

/// Decides, checks and writes the statement.
pub(super) fn plan(
    project: &Project,
    identity: &Identity,
    operation: &Operation,
) -> Result<Plan, HostError> {
    let planning = Planning::new(project, identity);
    let around = planning.0;
    match operation {
        Operation::Select(query) => planning.ask(
            (Command::Select, &query.table),
            |mentions| check::select(mentions, around, query),
            sql::select,
        ),
        Operation::Count(query) => planning.count(query),
        Operation::Aggregate(query) => planning.ask(
            (Command::Select, &query.table),
            |mentions| check::aggregate(mentions, query),
            |permit, schema, request| sql::aggregate(permit, schema, &request),
        ),
        Operation::Insert(query) => planning.insert(query),
        Operation::Upsert(query) => planning.upsert(query),
        Operation::Update(query) => planning.ask(
            (Command::Update, &query.table),
            |mentions| check::update(mentions, query),
            sql::update,
        ),
        Operation::Delete(query) => planning.ask(
            (Command::Delete, &query.table),
            |mentions| check::delete(mentions, query),
            |permit, schema, request| sql::delete(permit, schema, &request),
        ),
    }
}

/// The keys of the first rows that a count, an update or a delete reaches, as far as policies and its
/// own filter say; a select of its own. For whoever explains it: the caller may not read them all.
pub(super) fn plan_reach(
    project: &Project,
    identity: &Identity,
    operation: &Operation,
) -> Result<Plan, HostError> {
    let planning = Planning::new(project, identity);
    match operation {
        Operation::Count(query) => planning.ask(
            (Command::Select, &query.table),
            |mentions| {
                Ok(match mentions.filter(&query.filter)? {
                    Rows::None => Checked::Nothing,
                    Rows::Where(filter) => Checked::Ask(filter),
                })
            },
            keys,
        ),
        Operation::Update(query) => planning.ask(
            (Command::Update, &query.table),
            |mentions| Ok(check::update(mentions, query)?.map(|update| update.filter)),
            keys,
        ),
        Operation::Delete(query) => planning.ask(
            (Command::Delete, &query.table),
            |mentions| Ok(check::delete(mentions, query)?.map(|delete| delete.filter)),
            keys,
        ),
        Operation::Select(_)
        | Operation::Aggregate(_)
        | Operation::Insert(_)
        | Operation::Upsert(_) => Ok(Plan::Known(Outcome::Rows("[]".to_owned()))),
    }
}

fn keys(permit: &Permit, schema: &str, filter: Option<Expr>) -> Statement {
    let columns = permit.table().columns.iter();
    let columns: Vec<_> = columns.filter(|column| column.primary_key).collect();
    let outputs = columns.iter().map(|column| sql::Output {
        column: column.name.clone(),
        ty: column.ty,
        name: sql::AnswerName::from(&column.name),
    });
    let order = columns.iter().map(|column| sql::Key {
        column: column.name.clone(),
        direction: sql::Direction::Ascending,
        nulls: sql::Direction::Ascending.nulls(),
    });
    let select = sql::Select {
        columns: outputs.collect(),
        filter,
        order: order.collect(),
        limit: u32::try_from(EXPLAINED_ROWS).unwrap_or(u32::MAX),
        embeds: Vec::new(),
        page: None,
    };
    sql::select(permit, schema, select)
}

/// A page: its statement, if it needs one, and what becomes of what it reads.
pub(super) fn plan_page(
    project: &Project,
    identity: &Identity,
    query: &SelectQuery,
    after: Option<&str>,
) -> Result<(Option<Statement>, PageOrder), HostError> {
    let planning = Planning::new(project, identity);
    let permit = planning.permit(Command::Select, &query.table)?;
    let mut mentions = planning.mentions(&permit);
    let (checked, order) = check::page(&mut mentions, planning.0, query, after)?;
    let permit = mentions.narrowed()?;
    let plan = planning.rows(checked, |schema, request| {
        sql::select(&permit, schema, request)
    });
    Ok(match plan {
        Plan::Known(_) => (None, order),
        Plan::Ask { statement, .. } => (Some(statement), order),
    })
}

/// The page that was read.
pub(super) fn page(read: Read, order: &PageOrder) -> Result<Page, HostError> {
    let next = match read.more {
        true => Some(order.cursor(&read.hidden)?),
        false => None,
    };
    Ok(Page {
        rows: read.rows,
        next,
    })
}

pub(super) struct Planning<'a>(Surroundings<'a>);

impl<'a> Planning<'a> {
    pub(super) fn new(project: &'a Project, identity: &'a Identity) -> Planning<'a> {
        Planning(Surroundings {
            project,
            identity,
            now: Timestamp::from(SystemTime::now()),
        })
    }

    pub(super) fn mentions<'p>(&self, permit: &'p Permit) -> Mentions<'p>
    where
        'a: 'p,
    {
        self.0.mentions(permit)
    }

    pub(super) fn permit(&self, command: Command, table: &str) -> Result<Permit, HostError> {
        // A text that can be no table's name names no table.
        let name: TableName = table.parse().map_err(|_| HostError::unknown_table(table))?;
        permit(
            self.0.project,
            self.0.identity,
            (command, &name),
            self.0.now,
        )
    }

    /// An operation on one table under one permit: decide, check what it mentions, narrow the permit
    /// to that, write.
    fn ask<T>(
        &self,
        (command, table): (Command, &str),
        check: impl FnOnce(&mut Mentions<'_>) -> Result<Checked<T>, HostError>,
        write: impl FnOnce(&Permit, &str, T) -> Statement,
    ) -> Result<Plan, HostError> {
        let permit = self.permit(command, table)?;
        let mut mentions = self.mentions(&permit);
        let checked = check(&mut mentions)?;
        let permit = mentions.narrowed()?;
        Ok(self.rows(checked, |schema, request| write(&permit, schema, request)))
    }

    fn rows<T>(&self, checked: Checked<T>, write: impl FnOnce(&str, T) -> Statement) -> Plan {
        match checked {
            Checked::Nothing => self.known(Outcome::Rows("[]".to_owned())),
            Checked::Ask(request) => Plan::Ask {
                statement: write(self.0.project.database.schema(), request),
                answer: Answer::Rows,
            },
        }
    }

    fn insert(&self, query: &InsertQuery) -> Result<Plan, HostError> {
        let permit = self.permit(Command::Insert, &query.table)?;
        let mut mentions = self.mentions(&permit);
        let checked = check::insert(&mut mentions, query)?;
        let permit = mentions.narrowed()?;
        // Refused whether or not there is a row to write.
        let visible = check::visible(&permit, &query.returning)?;
        Ok(self.rows(checked, |schema, request| {
            sql::insert(&permit, &visible, schema, request)
        }))
    }

    fn count(&self, query: &CountQuery) -> Result<Plan, HostError> {
        let permit = self.permit(Command::Select, &query.table)?;
        let mut mentions = self.mentions(&permit);
        let rows = mentions.filter(&query.filter)?;
        let permit = mentions.narrowed()?;
        Ok(match rows {
            Rows::None => self.known(Outcome::Count(0)),
            Rows::Where(filter) => Plan::Ask {
                statement: sql::count(&permit, self.0.project.database.schema(), filter.as_ref()),
                answer: Answer::Count,
            },
        })
    }

    fn upsert(&self, query: &UpsertQuery) -> Result<Plan, HostError> {
        let insert = self.permit(Command::Insert, &query.table)?;
        let update = self.permit(Command::Update, &query.table)?;
        let (mut inserting, mut updating) = (self.mentions(&insert), self.mentions(&update));
        let checked = check::upsert(&mut inserting, &mut updating, query)?;
        let (insert, update) = (inserting.narrowed()?, updating.narrowed()?);
        // To look for a row by its key is to read, whether or not a column is returned.
        let visible = check::readable_rows(&insert)?;
        let permits = sql::Permits {
            insert: &insert,
            update: &update,
            visible: &visible,
        };
        Ok(self.rows(checked, |schema, request| {
            sql::upsert(permits, schema, request)
        }))
    }

    fn known(&self, outcome: Outcome) -> Plan {
        self.0.project.database.count_decided_without_database();
        Plan::Known(outcome)
    }
}
