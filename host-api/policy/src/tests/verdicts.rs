//! The verdict of an explanation for each command, with a row and without, and what it says besides.

use serde_json::{Value as Json, json};

use super::columns::set;
use super::decisions::{ALICE, policy, schema, service, todos, user};
use crate::*;

const NOW: Timestamp = Timestamp::from_unix_micros(0);

fn asked(command: Command) -> Question {
    Question {
        identity: user(json!({})),
        command,
        table: todos().name,
        row: None,
        set: Row::new(),
        columns: Default::default(),
    }
}

fn row(cells: Json) -> Row {
    let cells = cells.as_object().cloned().unwrap().into_iter();
    let shape = todos();
    let cell = |(name, json): (String, Json)| {
        let column = shape.column(&name).unwrap();
        let value = Value::from_json(json, column.ty).unwrap();
        (column.name.clone(), value)
    };
    cells.map(cell).collect()
}

#[test]
fn without_a_row_only_open_commands_are_allowed() {
    let open = json!({"commands": ["select"], "using": "true"});
    let check = |policy: Json, command: Command, expected: Verdict| {
        let schema = schema(&[open.clone(), policy.clone()]);
        let found = explain(&schema, &asked(command), NOW);
        assert_eq!(found.verdict, expected, "{policy} {command}");
        assert_eq!(found.reason, None);
    };
    let update =
        |using: &str, check: &str| json!({"commands": ["update"], "using": using, "check": check});
    check(update("true", "true"), Command::Update, Verdict::Allowed);
    check(update("hold", "true"), Command::Update, Verdict::Depends);
    check(update("true", "hold"), Command::Update, Verdict::Depends);
    let delete = |using: &str| json!({"commands": ["delete"], "using": using});
    check(delete("true"), Command::Delete, Verdict::Allowed);
    check(delete("hold"), Command::Delete, Verdict::Depends);
    let insert = |check: &str| json!({"commands": ["insert"], "check": check});
    check(insert("true"), Command::Insert, Verdict::Allowed);
    check(insert("hold"), Command::Insert, Verdict::Depends);
    check(insert("hold"), Command::Select, Verdict::Allowed);
}

#[test]
fn a_row_decides_by_the_conditions_of_its_command() {
    let inside = "exists (select 1 from todos x where x.id = todos.id)";
    let check = |policy: Json, question: Question, expected: Verdict| {
        let open = json!({"commands": ["select"], "using": "true"});
        let found = explain(&schema(&[open, policy.clone()]), &question, NOW);
        assert_eq!(found.verdict, expected, "{policy} {question:?}");
        let code = (expected == Verdict::Denied).then_some("row_denied");
        assert_eq!(found.reason.map(|reason| reason.code), code);
    };
    let update = |before: Json, set: Json| Question {
        row: Some(row(before)),
        set: row(set),
        ..asked(Command::Update)
    };
    let held = |check: &str| json!({"commands": ["update"], "using": "hold", "check": check});
    let (yes, no) = (json!({"hold": true}), json!({"hold": false}));
    check(
        held("not hold"),
        update(yes.clone(), no.clone()),
        Verdict::Allowed,
    );
    check(
        held("not hold"),
        update(no.clone(), no.clone()),
        Verdict::Denied,
    );
    check(
        held("not hold"),
        update(yes.clone(), yes.clone()),
        Verdict::Denied,
    );
    check(
        held(inside),
        update(yes.clone(), no.clone()),
        Verdict::Unknown,
    );
    check(
        held(inside),
        update(no.clone(), no.clone()),
        Verdict::Denied,
    );
    let one = |command: Command, cells: &Json| Question {
        row: Some(row(cells.clone())),
        ..asked(command)
    };
    let delete = json!({"commands": ["delete"], "using": "hold"});
    check(delete.clone(), one(Command::Delete, &yes), Verdict::Allowed);
    check(delete.clone(), one(Command::Delete, &no), Verdict::Denied);
    check(delete, one(Command::Delete, &json!({})), Verdict::Denied);
    let insert = json!({"commands": ["insert"], "check": "hold"});
    check(insert.clone(), one(Command::Insert, &yes), Verdict::Allowed);
    check(insert, one(Command::Insert, &no), Verdict::Denied);
}

#[test]
fn columns_that_no_policy_covers_are_refused_by_name() {
    let schema = schema(&[
        json!({"commands": ["select"], "using": "true", "read": ["id", "title"]}),
        json!({"commands": ["select"], "using": "true", "read": ["id", "status"]}),
        json!({"commands": ["update"], "using": "true", "write": ["title"]}),
    ]);
    let refused = |read: &str, written: &str| {
        let question = Question {
            columns: (set(read), set(written)),
            ..asked(Command::Update)
        };
        let found = explain(&schema, &question, NOW);
        found.reason.map(|reason| (reason.code, reason.message))
    };
    let said = |code, text: &str| Some((code, text.to_owned()));
    assert_eq!(refused("id title", "title"), None);
    assert_eq!(
        refused("id hold", "title"),
        said(
            "column_not_readable",
            "no policy lets this caller read hold"
        )
    );
    assert_eq!(
        refused("id", "status"),
        said(
            "column_not_writable",
            "no policy lets this caller write status"
        )
    );
    assert_eq!(
        refused("title status", "title").unwrap().0,
        "columns_denied"
    );
}

#[test]
fn what_the_host_writes_is_shown_and_judged() {
    let mut shape = todos();
    shape.columns[3].ty = ColumnType::Timestamptz;
    let stamped = json!({"commands": ["insert", "update"], "using": "true",
        "check": "owner_id = auth.uid() and status = '1970-01-01T00:00:00Z'",
        "set": {"owner_id": "auth.uid()", "status": "now()"}});
    let open = json!({"commands": ["select"], "using": "true"});
    let policies = vec![policy(stamped), policy(open)];
    let schema = Schema::build(vec![shape], policies).unwrap();
    for command in [Command::Insert, Command::Update] {
        let question = Question {
            row: Some(row(json!({"title": "a"}))),
            ..asked(command)
        };
        let found = explain(&schema, &question, NOW);
        assert_eq!(found.verdict, Verdict::Allowed, "{command}");
        let presets = serde_json::to_value(&found.presets).unwrap();
        assert_eq!(presets, json!({"owner_id": ALICE, "status": "now()"}));
    }
}

#[test]
fn tests_are_seen_below_a_not_and_not_where_other_tables_decide() {
    let inside = "exists (select 1 from todos x where x.id = todos.id)";
    let schema = schema(&[
        json!({"commands": ["select"], "using": "not (hold or title = 'a')"}),
        json!({"commands": ["insert"], "check": inside}),
    ]);
    let mut coverage = Coverage::of(&schema);
    let held = row(json!({"hold": true, "title": "b"}));
    let question = |command: Command| Question {
        row: Some(held.clone()),
        ..asked(command)
    };
    coverage.see(&schema, &question(Command::Select), NOW);
    coverage.see(&schema, &question(Command::Insert), NOW);
    let seen: Vec<_> = coverage
        .report()
        .into_iter()
        .map(|atom| (atom.seen_true, atom.seen_false, atom.reads_elsewhere))
        .collect();
    let expected = [
        (true, false, false),
        (false, true, false),
        (false, false, true),
    ];
    assert_eq!(seen, expected);
    let found = explain(&schema, &question(Command::Select), NOW);
    let failing = found.policies[0].failing.as_ref().unwrap();
    assert_eq!((failing.text.as_str(), failing.column), ("hold", 6));
}

/// What stands in for a check sees the row as it was, and as it is written.
#[test]
fn a_using_without_a_check_is_seen_by_both_rows() {
    let schema = schema(&[json!({"commands": ["update"], "using": "hold"})]);
    let mut coverage = Coverage::of(&schema);
    let question = Question {
        row: Some(row(json!({"hold": true}))),
        set: row(json!({"hold": false})),
        ..asked(Command::Update)
    };
    coverage.see(&schema, &question, NOW);
    let seen = coverage.report();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].seen_true && seen[0].seen_false, "{seen:?}");
}

#[test]
fn the_tables_of_subqueries_are_followed() {
    let named = |name: &str| TableShape {
        name: name.parse().unwrap(),
        ..todos()
    };
    let reads = |table: &str, command: &str, other: &str| {
        let inside = format!("exists (select 1 from {other})");
        let clause = match command {
            "insert" => "check",
            _ => "using",
        };
        policy(
            json!({"name": format!("{command} {table}"), "table": table, "commands": [command], clause: inside}),
        )
    };
    let policies = vec![
        reads("todos", "select", "first"),
        reads("todos", "delete", "aside"),
        reads("first", "select", "second"),
        reads("first", "insert", "aside"),
        policy(json!({"name": "all", "table": "second", "commands": ["select"], "using": "true"})),
    ];
    let tables = ["todos", "first", "second", "aside"].map(named).to_vec();
    let schema = Schema::build(tables, policies).unwrap();
    let question = Question {
        identity: service(&["second"]),
        ..asked(Command::Select)
    };
    let found = explain(&schema, &question, NOW);
    let found: Vec<_> = found
        .subqueries
        .iter()
        .map(|view| (view.table.as_str(), view.policies.join(", "), view.bypassed))
        .collect();
    let expected = [
        ("first", "select first".to_owned(), false),
        ("second", "all".to_owned(), true),
    ];
    assert_eq!(found, expected);
}
