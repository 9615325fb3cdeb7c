//! What a reviewer of other people's leaks would try: every way that such interfaces are known to
//! have told callers of rows and columns that they may not see.

mod conditions;

use koyalite_host_api::error::HostError;
use koyalite_host_api::tables::{
    AggregateQuery, EmbedQuery, Filter, InsertQuery, Measure, OrderKey, SelectQuery, Summary,
    UpdateQuery, UpsertQuery, aggregate, insert, select, select_page, update, upsert,
};
use koyalite_policy::{Command, Identity, PolicySource, Value};
use serde_json::{Value as Json, json};

use self::conditions::REFUSED;
use crate::support::{Owner, TestDatabase, TestProject, filter, policy, rows};

const PEOPLE: &[&str] = &[
    "id bigint primary key",
    "owner_id uuid not null",
    "name text not null",
    "secret text",
    "email text unique",
    "admin boolean not null default false",
];
const POSTS: &[&str] = &[
    "id bigint primary key",
    "author_id bigint not null references people(id)",
    "title text not null",
];

/// Posts are open, and so are names; the rest of a person is their own.
fn policies() -> Vec<PolicySource> {
    let columns = |names: &[&str]| Some(names.iter().map(|name| name.parse().unwrap()).collect());
    let mut open = policy("people", &[Command::Select], "true");
    open.read = columns(&["id", "name"]);
    let mut own = policy("people", &[Command::Select], "owner_id = auth.uid()");
    own.read = columns(&["id", "name", "owner_id", "email"]);
    let mut write = policy(
        "people",
        &[Command::Insert, Command::Update],
        "owner_id = auth.uid()",
    );
    write.write = columns(&["id", "owner_id", "name", "email"]);
    vec![open, own, write, policy("posts", &Command::ALL, "true")]
}

async fn blog(db: &TestDatabase, ann: &Owner) -> TestProject {
    let blog = db
        .project(&[("people", PEOPLE), ("posts", POSTS)], policies())
        .await;
    let fill = format!(
        "INSERT INTO {0}.people VALUES (1, '{1}', 'ann', 'hush', 'ann@example.org', false),
             (2, gen_random_uuid(), 'bob', 'swordfish', 'bob@example.org', true);
         INSERT INTO {0}.posts VALUES (1, 1, 'one'), (2, 2, 'two')",
        blog.access.schema, ann.id
    );
    db.admin.batch_execute(&fill).await.unwrap();
    blog
}

fn people(condition: Filter) -> SelectQuery {
    SelectQuery {
        table: "people".into(),
        columns: vec!["name".into()],
        filter: condition,
        ..SelectQuery::default()
    }
}

/// A refusal tells nothing that is stored.
fn told(error: &HostError) -> &'static str {
    for word in ["swordfish", "hush", "bob", "example.org", "SELECT"] {
        assert!(!error.message().contains(word), "{}", error.message());
    }
    error.code()
}

#[tokio::test]
async fn no_filter_asks_about_what_may_not_be_read() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let blog = blog(&db, &ann).await;
    for text in REFUSED {
        let answer = select(&blog.project, &ann.identity, people(filter(text, vec![]))).await;
        let error = answer.expect_err(text);
        told(&error);
        // The same from a page, a related table, a sum and a write.
        let query = people(filter(text, vec![]));
        let page = select_page(&blog.project, &ann.identity, &query, None).await;
        assert_eq!(page.unwrap_err().code(), error.code(), "{text}");
        let embed = EmbedQuery {
            table: "people".into(),
            columns: vec!["name".into()],
            filter: filter(text, vec![]),
            ..EmbedQuery::default()
        };
        let posts = SelectQuery {
            table: "posts".into(),
            embeds: vec![embed],
            ..SelectQuery::default()
        };
        let answer = select(&blog.project, &ann.identity, posts).await;
        assert_eq!(answer.unwrap_err().code(), error.code(), "{text}");
        let change = UpdateQuery {
            table: "people".into(),
            filter: filter(text, vec![]),
            changes: r#"{"name": "x"}"#.into(),
            ..UpdateQuery::default()
        };
        let answer = update(&blog.project, &ann.identity, change).await;
        assert_eq!(answer.unwrap_err().code(), error.code(), "{text}");
    }
    assert_eq!(db.databases.statements(), 0, "Postgres was asked");
}

#[tokio::test]
async fn no_order_group_or_sum_asks_about_what_may_not_be_read() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let blog = blog(&db, &ann).await;
    for column in [
        "secret",
        "t.secret",
        "secret ASC",
        "secret, name",
        "1",
        "\"secret\"",
        "ѕecret",
    ] {
        let sorted = SelectQuery {
            order: vec![OrderKey::ascending(column)],
            ..people(Filter::default())
        };
        let answer = select(&blog.project, &ann.identity, sorted.clone()).await;
        let refused = ["column_not_readable", "unknown_column"];
        assert!(refused.contains(&told(&answer.unwrap_err())), "{column}");
        let answer = select_page(&blog.project, &ann.identity, &sorted, None).await;
        assert!(refused.contains(&told(&answer.unwrap_err())), "{column}");
        let query = AggregateQuery {
            table: "people".into(),
            measures: vec![Measure {
                summary: Summary::Max,
                column: Some(column.to_owned()),
                name: "m".into(),
            }],
            ..AggregateQuery::default()
        };
        let grouped = AggregateQuery {
            group_by: vec![column.to_owned()],
            measures: vec![Measure {
                summary: Summary::Count,
                column: None,
                name: "m".into(),
            }],
            ..query.clone()
        };
        for query in [query, grouped] {
            let answer = aggregate(&blog.project, &ann.identity, query).await;
            assert!(refused.contains(&told(&answer.unwrap_err())), "{column}");
        }
        let embed = EmbedQuery {
            table: "people".into(),
            order: vec![OrderKey::ascending(column)],
            ..EmbedQuery::default()
        };
        let posts = SelectQuery {
            table: "posts".into(),
            embeds: vec![embed],
            ..SelectQuery::default()
        };
        let answer = select(&blog.project, &ann.identity, posts).await;
        assert!(refused.contains(&told(&answer.unwrap_err())), "{column}");
    }
    assert_eq!(db.databases.statements(), 0, "Postgres was asked");
}

#[tokio::test]
async fn nobody_writes_a_column_by_naming_it() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let blog = blog(&db, &ann).await;
    let row = |extra: &str, value: Json| {
        let mut row = json!({"id": 9, "owner_id": ann.id, "name": "x"});
        row.as_object_mut().unwrap().insert(extra.to_owned(), value);
        json!([row]).to_string()
    };
    for column in [
        "admin",
        "ADMIN",
        "admin ",
        "secret",
        "ctid",
        "\"admin\"",
        "аdmin",
    ] {
        let refused = ["column_not_writable", "unknown_column"];
        let query = InsertQuery {
            table: "people".into(),
            rows: row(column, json!(true)),
            ..InsertQuery::default()
        };
        let answer = insert(&blog.project, &ann.identity, query).await;
        assert!(refused.contains(&told(&answer.unwrap_err())), "{column}");
        let query = UpsertQuery {
            table: "people".into(),
            rows: row(column, json!(true)),
            ..UpsertQuery::default()
        };
        let answer = upsert(&blog.project, &ann.identity, query).await;
        assert!(refused.contains(&told(&answer.unwrap_err())), "{column}");
        let query = UpdateQuery {
            table: "people".into(),
            changes: json!({ column: true }).to_string(),
            ..UpdateQuery::default()
        };
        let answer = update(&blog.project, &ann.identity, query).await;
        assert!(refused.contains(&told(&answer.unwrap_err())), "{column}");
    }
    // Twice the same key in JSON: the second must not slip past what looked at the first.
    let query = InsertQuery {
        table: "people".into(),
        rows: format!(
            r#"[{{"id": 9, "name": "x", "owner_id": "{0}", "owner_id": "{0}"}}]"#,
            ann.id
        ),
        ..InsertQuery::default()
    };
    let answer = insert(&blog.project, &ann.identity, query).await;
    assert_eq!(told(&answer.unwrap_err()), "repeated_column");
    assert_eq!(db.databases.statements(), 0, "Postgres was asked");
}

/// A unique key has to refuse whoever holds it: that is a known channel. What it must not tell is
/// which column, which value and whose row.
#[tokio::test]
async fn a_conflict_with_a_hidden_row_reads_like_any_other() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let blog = blog(&db, &ann).await;
    let add = async |id: i64, email: &str| {
        let query = InsertQuery {
            table: "people".into(),
            rows: json!([{"id": id, "owner_id": ann.id, "name": "x", "email": email}]).to_string(),
            ..InsertQuery::default()
        };
        insert(&blog.project, &ann.identity, query)
            .await
            .unwrap_err()
    };
    let own = add(1, "new@example.net").await;
    for other in [
        add(2, "new@example.net").await,
        add(9, "bob@example.org").await,
    ] {
        assert_eq!(told(&other), "already_exists");
        assert_eq!((other.message(), other.kind()), (own.message(), own.kind()));
    }
    // By upsert a hidden row is as untouchable as one that may not be changed.
    let query = UpsertQuery {
        table: "people".into(),
        rows: json!([{"id": 2, "owner_id": ann.id, "name": "x"}]).to_string(),
        ..UpsertQuery::default()
    };
    let error = upsert(&blog.project, &ann.identity, query)
        .await
        .unwrap_err();
    assert_eq!(told(&error), "check_failed");
}

#[tokio::test]
async fn values_are_values_whatever_they_look_like() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let blog = blog(&db, &ann).await;
    for text in [
        "' or true --",
        "\\",
        "%",
        "$1",
        "{a,b}",
        "NULL",
        "\u{feff}ann",
        "аnn",
        "ann\u{0}",
        "ANN",
    ] {
        for condition in ["name = $1", "name = any($1)"] {
            let value = Value::Text(text.to_owned());
            let value = match condition {
                "name = $1" => value,
                _ => Value::List(vec![value]),
            };
            let answer = select(
                &blog.project,
                &ann.identity,
                people(filter(condition, vec![value])),
            );
            match answer.await {
                Ok(answer) => assert_eq!(answer, "[]", "{text:?}"),
                Err(error) => assert_eq!(told(&error), "invalid_condition", "{text:?}"),
            }
        }
    }
    // Patterns: each means what it says, and none is an error.
    for (pattern, expected) in [
        ("a%", 1),
        ("%", 2),
        ("\\%", 0),
        ("_nn", 1),
        ("[a]nn", 0),
        ("", 0),
    ] {
        let text = format!("name like '{pattern}'");
        let answer = select(&blog.project, &ann.identity, people(filter(&text, vec![]))).await;
        assert_eq!(
            rows(answer).as_array().unwrap().len(),
            expected,
            "{pattern}"
        );
    }
    let broken = people(filter("name like 'a\\'", vec![]));
    let answer = select(&blog.project, &ann.identity, broken).await;
    told(&answer.unwrap_err());
}

#[tokio::test]
async fn endless_conditions_are_refused_and_not_run() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let blog = blog(&db, &ann).await;
    let deep = [
        format!("{}true{}", "(".repeat(5000), ")".repeat(5000)),
        format!("{} true", "not ".repeat(3000)),
        format!("{}name{} = 'x'", "lower(".repeat(1500), ")".repeat(1500)),
        vec!["id = 1"; 1400].join(" or "),
        format!("id = {}1", "-".repeat(8000)),
        "(".repeat(16_000),
        "\"".repeat(16_000),
        format!("name = '{}'", "x".repeat(1 << 20)),
        format!(
            "{}name{} is null",
            "coalesce(".repeat(1000),
            ")".repeat(1000)
        ),
    ];
    for text in &deep {
        let answer = select(&blog.project, &ann.identity, people(filter(text, vec![]))).await;
        told(&answer.expect_err(&text[..40]));
    }
    assert_eq!(db.databases.statements(), 0, "Postgres was asked");
    let nested = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let query = InsertQuery {
        table: "people".into(),
        rows: format!(r#"[{{"id": 9, "name": {nested}}}]"#),
        ..InsertQuery::default()
    };
    let answer = insert(&blog.project, &ann.identity, query).await;
    told(&answer.unwrap_err());
}

#[tokio::test]
async fn nobody_forges_a_claim_by_a_value() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let blog = blog(&db, &ann).await;
    let bob: uuid::Uuid = {
        let query = format!(
            "SELECT owner_id FROM {}.people WHERE id = 2",
            blog.access.schema
        );
        db.admin.query_one(&query, &[]).await.unwrap().get(0)
    };
    for (who, expected) in [
        (&ann.identity, "[]"),
        (&Identity::Anonymous, "unknown_column"),
    ] {
        let query = people(filter("owner_id = $1", vec![Value::Uuid(bob)]));
        let answer = select(&blog.project, who, query).await;
        assert_eq!(answer.unwrap_or_else(|error| error.code().into()), expected);
    }
    let settings = "SELECT count(*) FROM pg_settings WHERE name LIKE 'koyalite.%'";
    let count: i64 = db.admin.query_one(settings, &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
}
