//! Reading through a function: related rows, pages, counts and sums.

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, BOB, Project, TestApp};

/// Lists that everybody reads, with items of which everybody sees their own, and words for them.
fn shop() -> Value {
    let id = json!({ "name": "id", "type": "bigint", "primary_key": true });
    let refers = |name: &str, table: &str| json!({ "name": name, "type": "bigint", "references": { "table": table, "column": "id" } });
    let policy = |table: &str, using: &str| {
        json!({
            "name": "shop", "commands": ["select", "insert"], "using": using,
            "check": "true", "table": table,
        })
    };
    let without_table = |mut policy: Value| {
        policy.as_object_mut().unwrap().remove("table");
        json!([policy])
    };
    json!({ "tables": [
        {
            "name": "lists",
            "columns": [id, { "name": "title", "type": "text" }],
            "policies": without_table(policy("lists", "true")),
        },
        {
            "name": "words",
            "columns": [id, { "name": "word", "type": "text" }],
            "policies": without_table(policy("words", "true")),
        },
        {
            "name": "items",
            "columns": [
                id, refers("list_id", "lists"), { "name": "owner_id", "type": "uuid" },
                { "name": "price", "type": "numeric", "nullable": true },
            ],
            "policies": without_table(policy("items", "owner_id = auth.uid()")),
        },
        {
            "name": "labels",
            "columns": [id, refers("item_id", "items"), refers("word_id", "words")],
            "policies": without_table(policy("labels", "true")),
        },
    ]})
}

async fn ask(project: &Project<'_>, path: &str, token: &str, call: Value) -> Value {
    let call = project
        .call(Method::POST, &format!("/behaviours/{path}"))
        .bearer(token)
        .json(&call);
    call.send().await.of_function(200).json()
}

/// The shop with a list, three items of alice's, one of bob's, and labels on the first.
async fn filled(project: &Project<'_>) -> (String, String) {
    project.schema(&shop()).await;
    project.deploy("behaviours").await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    let item = |id: i64, owner: &str, price: Value| json!({ "id": id, "list_id": 1, "owner_id": owner, "price": price });
    let big = "12345678901234567890.10";
    for (table, rows) in [
        (
            "lists",
            json!([{ "id": 1, "title": "food" }, { "id": 2, "title": "toys" }]),
        ),
        (
            "words",
            json!([{ "id": 1, "word": "red" }, { "id": 2, "word": "blue" }]),
        ),
        (
            "items",
            json!([
                item(9_007_199_254_740_993, ALICE, json!(big)),
                item(2, ALICE, json!("0.20")),
                item(3, ALICE, Value::Null),
                item(4, BOB, json!("1000")),
            ]),
        ),
        (
            "labels",
            json!([
                { "id": 1, "item_id": 2, "word_id": 1 }, { "id": 2, "item_id": 2, "word_id": 2 },
                { "id": 3, "item_id": 4, "word_id": 2 },
            ]),
        ),
    ] {
        ask(
            project,
            "insert",
            &alice,
            json!({ "table": table, "rows": rows }),
        )
        .await;
    }
    (alice, bob)
}

#[tokio::test]
async fn related_rows_come_along_under_their_own_policies() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let (alice, bob) = filled(&project).await;
    let lists = json!({
        "table": "lists", "columns": ["title"], "order": [["id", "asc"]],
        "embeds": [{ "table": "items", "columns": ["id", "price"], "embeds": [
            { "table": "words", "columns": ["word"] },
            { "table": "lists", "name": "list", "columns": ["title as heading"] },
        ]}],
    });
    let seen = ask(&project, "select", &bob, lists.clone()).await;
    let item = json!({
        "id": 4, "price": 1000, "words": [{ "word": "blue" }], "list": { "heading": "food" },
    });
    let expected = json!([{ "title": "food", "items": [item] }, { "title": "toys", "items": [] }]);
    assert_eq!(seen, expected);
    let seen = ask(&project, "select", &alice, lists).await;
    assert_eq!(seen[0]["items"].as_array().unwrap().len(), 3, "{seen}");

    // From a word to the items that have it: bob's is not alice's to see.
    let words = json!({
        "table": "words", "columns": ["word"], "order": [["id", "asc"]],
        "embeds": [{ "table": "items", "via": "labels", "columns": ["id"] }],
    });
    let seen = ask(&project, "select", &alice, words).await;
    let expected = json!([
        { "word": "red", "items": [{ "id": 2 }] }, { "word": "blue", "items": [{ "id": 2 }] },
    ]);
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_reader_turns_the_pages_to_the_last() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let (alice, _) = filled(&project).await;
    let mut call = json!({
        "table": "items", "columns": ["id"], "order": [["price", "desc"]], "limit": 2,
    });
    let first = ask(&project, "page", &alice, call.clone()).await;
    assert_eq!(
        first["rows"],
        json!([{ "id": 3 }, { "id": "9007199254740993" }])
    );
    call["after"] = first["next"].clone();
    let second = ask(&project, "page", &alice, call.clone()).await;
    assert_eq!(second, json!({ "rows": [{ "id": 2 }], "next": null }));
    call["order"] = json!([["price", "asc"]]);
    let other = project
        .call(Method::POST, "/behaviours/page")
        .bearer(&alice);
    let refused = other.json(&call).send().await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.text().contains("invalid_cursor"),
        "{}",
        refused.text()
    );
}

#[tokio::test]
async fn counts_and_sums_know_what_the_caller_may_read_and_no_more() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let (alice, bob) = filled(&project).await;
    let items = json!({ "table": "items" });
    assert_eq!(
        ask(&project, "count-rows", &alice, items.clone()).await,
        json!(3)
    );
    assert_eq!(ask(&project, "count-rows", &bob, items).await, json!(1));
    let sums = json!({
        "table": "items", "group_by": ["list_id"],
        "measures": [["count", "*"], ["max", "price"]], "filter": "price is not null",
    });
    let seen = ask(&project, "aggregate", &bob, sums).await;
    assert_eq!(
        seen,
        json!([{ "list_id": 1, "count": 1, "max_price": 1000 }])
    );
    let bad = json!({ "table": "lists", "measures": [["sum", "title"]] });
    let refused = project
        .call(Method::POST, "/behaviours/aggregate")
        .bearer(&bob);
    let refused = refused.json(&bad).send().await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.text().contains("invalid_aggregate"),
        "{}",
        refused.text()
    );
}

#[tokio::test]
async fn values_of_every_type_come_back_as_they_went() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let values = [
        ("s", "smallint", json!(-7)),
        ("r", "real", json!(0.1)),
        ("l", "bigint", json!("9007199254740993")),
        ("b", "bytea", json!("AP+A")),
        ("t", "time", json!("23:59:59.000001")),
        ("d", "date", json!("2026-01-31")),
        ("j", "json", json!({ "b": [1, null], "a": "x" })),
        ("words", "text[]", json!(["a\"b", null, ""])),
        ("days", "date[]", json!(["2026-01-31"])),
        ("mood", "enum(good, bad)", json!("good")),
    ];
    let mut columns = vec![json!({ "name": "id", "type": "bigint", "primary_key": true })];
    let column = |name: &str, ty: &str| json!({ "name": name, "type": ty, "nullable": true });
    columns.extend(values.iter().map(|(name, ty, _)| column(name, ty)));
    let open = json!({
        "name": "open", "commands": ["select", "insert"], "using": "true", "check": "true",
    });
    let table = json!({ "name": "samples", "columns": columns, "policies": [open] });
    project.schema(&json!({ "tables": [table] })).await;
    project.deploy("behaviours").await;
    let alice = project.token(ALICE).await;
    let mut row = json!({ "id": 1 });
    for (name, _, value) in &values {
        row[*name] = value.clone();
    }
    let insert = json!({ "table": "samples", "rows": [row], "returning": [] });
    ask(&project, "insert", &alice, insert).await;
    let seen = ask(&project, "select", &alice, json!({ "table": "samples" })).await;
    assert_eq!(seen, json!([row]));
    let bad = json!({ "table": "samples", "rows": [{ "id": 2, "mood": "so-so" }] });
    let refused = project
        .call(Method::POST, "/behaviours/insert")
        .bearer(&alice);
    let refused = refused.json(&bad).send().await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.text().contains("invalid_value"),
        "{}",
        refused.text()
    );
}
