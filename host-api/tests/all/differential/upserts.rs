//! Upserts by a key of one or several columns, under policies that compare with the old row: what the
//! host's evaluator makes of each proposed row in turn, against Postgres.

use std::cell::Cell;
use std::collections::BTreeMap;

use koyalite_host_api::tables::{UpsertQuery, upsert};
use koyalite_policy::{
    Command, Permit, PolicySource, Residual, Row, Schema, Timestamp, Value, decide, evaluate,
    evaluate_change,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::text::condition;
use crate::support::{TestDatabase, TestProject, policy, random, user};

/// Upserts that are tried at least. `PROPTEST_CASES` asks for more.
const CASES: u32 = 600;

const ANN: Uuid = Uuid::from_u128(0xA77);

const COLUMNS: &[&str] = &[
    "id bigint primary key",
    "team integer not null",
    "name text not null",
    "rank integer",
    "owner uuid",
    "note text",
    "unique (team, name)",
];
const NAMES: [&str; 6] = ["id", "team", "name", "rank", "owner", "note"];

const ATOMS: &[&str] = &[
    "true",
    "owner = auth.uid()",
    "owner is null",
    "rank > 1",
    "rank is distinct from 2",
    "note like 'a%'",
    "note is null",
    "team <> 2",
    "name <> 'b' or rank > 0",
];

const CHANGES: &[&str] = &[
    "rank >= old.rank",
    "rank = old.rank",
    "owner is not distinct from old.owner",
    "old.note is null",
    "old.note is distinct from note",
    "team = old.team and name = old.name",
    "old.rank < 3",
    "true",
];

/// A row: a number for the text columns too, so that all are made alike.
type Cells = [Option<i64>; 6];

#[derive(Debug, Clone)]
struct Case {
    stored: Vec<Cells>,
    proposed: Vec<Cells>,
    /// What is proposed beside the keys.
    given: Vec<&'static str>,
    conflict: Vec<&'static str>,
    /// Select, insert, update; the check of the update.
    policies: [String; 4],
}

fn cells() -> impl Strategy<Value = Cells> {
    let some = || option::weighted(0.8, 0..4i64);
    (1..7i64, 1..3i64, 0..3i64, some(), some(), some()).prop_map(
        |(id, team, name, rank, owner, note)| [Some(id), Some(team), Some(name), rank, owner, note],
    )
}

fn case() -> impl Strategy<Value = Case> {
    let often_true = || prop_oneof![2 => Just("true".to_owned()), 1 => condition(ATOMS)];
    let check = prop_oneof![
        1 => select(CHANGES).prop_map(str::to_owned),
        1 => condition(CHANGES),
    ];
    let policies = (often_true(), often_true(), often_true(), check);
    let conflict = select(vec![vec!["id"], vec!["team", "name"]]);
    (
        prop::collection::vec(cells(), 0..6),
        prop_oneof![2 => 1..2usize, 1 => 2..4usize]
            .prop_flat_map(|count| prop::collection::vec(cells(), count)),
        subsequence(&["rank", "owner", "note"][..], 0..=3),
        conflict,
        policies,
    )
        .prop_map(|(stored, proposed, given, conflict, policies)| Case {
            stored: apart(stored),
            proposed,
            given,
            conflict,
            policies: policies.into(),
        })
}

/// The rows that can stand in one table.
fn apart(rows: Vec<Cells>) -> Vec<Cells> {
    let mut kept: Vec<Cells> = Vec::new();
    for row in rows {
        if kept.iter().all(|other| !clash(other, &row)) {
            kept.push(row);
        }
    }
    kept
}

fn clash(a: &Cells, b: &Cells) -> bool {
    a[0] == b[0] || a[1..3] == b[1..3]
}

#[derive(Debug, Default)]
struct Seen {
    changed_by_both: Cell<u32>,
    refused: Cell<u32>,
    several: Cell<u32>,
}

#[test]
fn an_upsert_does_to_each_row_what_the_evaluator_says() {
    let runtime = super::runtime();
    let (db, demo) = runtime.block_on(async {
        let db = TestDatabase::new().await;
        let demo = db.project(&[("items", COLUMNS)], Vec::new()).await;
        (db, demo)
    });
    let demo = std::cell::RefCell::new(demo);
    let seen = Seen::default();
    let agreed = random::Run::at_least(CASES).find(&case(), |case| {
        let mut demo = demo.borrow_mut();
        let shape = {
            let rules = demo.project.schema.table(&"items".parse().unwrap());
            rules.unwrap().shape().clone()
        };
        demo.project.schema = Schema::build(vec![shape], policies(&case)).unwrap().into();
        runtime.block_on(fill(&db, &demo, &case.stored));
        let host = by_host(&demo.project.schema, &case);
        count(&seen, &case, host.as_deref());
        let answer = runtime.block_on(ask(&demo, &case));
        let stored = runtime.block_on(stored(&db, &demo));
        prop_assert_eq!(answer.is_ok(), host.is_some(), "{:?} {:?}", case, answer);
        let mut expected = host.unwrap_or_else(|| case.stored.clone());
        expected.sort_unstable();
        prop_assert_eq!(stored, expected, "{:?}", case);
        Ok(())
    });
    agreed.unwrap_or_else(|disagreement| panic!("{disagreement}"));
    let interesting = [&seen.changed_by_both, &seen.refused, &seen.several];
    let seldom = interesting.iter().any(|cell| cell.get() < CASES / 200);
    assert!(!seldom, "the interesting cases are too rare: {seen:?}");
}

fn count(seen: &Seen, case: &Case, host: Option<&[Cells]>) {
    let more = |cell: &Cell<u32>| cell.set(cell.get() + 1);
    match host {
        None => more(&seen.refused),
        Some(after) => {
            let changed = case.stored.iter().any(|row| !after.contains(row));
            if changed && case.conflict.len() > 1 {
                more(&seen.changed_by_both);
            }
            if case.proposed.len() > 1 {
                more(&seen.several);
            }
        }
    }
}

fn policies(case: &Case) -> Vec<PolicySource> {
    let [select, insert, using, check] = &case.policies;
    let mut changes = policy("items", &[Command::Update], using);
    changes.check = Some(check.clone());
    vec![
        policy("items", &[Command::Select], select),
        policy("items", &[Command::Insert], insert),
        changes,
    ]
}

/// The table afterwards, or none where a row may not be written.
fn by_host(schema: &Schema, case: &Case) -> Option<Vec<Cells>> {
    let caller = user(&ANN.to_string());
    let now = Timestamp::from(std::time::SystemTime::now());
    let permit = |command| decide(schema, &caller, command, &"items".parse().unwrap(), now).ok();
    let (insert, update) = (permit(Command::Insert)?, permit(Command::Update)?);
    let mut rows = case.stored.clone();
    let mut touched: Vec<usize> = Vec::new();
    for cells in &case.proposed {
        let proposed = case.proposal(cells);
        allowed(insert.check(), &proposed)?;
        allowed(insert.returning().ok()?, &proposed)?;
        let place = rows.iter().position(|row| case.meets(row, &proposed));
        let place = match place {
            None => {
                rows.push(proposed);
                rows.len() - 1
            }
            Some(place) => {
                *rows.get_mut(place)? = change(&update, case, &rows[place], &proposed)?;
                place
            }
        };
        // No row is written twice by one statement, and no two rows have one key.
        let written = &rows[place];
        let others = rows.iter().enumerate().filter(|(other, _)| *other != place);
        if touched.contains(&place) || others.into_iter().any(|(_, row)| clash(row, written)) {
            return None;
        }
        touched.push(place);
    }
    Some(rows)
}

/// The stored row as the proposed one changes it.
fn change(update: &Permit, case: &Case, stored: &Cells, proposed: &Cells) -> Option<Cells> {
    allowed(update.using(), stored)?;
    let mut new = *stored;
    for (place, name) in NAMES.iter().enumerate() {
        if case.gives(name) && !case.conflict.contains(name) {
            new[place] = proposed[place];
        }
    }
    let passes = match update.check() {
        Residual::True => true,
        Residual::When(expr) => evaluate_change(expr, &row(stored), &row(&new)) == Some(true),
    };
    passes.then_some(new)
}

fn allowed(residual: &Residual, cells: &Cells) -> Option<()> {
    let passes = match residual {
        Residual::True => true,
        Residual::When(expr) => evaluate(expr, &row(cells)) == Some(true),
    };
    passes.then_some(())
}

impl Case {
    fn gives(&self, name: &str) -> bool {
        ["id", "team", "name"].contains(&name) || self.given.contains(&name)
    }

    /// What is not given is NULL.
    fn proposal(&self, cells: &Cells) -> Cells {
        let mut proposal = *cells;
        for (cell, name) in proposal.iter_mut().zip(NAMES) {
            if !self.gives(name) {
                *cell = None;
            }
        }
        proposal
    }

    fn meets(&self, stored: &Cells, proposed: &Cells) -> bool {
        match self.conflict.len() {
            1 => stored[0] == proposed[0],
            _ => stored[1..3] == proposed[1..3],
        }
    }
}

const WORDS: [&str; 4] = ["a", "b", "ab", ""];

/// What a cell stands for, as a guest writes it.
fn written(name: &str, cell: Option<i64>) -> Json {
    let Some(number) = cell else {
        return Json::Null;
    };
    let index = usize::try_from(number).unwrap();
    match name {
        "name" | "note" => json!(WORDS[index]),
        "owner" if number == 0 => json!(ANN),
        "owner" => json!(Uuid::from_u128(number.unsigned_abs().into())),
        _ => json!(number),
    }
}

fn row(cells: &Cells) -> Row {
    let named = NAMES.iter().zip(cells).map(|(name, cell)| {
        let value = match (written(name, *cell), *name) {
            (Json::Null, _) => Value::Null,
            (Json::String(text), "owner") => Value::Uuid(text.parse().unwrap()),
            (Json::String(text), _) => Value::Text(text),
            (number, _) => Value::Integer(number.as_i64().unwrap()),
        };
        (name.parse().unwrap(), value)
    });
    named.collect::<BTreeMap<_, _>>()
}

async fn ask(demo: &TestProject, case: &Case) -> Result<String, String> {
    let rows = case.proposed.iter().map(|cells| {
        let given = NAMES.iter().zip(cells).filter(|(name, _)| case.gives(name));
        let object = given.map(|(name, cell)| ((*name).to_owned(), written(name, *cell)));
        Json::Object(object.collect::<Map<_, _>>())
    });
    let query = UpsertQuery {
        table: "items".into(),
        rows: Json::from_iter(rows).to_string(),
        conflict: case
            .conflict
            .iter()
            .map(|name| (*name).to_owned())
            .collect(),
        returning: vec![],
    };
    let answer = upsert(&demo.project, &user(&ANN.to_string()), query).await;
    answer.map_err(|error| error.code().to_owned())
}

async fn fill(db: &TestDatabase, demo: &TestProject, rows: &[Cells]) {
    let schema = &demo.access.schema;
    let mut text = format!("DELETE FROM {schema}.items;");
    for cells in rows {
        let cells = NAMES.iter().zip(cells);
        let cells: Vec<_> = cells
            .map(|(name, cell)| match written(name, *cell) {
                Json::Null => "NULL".to_owned(),
                Json::String(text) => format!("'{text}'"),
                number => number.to_string(),
            })
            .collect();
        let cells = cells.join(", ");
        text.push_str(&format!("INSERT INTO {schema}.items VALUES ({cells});"));
    }
    db.admin.batch_execute(&text).await.unwrap();
}

/// The table as it is, in order.
async fn stored(db: &TestDatabase, demo: &TestProject) -> Vec<Cells> {
    let query = format!(
        "SELECT row_to_json(i)::text FROM {}.items i",
        demo.access.schema
    );
    let rows = db.admin.query(&query, &[]).await.unwrap();
    let mut rows: Vec<Cells> = rows
        .iter()
        .map(|row| {
            let row: Map<String, Json> = serde_json::from_str(row.get(0)).unwrap();
            NAMES.map(|name| cell(name, &row[name]))
        })
        .collect();
    rows.sort_unstable();
    rows
}

fn cell(name: &str, value: &Json) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let all = [None, Some(0), Some(1), Some(2), Some(3)];
    let same = all.into_iter().find(|cell| written(name, *cell) == *value);
    same.unwrap_or_else(|| panic!("{name}: {value}"))
}
