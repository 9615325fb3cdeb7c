//! The host's evaluator against Postgres: the same rows, the same condition, the same answer.
//!
//! Rows and conditions are random, from values that databases and hosts are known to differ on:
//! NULL, NaN, the infinities, minus zero, text outside ASCII. Each condition is asked as it is and
//! negated, so that "false" and "unknown" are told apart.
//!
//! `inside` asks of rows of another table, `upserts` of rows that may be there already, `commands` of
//! every command, and of Postgres' own row security too.

mod commands;
mod commands_cases;
mod conditions;
mod inside;
mod text;
mod upserts;
mod values;

use std::collections::BTreeSet;

use koyalite_host_api::db::NodeLimits;
use koyalite_host_api::tables::{Filter as Query, InsertQuery, SelectQuery, insert, select};
use koyalite_policy::{
    Command, Filter, Identity, Permit, Row, Timestamp, Value, decide, evaluate, parse_filter,
};
use proptest::prelude::*;
use serde_json::{Map, Value as Json};

use self::conditions::Condition;
use self::values::{COLUMNS, RowValues};
use crate::support::{Server, TestDatabase, TestProject, filter, policy, random};

/// Conditions that are tried at least: each on a handful of rows, plain and negated. About ten
/// seconds. `PROPTEST_CASES` asks for more.
const CASES: u32 = 400;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn the_host_and_postgres_agree_on_every_row() {
    let runtime = runtime();
    let (db, demo) = runtime.block_on(async {
        let limits = NodeLimits {
            project_connections: 1,
            ..NodeLimits::default()
        };
        let db = TestDatabase::with_limits(Server::shared(), limits).await;
        let open = policy("samples", &Command::ALL, "true");
        let demo = db.project(&[("samples", COLUMNS)], vec![open]).await;
        (db, demo)
    });
    let cases = (
        prop::collection::vec(values::row(), 1..6),
        conditions::condition(),
    );
    let agreed = random::Run::at_least(CASES).find(&cases, |(rows, condition)| {
        runtime.block_on(check(&db, &demo, &rows, &condition))
    });
    agreed.unwrap_or_else(|disagreement| panic!("{disagreement}"));
}

async fn check(
    db: &TestDatabase,
    demo: &TestProject,
    rows: &[RowValues],
    condition: &Condition,
) -> Result<(), TestCaseError> {
    write(db, demo, rows).await;
    let table = "samples".parse().unwrap();
    let now = Timestamp::from(std::time::SystemTime::now());
    let anyone = &Identity::Anonymous;
    let permit = decide(&demo.project.schema, anyone, Command::Select, &table, now).unwrap();
    for asked in [
        condition.clone(),
        Condition::Not(Box::new(condition.clone())),
    ] {
        let query = asked.render();
        let host = by_host(&query, &permit, rows)?;
        let postgres = by_postgres(&query, demo).await?;
        prop_assert_eq!(&host, &postgres, "{} with {:?}", query.text, query.params);
    }
    Ok(())
}

/// The rows' numbers that pass, by the evaluator.
fn by_host(
    query: &Query,
    permit: &Permit,
    rows: &[RowValues],
) -> Result<BTreeSet<usize>, TestCaseError> {
    let refused = |error| TestCaseError::fail(format!("{}: {error}", query.text));
    let parsed = parse_filter(&query.text, &query.params, permit).map_err(refused)?;
    let passes = |row: &RowValues| match &parsed {
        Filter::All => true,
        Filter::Nothing => false,
        Filter::When(expr) => evaluate(expr, &row.by_column()) == Some(true),
    };
    let numbered = rows.iter().enumerate().filter(|(_, row)| passes(row));
    Ok(numbered.map(|(number, _)| number).collect())
}

/// The rows' numbers that pass, by Postgres.
async fn by_postgres(query: &Query, demo: &TestProject) -> Result<BTreeSet<usize>, TestCaseError> {
    let query = SelectQuery {
        table: "samples".into(),
        columns: vec!["id".into()],
        filter: filter(&query.text, query.params.clone()),
        ..SelectQuery::default()
    };
    let answer = select(&demo.project, &Identity::Anonymous, query).await;
    let answer = answer.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    let answer: Vec<Map<String, Json>> = serde_json::from_str(&answer).unwrap();
    Ok(answer
        .iter()
        .map(|row| row["id"].as_u64().unwrap() as usize)
        .collect())
}

async fn write(db: &TestDatabase, demo: &TestProject, rows: &[RowValues]) {
    let clear = format!("DELETE FROM {}.samples", demo.access.schema);
    db.admin.batch_execute(&clear).await.unwrap();
    let json = |(number, row): (usize, &RowValues)| {
        let mut object: Map<String, Json> = row
            .by_column()
            .iter()
            .map(|(column, value)| (column.to_string(), value.to_json()))
            .collect();
        object.insert("id".to_owned(), number.into());
        Json::Object(object)
    };
    let rows: Vec<_> = rows.iter().enumerate().map(json).collect();
    let query = InsertQuery {
        table: "samples".into(),
        rows: serde_json::to_string(&rows).unwrap(),
        ..InsertQuery::default()
    };
    insert(&demo.project, &Identity::Anonymous, query)
        .await
        .unwrap();
}

impl RowValues {
    fn by_column(&self) -> Row {
        let named = self
            .0
            .iter()
            .map(|(column, value)| (column.parse().unwrap(), value.clone()));
        named.collect::<std::collections::BTreeMap<_, Value>>()
    }
}
