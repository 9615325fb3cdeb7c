//! Non-interference: what a caller may not see has no part in any answer.
//!
//! Two databases hold the same visible rows and different hidden ones. Random requests are put to
//! both and must be answered with the same bytes: rows, order, counts, pages, cursors, errors. Writes
//! run in a transaction that is then undone. The known exceptions (unique keys and references that
//! hidden rows hold) are in docs/tables.md; requests and tables here leave them out.
//!
//! That the test can see is tested as well: with a part of the policies lost it must find a difference
//! soon ([`Pair::new`]), and so it must with a compiler that loses one (`db/sql/leak.rs`, which there is
//! in the unit tests of the crate only; they take this module in).

mod data;
mod nearest;
mod requests;
pub(crate) mod rules;
mod spoken;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use koyalite_host_api::db::{DatabaseAccess, NodeLimits};
use koyalite_host_api::error::HostError;
use koyalite_host_api::tables::{Operation, Outcome, Transaction, TransactionSlot, select_page};
use koyalite_host_api::vectors::{Found, search, search_hybrid};
use koyalite_host_api::{CallBudget, GuestLog, Invocation, LogLevel, LogSink};
use proptest::prelude::*;
use serde_json::value::RawValue;
use tokio::runtime::Runtime;
use uuid::Uuid;

use self::data::{CALLER, Data, Rows, SUSPENDED_TEAM, TABLES, in_database};

use self::requests::Request;
use crate::support::{Server, TestDatabase, TestProject, random, user};

/// Pairs of answers that are compared, at least. `PROPTEST_CASES` asks for more.
pub(crate) const PAIRS: u32 = 1500;
/// Within how many pairs a leak must be found.
pub(crate) const PAIRS_TO_A_LEAK: u32 = 500;
/// Requests for each pair of databases.
pub(crate) const REQUESTS: u32 = 10;

/// How an answer begins that is an error.
const REFUSED: &str = "refused:";

/// What was compared.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) seen: Cell<u32>,
    pub(crate) refused: Cell<u32>,
    /// Answers with a row that is seen only because policies read `members` past its own.
    pub(crate) read_past: Cell<u32>,
    /// Upserts of rows whose check compares with the old row, by a key of several columns: done, and
    /// refused.
    pub(crate) composite: [Cell<u32>; 2],
}

impl Pairs {
    fn add(&self, request: &Request, answer: &str) {
        let count = |cell: &Cell<u32>| cell.set(cell.get() + 1);
        let refused = answer.contains(REFUSED);
        count(&self.seen);
        if refused {
            count(&self.refused);
        }
        if request.reads("notes") && answer.contains(&format!("\"team\":{SUSPENDED_TEAM}")) {
            count(&self.read_past);
        }
        if request.is_composite_upsert() {
            count(&self.composite[usize::from(refused)]);
        }
    }
}

struct Silence;

impl LogSink for Silence {
    fn line(&self, _: LogLevel, _: String) {}
}

/// Two projects with the same tables and policies.
pub(crate) struct Pair {
    db: TestDatabase,
    projects: [TestProject; 2],
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The first difference between the answers, if there is one in so many pairs.
pub(crate) fn hunt(
    runtime: &Runtime,
    pair: &Pair,
    run: random::Run,
    pairs: &Pairs,
) -> Result<(), String> {
    let both = (
        data::data(),
        prop::collection::vec(requests::request(), REQUESTS as usize),
    );
    run.find(&both, |(data, requests)| {
        runtime.block_on(pair.fill(&data));
        for request in &requests {
            let [one, other] =
                [0, 1].map(|place| runtime.block_on(answer(&pair.projects[place], request)));
            pairs.add(request, &one);
            prop_assert_eq!(one, other, "{:?}", request);
        }
        Ok(())
    })
}

impl Pair {
    /// `lost`: the part of the policies that is missing. Vectors are pgvector's where the server has it.
    pub(crate) async fn new(lost: Option<usize>) -> Pair {
        let limits = NodeLimits {
            project_connections: 2,
            ..NodeLimits::default()
        };
        let db = TestDatabase::with_limits(Server::shared(), limits).await;
        let pgvector = db.pgvector().await;
        let mut projects = [
            db.project(TABLES, Vec::new()).await,
            db.project(TABLES, Vec::new()).await,
        ];
        for project in &mut projects {
            project.project.schema = rules::schema(project, lost);
            project.project.vectors = Arc::new(nearest::indexes(pgvector.clone()));
            // Declared and followed, but not enforced: references are a known exception.
            let DatabaseAccess { schema, role, .. } = &project.access;
            let drop = format!(
                "GRANT USAGE ON SCHEMA public TO {role};
                 ALTER TABLE {schema}.people DROP CONSTRAINT people_boss_id_fkey;
                 ALTER TABLE {schema}.posts DROP CONSTRAINT posts_author_id_fkey;
                 ALTER TABLE {schema}.post_tags DROP CONSTRAINT post_tags_post_id_fkey;
                 ALTER TABLE {schema}.post_tags DROP CONSTRAINT post_tags_tag_id_fkey;"
            );
            db.admin.batch_execute(&drop).await.unwrap();
        }
        Pair { db, projects }
    }

    async fn fill(&self, data: &Data) {
        let mut text = String::new();
        for (database, (project, hidden)) in self.projects.iter().zip(&data.hidden).enumerate() {
            let schema = &project.access.schema;
            for (table, _) in TABLES {
                text.push_str(&format!("DELETE FROM {schema}.{table};"));
            }
            // Hidden rows stand before and after the others.
            let Rows(hidden) = hidden;
            let Rows(visible) = &data.visible;
            for (place, (table, rows)) in visible.iter().enumerate() {
                let rows: Vec<_> = rows.iter().map(|row| in_database(database, row)).collect();
                let (before, after) = hidden[place].1.split_at(hidden[place].1.len() / 2);
                for rows in [before, &rows, after] {
                    if !rows.is_empty() {
                        let rows = rows.join(", ");
                        text.push_str(&format!("INSERT INTO {schema}.{table} VALUES {rows};"));
                    }
                }
            }
        }
        self.db.admin.batch_execute(&text).await.unwrap();
    }
}

/// All that a caller gets to see of one answer.
async fn answer(demo: &TestProject, request: &Request) -> String {
    let call = Invocation {
        id: Uuid::new_v4(),
        project: Arc::new(demo.project.clone()),
        function: "hello".parse().unwrap(),
        version: 1,
        identity: user(&CALLER.to_string()),
        config: Arc::new(BTreeMap::new()),
        log: GuestLog::new(Silence),
        calls: CallBudget::default(),
        transaction: TransactionSlot::default(),
        usage: Default::default(),
    };
    match request {
        Request::One(operation) => {
            let transaction = Transaction::begin(&call).await.unwrap();
            let outcome = transaction.run(&call, operation).await;
            transaction.rollback(&call).await.unwrap();
            match outcome {
                Ok(Outcome::Rows(rows)) if is_write(operation) => sorted(&rows),
                Ok(Outcome::Rows(rows)) => rows,
                Ok(Outcome::Count(count)) => count.to_string(),
                Err(error) => shown(&error),
            }
        }
        Request::Near(query) => found(search(&demo.project, &call.identity, query).await),
        Request::Words(query) => found(search_hybrid(&demo.project, &call.identity, query).await),
        Request::Pages(query) => {
            let (mut all, mut after) = (String::new(), None);
            loop {
                let page =
                    select_page(&demo.project, &call.identity, query, after.as_deref()).await;
                match page {
                    Ok(page) => {
                        all.push_str(&page.rows);
                        all.push_str(page.next.as_deref().unwrap_or("the end"));
                        after = page.next;
                    }
                    Err(error) => all.push_str(&shown(&error)),
                }
                if after.is_none() {
                    return all;
                }
            }
        }
    }
}

fn found(found: Result<Found, HostError>) -> String {
    match found {
        Ok(found) => format!("{:?} {}", found.plan, found.rows),
        Err(error) => shown(&error),
    }
}

fn is_write(operation: &Operation) -> bool {
    match operation {
        Operation::Select(_) | Operation::Count(_) | Operation::Aggregate(_) => false,
        Operation::Insert(_)
        | Operation::Upsert(_)
        | Operation::Update(_)
        | Operation::Delete(_) => true,
    }
}

/// Written rows are answered in no particular order.
fn sorted(rows: &str) -> String {
    let rows: Vec<Box<RawValue>> = serde_json::from_str(rows).unwrap();
    let mut rows: Vec<_> = rows.iter().map(|row| row.get()).collect();
    rows.sort_unstable();
    rows.join("\n")
}

fn shown(error: &HostError) -> String {
    format!(
        "{REFUSED} {:?} {} {}",
        error.kind(),
        error.code(),
        error.message()
    )
}
