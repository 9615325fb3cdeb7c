//! Column masks, presets and old rows, as statements carry them.

use std::collections::BTreeMap;

use koyalite_host_api::error::HostError;
use koyalite_host_api::tables::{
    AggregateQuery, CountQuery, EmbedQuery, InsertQuery, Measure, OrderKey, SelectQuery, Summary,
    UpdateQuery, UpsertQuery, aggregate, count, insert, select, select_page, update, upsert,
};
use koyalite_policy::{ColumnName, Command, Identity, PolicySource};
use serde_json::{Value as Json, json};

use crate::support::{Owner, TestDatabase, TestProject, filter, policy, rows};

const PEOPLE: &[&str] = &[
    "id bigint primary key",
    "owner_id uuid not null",
    "name text not null",
    "salary bigint",
    "seen timestamptz",
];
const CARS: &[&str] = &[
    "id bigint primary key",
    "person_id bigint references people(id)",
    "plate text",
];

fn names(columns: &[&str]) -> Option<Vec<ColumnName>> {
    Some(columns.iter().map(|name| name.parse().unwrap()).collect())
}

fn masked(commands: &[Command], using: &str, read: &[&str], write: &[&str]) -> PolicySource {
    PolicySource {
        read: (!read.is_empty()).then(|| names(read)).flatten(),
        write: (!write.is_empty()).then(|| names(write)).flatten(),
        ..policy("people", commands, using)
    }
}

/// Everybody's name and all of one's own; one's own name may be changed.
fn usual() -> Vec<PolicySource> {
    vec![
        masked(&[Command::Select], "true", &["id", "name"], &[]),
        masked(&[Command::Select], "owner_id = auth.uid()", &[], &[]),
        masked(&[Command::Insert], "owner_id = auth.uid()", &[], &[]),
        masked(&[Command::Update], "owner_id = auth.uid()", &[], &["name"]),
        policy("cars", &[Command::Select], "true"),
    ]
}

async fn people(db: &TestDatabase, policies: Vec<PolicySource>, owners: &[&Owner]) -> TestProject {
    let demo = db
        .project(&[("people", PEOPLE), ("cars", CARS)], policies)
        .await;
    for (id, owner) in (1..).zip(owners) {
        let row = format!(
            "INSERT INTO {0}.people VALUES ({id}, '{1}', 'p{id}', {id}000, NULL);
             INSERT INTO {0}.cars VALUES ({id}, {id}, 'x{id}')",
            demo.access.schema, owner.id
        );
        db.admin.batch_execute(&row).await.unwrap();
    }
    demo
}

fn of(columns: &[&str], condition: &str) -> SelectQuery {
    SelectQuery {
        table: "people".into(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        filter: filter(condition, vec![]),
        order: vec![OrderKey::ascending("id")],
        ..SelectQuery::default()
    }
}

async fn ask(demo: &TestProject, who: &Identity, query: SelectQuery) -> Json {
    rows(select(&demo.project, who, query).await)
}

fn code<T: std::fmt::Debug>(answer: Result<T, HostError>) -> &'static str {
    answer.unwrap_err().code()
}

#[tokio::test]
async fn rows_are_answered_as_far_as_one_policy_covers_row_and_columns() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = people(&db, usual(), &[&ann, &bob]).await;
    let all = json!([{"name": "p1"}, {"name": "p2"}]);
    assert_eq!(ask(&demo, &ann.identity, of(&["name"], "")).await, all);
    let mine = json!([{"name": "p1", "salary": 1000}]);
    assert_eq!(
        ask(&demo, &ann.identity, of(&["name", "salary"], "")).await,
        mine
    );
    // A column that is only filtered, sorted or computed on is mentioned as well.
    let filtered = of(&["name"], "salary > 0 or salary is null");
    assert_eq!(
        ask(&demo, &ann.identity, filtered).await,
        json!([{"name": "p1"}])
    );
    let sorted = SelectQuery {
        order: vec![OrderKey::descending("salary")],
        ..of(&["name"], "")
    };
    assert_eq!(
        ask(&demo, &ann.identity, sorted.clone()).await,
        json!([{"name": "p1"}])
    );
    let page = select_page(&demo.project, &ann.identity, &sorted, None)
        .await
        .unwrap();
    assert_eq!(page.rows, r#"[{"name":"p1"}]"#);
    let query = CountQuery {
        table: "people".into(),
        filter: filter("salary > 0", vec![]),
    };
    assert_eq!(count(&demo.project, &ann.identity, query).await.unwrap(), 1);
    let query = AggregateQuery {
        table: "people".into(),
        measures: vec![Measure {
            summary: Summary::Sum,
            column: Some("salary".into()),
            name: "total".into(),
        }],
        ..AggregateQuery::default()
    };
    let total = aggregate(&demo.project, &ann.identity, query)
        .await
        .unwrap();
    assert_eq!(total, r#"[{"total":1000}]"#);
}

#[tokio::test]
async fn every_column_means_those_that_some_policy_shows() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = people(&db, usual(), &[&ann, &bob]).await;
    let anonymous = ask(&demo, &Identity::Anonymous, of(&[], "")).await;
    assert_eq!(
        anonymous,
        json!([{"id": 1, "name": "p1"}, {"id": 2, "name": "p2"}])
    );
    let mine = ask(&demo, &ann.identity, of(&[], "")).await;
    assert_eq!(mine.as_array().unwrap().len(), 1);
    for query in [
        of(&["salary"], ""),
        of(&["salary as name"], ""),
        of(&["name"], "salary > 5"),
        of(&["name"], "not (name = 'x' and (salary = 1 or true))"),
        of(&["name"], "name in ('a', 'b') or coalesce(salary, 1) = 1"),
        SelectQuery {
            order: vec![OrderKey::ascending("salary")],
            ..of(&["name"], "")
        },
    ] {
        let answer = select(&demo.project, &Identity::Anonymous, query.clone()).await;
        // To a filter, what may not be mentioned is not there.
        let expected = match query.filter.text.as_str() {
            "" => "column_not_readable",
            _ => "unknown_column",
        };
        assert_eq!(code(answer), expected, "{query:?}");
    }
}

#[tokio::test]
async fn an_embed_mentions_the_columns_that_it_links_by() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let mut policies = usual();
    policies[0].read = names(&["name"]);
    let demo = people(&db, policies, &[&ann, &bob]).await;
    let cars = |columns: &[&str]| EmbedQuery {
        table: "people".into(),
        name: Some("owner".into()),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        ..EmbedQuery::default()
    };
    let query = |embed| SelectQuery {
        table: "cars".into(),
        embeds: vec![embed],
        ..of(&["plate"], "")
    };
    // Linked by `id`, which only one's own policy shows.
    let answer = ask(&demo, &ann.identity, query(cars(&["name"]))).await;
    let expected =
        json!([{"plate": "x1", "owner": {"name": "p1"}}, {"plate": "x2", "owner": null}]);
    assert_eq!(answer, expected);
    let answer = select(&demo.project, &Identity::Anonymous, query(cars(&["name"]))).await;
    assert_eq!(code(answer), "column_not_readable");
}

#[tokio::test]
async fn only_columns_of_the_mask_are_written() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = people(&db, usual(), &[&ann, &bob]).await;
    let change = async |changes: &str, returning: &[&str]| {
        let query = UpdateQuery {
            table: "people".into(),
            changes: changes.to_owned(),
            returning: returning.iter().map(|name| (*name).to_owned()).collect(),
            ..UpdateQuery::default()
        };
        update(&demo.project, &ann.identity, query).await
    };
    assert_eq!(
        code(change(r#"{"salary": 9}"#, &[]).await),
        "column_not_writable"
    );
    assert_eq!(
        code(change(r#"{"name": "n", "owner_id": null}"#, &[]).await),
        "column_not_writable"
    );
    let answer = rows(change(r#"{"name": "n"}"#, &["id", "salary"]).await);
    assert_eq!(answer, json!([{"id": 1, "salary": 1000}]));
}

#[tokio::test]
async fn the_host_fills_preset_columns_and_nobody_else_does() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let set = |pairs: &[(&str, &str)]| -> BTreeMap<ColumnName, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.parse().unwrap(), (*value).to_owned()))
            .collect()
    };
    let mut adding = policy("people", &[Command::Insert], "owner_id = auth.uid()");
    adding.set = set(&[("owner_id", "auth.uid()"), ("salary", "7")]);
    let mut changing = policy("people", &[Command::Update], "owner_id = auth.uid()");
    changing.set = set(&[("seen", "now()")]);
    let reading = policy("people", &[Command::Select], "true");
    let demo = people(&db, vec![adding, changing, reading], &[&bob]).await;
    let add = async |rows: Json| {
        let query = InsertQuery {
            table: "people".into(),
            rows: rows.to_string(),
            returning: vec!["owner_id".into(), "salary".into(), "seen".into()],
        };
        insert(&demo.project, &ann.identity, query).await
    };
    let answer = rows(add(json!([{"id": 8, "name": "a"}, {"id": 9, "name": "b"}])).await);
    let row = json!({"owner_id": ann.id, "salary": 7, "seen": null});
    assert_eq!(answer, json!([row, row]));
    let forged = json!([{"id": 10, "name": "c", "owner_id": bob.id}]);
    assert_eq!(code(add(forged).await), "column_not_writable");

    let query = UpsertQuery {
        table: "people".into(),
        rows: json!([{"id": 8, "name": "aa"}, {"id": 11, "name": "d"}]).to_string(),
        returning: vec!["id".into(), "name".into(), "seen".into()],
        ..UpsertQuery::default()
    };
    let answer = rows(upsert(&demo.project, &ann.identity, query).await);
    assert_eq!(
        (&answer[0]["name"], answer[0]["seen"].is_null()),
        (&json!("aa"), false)
    );
    assert_eq!(
        (&answer[1]["name"], answer[1]["seen"].is_null()),
        (&json!("d"), true)
    );
    let query = UpdateQuery {
        table: "people".into(),
        changes: r#"{"name": "e"}"#.into(),
        filter: filter("id = 9", vec![]),
        returning: vec!["seen".into()],
        ..UpdateQuery::default()
    };
    let answer = rows(update(&demo.project, &ann.identity, query.clone()).await);
    assert!(answer[0]["seen"].is_string(), "{answer}");
    let forged = UpdateQuery {
        changes: r#"{"seen": null}"#.into(),
        ..query
    };
    let answer = update(&demo.project, &ann.identity, forged).await;
    assert_eq!(code(answer), "column_not_writable");
}

#[tokio::test]
async fn a_check_may_compare_with_the_row_as_it_was() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let mut raise = policy("people", &[Command::Update], "owner_id = auth.uid()");
    raise.check = Some("salary >= old.salary and id = old.id".into());
    let read = policy(
        "people",
        &[Command::Select, Command::Insert],
        "owner_id = auth.uid()",
    );
    let demo = people(&db, vec![raise, read], &[&ann, &ann]).await;
    let change = async |changes: &str, max_affected: Option<u32>| {
        let query = UpdateQuery {
            table: "people".into(),
            changes: changes.to_owned(),
            max_affected,
            returning: vec!["salary".into()],
            ..UpdateQuery::default()
        };
        update(&demo.project, &ann.identity, query).await
    };
    assert_eq!(
        code(change(r#"{"salary": 1500}"#, None).await),
        "check_failed",
        "p2 has 2000"
    );
    assert_eq!(
        code(change(r#"{"salary": null}"#, None).await),
        "check_failed"
    );
    assert_eq!(
        code(change(r#"{"salary": 3000}"#, Some(1)).await),
        "max_affected"
    );
    let answer = rows(change(r#"{"salary": 3000}"#, Some(2)).await);
    assert_eq!(answer, json!([{"salary": 3000}, {"salary": 3000}]));
    for (salary, passes) in [(1, false), (4000, true)] {
        let query = UpsertQuery {
            table: "people".into(),
            rows: json!([{"id": 1, "owner_id": ann.id, "name": "x", "salary": salary}]).to_string(),
            ..UpsertQuery::default()
        };
        let answer = upsert(&demo.project, &ann.identity, query).await;
        assert_eq!(answer.is_ok(), passes, "{answer:?}");
    }
}

#[tokio::test]
async fn the_old_row_is_the_one_that_is_changed_even_under_a_race() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let mut raise = policy("people", &[Command::Update], "true");
    raise.check = Some("salary >= old.salary".into());
    let read = policy("people", &[Command::Select], "true");
    let demo = people(&db, vec![raise, read], &[&ann]).await;
    let raw = db.tenant(&demo).await;
    raw.batch_execute("BEGIN; UPDATE people SET salary = 5000")
        .await
        .unwrap();
    let query = UpdateQuery {
        table: "people".into(),
        changes: r#"{"salary": 3000}"#.into(),
        ..UpdateQuery::default()
    };
    let waiting = update(&demo.project, &ann.identity, query);
    let commit = async {
        db.until_somebody_waits().await;
        raw.batch_execute("COMMIT").await.unwrap();
    };
    let (answer, ()) = tokio::join!(waiting, commit);
    assert_eq!(
        code(answer),
        "check_failed",
        "3000 is more than before, and less than now"
    );
}

#[tokio::test]
async fn a_key_that_the_host_fills_in_tells_rows_apart() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let mut own = policy("profiles", &Command::ALL, "owner_id = auth.uid()");
    own.set = BTreeMap::from([("owner_id".parse().unwrap(), "auth.uid()".to_owned())]);
    let columns = &["owner_id uuid primary key", "motto text"];
    let demo = db.project(&[("profiles", columns)], vec![own]).await;
    for (owner, motto) in [(&ann, "a"), (&bob, "b"), (&ann, "c")] {
        let query = UpsertQuery {
            table: "profiles".into(),
            rows: json!([{ "motto": motto }]).to_string(),
            returning: vec!["motto".into()],
            ..UpsertQuery::default()
        };
        let answer = rows(upsert(&demo.project, &owner.identity, query).await);
        assert_eq!(answer, json!([{ "motto": motto }]));
    }
    assert_eq!(db.count(&demo, "profiles").await, 2);
}
