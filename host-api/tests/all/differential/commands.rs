//! Random tables, rows, policies and callers: each command by three back ends. What the host's
//! evaluator makes of the rows, what the statement with the policies in it leaves behind, and what row
//! security leaves behind where the host itself lets everything through.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use koyalite_host_api::db::Mirror;
use koyalite_host_api::tables::{
    DeleteQuery, InsertQuery, Operation, OrderKey, Outcome, SelectQuery, UpdateQuery, UpsertQuery,
    run,
};
use koyalite_policy::{
    Command, Identity, Permit, Residual, Row, Schema, TableName, Timestamp, decide, evaluate,
    evaluate_change, native,
};
use proptest::prelude::*;
use serde_json::{Map, Value as Json};

use super::commands_cases::{Case, Deed, TABLE, case};
use crate::support::{TestDatabase, TestProject, filter, policy, random};

/// Commands that are tried at least. `PROPTEST_CASES` asks for more.
const CASES: u32 = 600;

/// A row as JSON: its columns by name.
type Stored = Map<String, Json>;

/// The same table twice.
struct Walls {
    db: TestDatabase,
    /// Under the host's policies alone.
    host: TestProject,
    /// Under row security alone.
    native: TestProject,
    made: u32,
}

/// So many tables that were dropped again make the catalogue slow to read: thirty thousand cases took longer
/// than half an hour, and more each.
const VACUUM_EVERY: u32 = 500;

/// How often each was tried that the test is about.
#[derive(Debug, Default)]
struct Seen {
    /// By row security as well.
    mirrored: Cell<u32>,
    /// A write that was not allowed.
    refused: Cell<u32>,
    /// A write that changed something.
    changed: Cell<u32>,
    /// Some rows were reached and others were not.
    some: Cell<u32>,
}

#[test]
fn each_command_does_the_same_by_the_evaluator_by_sql_and_by_row_security() {
    let runtime = super::runtime();
    let walls = RefCell::new(runtime.block_on(Walls::new()));
    let seen = Seen::default();
    let agreed = random::Run::at_least(CASES).find(&case(), |case| {
        runtime.block_on(walls.borrow_mut().check(&case, &seen))
    });
    agreed.unwrap_or_else(|disagreement| panic!("{disagreement}"));
    let seldom = |cell: &Cell<u32>, share: u32| cell.get() < CASES / share;
    assert!(!seldom(&seen.mirrored, 3), "mostly not mirrored: {seen:?}");
    let interesting = [&seen.refused, &seen.changed, &seen.some];
    let rare = interesting.iter().any(|cell| seldom(cell, 100));
    assert!(!rare, "the interesting cases are too rare: {seen:?}");
}

impl Walls {
    async fn new() -> Walls {
        let db = TestDatabase::new().await;
        let host = db.project(&[], Vec::new()).await;
        let native = db.project(&[], Vec::new()).await;
        Walls {
            db,
            host,
            native,
            made: 0,
        }
    }

    async fn check(&mut self, case: &Case, seen: &Seen) -> Result<(), TestCaseError> {
        let schema = Schema::build(vec![case.shape()], case.policies.clone());
        let schema = schema.map_err(|refused| TestCaseError::fail(format!("{refused:?}")))?;
        let expected = by_evaluator(&schema, case);
        count(seen, case, &expected);
        self.make(case, &schema).await;
        let answer = self.ask(&self.host, case).await;
        let found = self.left(&self.host, case, &answer).await;
        let (ended, told) = (answer.is_ok(), format!("{answer:?}"));
        prop_assert_eq!(ended, expected.is_some(), "{:?}: {}", case, told);
        let expected = expected.unwrap_or_else(|| case.unchanged());
        prop_assert_eq!(&found, &expected, "{:?}: {}", case, told);
        let judge = Judge {
            schema: &schema,
            case,
        };
        if self.native.project.mirror == Mirror::Off || !judge.has_every_right() {
            return Ok(());
        }
        seen.mirrored.set(seen.mirrored.get() + 1);
        let answer = self.ask(&self.native, case).await;
        let found = self.left(&self.native, case, &answer).await;
        // Where nothing can be done it says so or does nothing: only the host knows it beforehand.
        prop_assert_eq!(&found, &expected, "row security, {:?}: {:?}", case, answer);
        Ok(())
    }

    /// Both tables anew, with the rows of the case.
    async fn make(&mut self, case: &Case, schema: &Schema) {
        let table: TableName = TABLE.parse().unwrap();
        let mut text = String::new();
        for project in [&self.host, &self.native] {
            text.push_str(&case.create(&project.access));
        }
        let mirrored = native::statements(schema, &table, &self.native.access.schema);
        self.native.project.mirror = match &mirrored {
            Ok(_) => Mirror::On,
            Err(_) => Mirror::Off,
        };
        for statement in mirrored.unwrap_or_default() {
            text.push_str(&statement);
            text.push(';');
        }
        self.db.admin.batch_execute(&text).await.unwrap();
        self.made += 1;
        if self.made.is_multiple_of(VACUUM_EVERY) {
            self.db.admin.batch_execute("VACUUM").await.unwrap();
        }
        self.host.project.schema = Arc::new(schema.clone());
        let open = policy(TABLE, &Command::ALL, "true");
        let open = Schema::build(vec![case.shape()], vec![open]).unwrap();
        self.native.project.schema = Arc::new(open);
    }

    async fn ask(&self, project: &TestProject, case: &Case) -> Result<String, String> {
        let operation = operation(case);
        let answer = run(&project.project, &case.caller, &operation).await;
        match answer {
            Ok(Outcome::Rows(rows)) => Ok(rows),
            Ok(Outcome::Count(count)) => panic!("nobody asked for a number: {count}"),
            Err(error) => Err(error.code().to_owned()),
        }
    }

    /// What a select answered; of a write, the table as it is now.
    async fn left(
        &self,
        project: &TestProject,
        case: &Case,
        answer: &Result<String, String>,
    ) -> Vec<Stored> {
        if let Deed::Select = case.deed {
            let none = || "[]".to_owned();
            let rows = answer.clone().unwrap_or_else(|_| none());
            return serde_json::from_str(&rows).unwrap();
        }
        let schema = &project.access.schema;
        let query =
            format!("SELECT row_to_json(whole)::text FROM {schema}.{TABLE} whole ORDER BY id");
        let rows = self.db.admin.query(&query, &[]).await.unwrap();
        let rows = rows.iter().map(|row| row.get::<_, String>(0));
        rows.map(|row| serde_json::from_str(&row).unwrap())
            .collect()
    }
}

fn count(seen: &Seen, case: &Case, expected: &Option<Vec<Stored>>) {
    let more = |cell: &Cell<u32>| cell.set(cell.get() + 1);
    match (expected, &case.deed) {
        (None, Deed::Select) => {}
        (None, _) => more(&seen.refused),
        (Some(rows), Deed::Select | Deed::Delete) => {
            if !rows.is_empty() && rows.len() < case.rows.len() {
                more(&seen.some);
            }
        }
        (Some(rows), _) if *rows != case.unchanged() => more(&seen.changed),
        (Some(_), _) => {}
    }
}

fn operation(case: &Case) -> Operation {
    let table = TABLE.to_owned();
    // Row security asks for a select policy where a statement reads.
    let every = || filter("id >= 0", Vec::new());
    let written = |rows: &[Stored]| serde_json::to_string(rows).unwrap();
    match &case.deed {
        Deed::Select => Operation::Select(SelectQuery {
            table,
            order: vec![OrderKey::ascending("id")],
            ..SelectQuery::default()
        }),
        Deed::Insert(rows) => Operation::Insert(InsertQuery {
            table,
            rows: written(rows),
            ..InsertQuery::default()
        }),
        Deed::Upsert(rows) => Operation::Upsert(UpsertQuery {
            table,
            rows: written(rows),
            conflict: Vec::new(),
            returning: Vec::new(),
        }),
        Deed::Update(changes) => Operation::Update(UpdateQuery {
            table,
            filter: every(),
            changes: serde_json::to_string(changes).unwrap(),
            ..UpdateQuery::default()
        }),
        Deed::Delete => Operation::Delete(DeleteQuery {
            table,
            filter: every(),
            ..DeleteQuery::default()
        }),
    }
}

/// What is there afterwards, or was answered; none where it is refused.
fn by_evaluator(schema: &Schema, case: &Case) -> Option<Vec<Stored>> {
    let judge = Judge { schema, case };
    let mut rows = match &case.deed {
        Deed::Select => {
            let permit = judge.permit(Command::Select)?;
            judge.split(permit.using()).0
        }
        Deed::Delete => {
            let permit = judge.permit(Command::Delete)?;
            judge.split(permit.using()).1
        }
        Deed::Insert(rows) => judge.inserted(rows)?,
        Deed::Update(changes) => judge.updated(changes)?,
        Deed::Upsert(rows) => judge.upserted(rows)?,
    };
    rows.sort_by_key(|row| row["id"].as_i64());
    Some(rows)
}

struct Judge<'a> {
    schema: &'a Schema,
    case: &'a Case,
}

impl Judge<'_> {
    fn permit(&self, command: Command) -> Option<Permit> {
        let now = Timestamp::from(std::time::SystemTime::now());
        let table = TABLE.parse().unwrap();
        let caller: &Identity = &self.case.caller;
        decide(self.schema, caller, command, &table, now).ok()
    }

    /// An upsert needs all that it might use; row security asks for what it has used.
    fn has_every_right(&self) -> bool {
        let rights = [Command::Insert, Command::Update];
        let upserts = matches!(self.case.deed, Deed::Upsert(_));
        !upserts || rights.iter().all(|right| self.permit(*right).is_some())
    }

    fn row(&self, stored: &Stored) -> Row {
        self.case.row(stored)
    }

    fn passes(&self, residual: &Residual, stored: &Stored) -> bool {
        match residual {
            Residual::True => true,
            Residual::When(expr) => evaluate(expr, &self.row(stored)) == Some(true),
        }
    }

    fn change_passes(&self, residual: &Residual, old: &Stored, new: &Stored) -> bool {
        match residual {
            Residual::True => true,
            Residual::When(expr) => {
                evaluate_change(expr, &self.row(old), &self.row(new)) == Some(true)
            }
        }
    }

    /// The rows that pass, and the others.
    fn split(&self, residual: &Residual) -> (Vec<Stored>, Vec<Stored>) {
        let rows = self.case.rows.iter().cloned();
        rows.partition(|row| self.passes(residual, row))
    }

    fn inserted(&self, new: &[Stored]) -> Option<Vec<Stored>> {
        let permit = self.permit(Command::Insert)?;
        let all_pass = new.iter().all(|row| self.passes(permit.check(), row));
        let rows: Vec<_> = self.case.rows.iter().chain(new).cloned().collect();
        (all_pass && have_keys_of_their_own(&rows)).then_some(rows)
    }

    fn updated(&self, changes: &Stored) -> Option<Vec<Stored>> {
        let permit = self.permit(Command::Update)?;
        let (reached, mut rows) = self.split(permit.using());
        for old in reached {
            let mut new = old.clone();
            new.extend(changes.clone());
            if !self.change_passes(permit.check(), &old, &new) {
                return None;
            }
            rows.push(new);
        }
        Some(rows)
    }

    /// Every proposed row is one that might be inserted and read; a stored one changes as by an update.
    fn upserted(&self, proposed: &[Stored]) -> Option<Vec<Stored>> {
        let (insert, update) = (self.permit(Command::Insert)?, self.permit(Command::Update)?);
        let visible = insert.returning().ok()?;
        let mut rows = self.case.rows.clone();
        for new in proposed {
            if !self.passes(insert.check(), new) || !self.passes(visible, new) {
                return None;
            }
            let place = rows.iter().position(|row| row["id"] == new["id"]);
            match place.and_then(|place| rows.get_mut(place)) {
                None => rows.push(new.clone()),
                Some(old) => {
                    let may = self.passes(update.using(), old)
                        && self.change_passes(update.check(), old, new);
                    if !may {
                        return None;
                    }
                    *old = new.clone();
                }
            }
        }
        // No row is written twice by one statement.
        have_keys_of_their_own(proposed).then_some(rows)
    }
}

fn have_keys_of_their_own(rows: &[Stored]) -> bool {
    let keys: BTreeSet<_> = rows.iter().map(|row| row["id"].as_i64()).collect();
    keys.len() == rows.len()
}
