//! Tables, policies, callers and requests that are put to a project with the mirror and without.

use koyalite_host_api::tables::{
    AggregateQuery, CountQuery, DeleteQuery, EmbedQuery, InsertQuery, Measure, Operation, OrderKey,
    SelectQuery, Summary, UpdateQuery, UpsertQuery,
};
use koyalite_policy::{Command, Effect, Identity, PolicySource};
use serde_json::{Value as Json, json};

use crate::support::{filter, policy, user};

const ANN: &str = "11111111-1111-4111-8111-111111111111";
const BOB: &str = "22222222-2222-4222-8222-222222222222";

pub(super) const TABLES: &[(&str, &[&str])] = &[
    ("people", &["id integer primary key", "name text not null"]),
    (
        "posts",
        &[
            "id integer primary key",
            "owner uuid not null",
            "author_id integer references people(id)",
            "title text",
            "rank integer not null default 3",
            "secret boolean",
            "unique (owner, id)",
        ],
    ),
    ("tags", &["id integer primary key", "word text not null"]),
    (
        "post_tags",
        &[
            "post_id integer not null references posts(id) on delete cascade",
            "tag_id integer not null references tags(id)",
            "primary key (post_id, tag_id)",
        ],
    ),
    (
        "inbox",
        &["id integer primary key", "message text not null"],
    ),
];

pub(super) const FILL: &str = "
    INSERT INTO people VALUES (1, 'ann'), (2, 'bob');
    INSERT INTO posts VALUES
        (1, '11111111-1111-4111-8111-111111111111', 1, 'one', 1, false),
        (2, '11111111-1111-4111-8111-111111111111', 1, 'two', 6, true),
        (3, '22222222-2222-4222-8222-222222222222', 2, 'three', 2, NULL),
        (4, '22222222-2222-4222-8222-222222222222', NULL, NULL, 9, false),
        (5, '22222222-2222-4222-8222-222222222222', 2, 'five', 1, true);
    INSERT INTO tags VALUES (1, 'red'), (2, 'blue');
    INSERT INTO post_tags VALUES (1, 1), (1, 2), (2, 1), (3, 2), (5, 1);";

pub(super) fn policies() -> Vec<PolicySource> {
    use Command::{Delete, Insert, Select};
    let held = PolicySource {
        name: "held".to_owned(),
        effect: Effect::Deny,
        ..policy("posts", &[Delete], "rank > 5")
    };
    vec![
        policy("people", &[Select], "true"),
        policy("posts", &Command::ALL, "owner = auth.uid()"),
        policy("posts", &[Select], "not secret"),
        held,
        policy("tags", &[Select], "auth.role() <> 'anon'"),
        policy(
            "post_tags",
            &Command::ALL,
            "exists (select 1 from posts where posts.id = post_tags.post_id)",
        ),
        policy("inbox", &[Insert], "true"),
    ]
}

pub(super) fn callers() -> Vec<(&'static str, Identity)> {
    vec![
        ("nobody", Identity::Anonymous),
        ("ann", user(ANN)),
        ("bob", user(BOB)),
        ("no uuid", user("it's \\ me")),
    ]
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| (*name).to_owned()).collect()
}

fn read(table: &str, columns: &[&str], embeds: &[EmbedQuery]) -> Operation {
    let mut query = SelectQuery {
        table: table.to_owned(),
        columns: names(columns),
        embeds: embeds.to_vec(),
        ..SelectQuery::default()
    };
    query.order = vec![OrderKey::ascending(columns[0])];
    Operation::Select(query)
}

fn of(table: &str, columns: &[&str]) -> EmbedQuery {
    EmbedQuery {
        table: table.to_owned(),
        columns: names(columns),
        order: vec![OrderKey::ascending("id")],
        ..EmbedQuery::default()
    }
}

fn add(table: &str, rows: Json, returning: &[&str]) -> Operation {
    Operation::Insert(InsertQuery {
        table: table.to_owned(),
        rows: rows.to_string(),
        returning: names(returning),
    })
}

fn change(table: &str, condition: &str, changes: Json, returning: &[&str]) -> Operation {
    Operation::Update(UpdateQuery {
        table: table.to_owned(),
        filter: filter(condition, vec![]),
        changes: changes.to_string(),
        returning: names(returning),
        ..UpdateQuery::default()
    })
}

fn remove(table: &str, condition: &str, returning: &[&str]) -> Operation {
    Operation::Delete(DeleteQuery {
        table: table.to_owned(),
        filter: filter(condition, vec![]),
        returning: names(returning),
        ..DeleteQuery::default()
    })
}

fn upsert(rows: Json) -> Operation {
    upsert_by(&[], rows)
}

fn upsert_by(conflict: &[&str], rows: Json) -> Operation {
    Operation::Upsert(UpsertQuery {
        table: "posts".to_owned(),
        rows: rows.to_string(),
        conflict: names(conflict),
        returning: names(&["id", "title", "rank"]),
    })
}

fn sum() -> Operation {
    let measure = |summary, column: Option<&str>, name: &str| Measure {
        summary,
        column: column.map(str::to_owned),
        name: name.to_owned(),
    };
    Operation::Aggregate(AggregateQuery {
        table: "posts".to_owned(),
        measures: vec![
            measure(Summary::Count, None, "rows"),
            measure(Summary::Sum, Some("rank"), "ranks"),
        ],
        group_by: names(&["owner"]),
        order: vec![OrderKey::ascending("owner")],
        ..AggregateQuery::default()
    })
}

/// In an order that matters: each finds what those before it left.
pub(super) fn requests() -> Vec<Operation> {
    let mut all = reading();
    all.extend(writing());
    all
}

fn count(condition: &str) -> Operation {
    Operation::Count(CountQuery {
        table: "posts".to_owned(),
        filter: filter(condition, vec![]),
    })
}

fn reading() -> Vec<Operation> {
    vec![
        read(
            "posts",
            &["id", "title", "secret"],
            &[of("people", &["name"]), of("tags", &["word"])],
        ),
        read("people", &["id", "name"], &[of("posts", &["id"])]),
        read("post_tags", &["post_id", "tag_id"], &[]),
        read("inbox", &["id"], &[]),
        count(""),
        count("title like 't%' or rank > 5"),
        sum(),
    ]
}

fn writing() -> Vec<Operation> {
    let limited = Operation::Update(UpdateQuery {
        table: "posts".to_owned(),
        changes: json!({"rank": 4}).to_string(),
        max_affected: Some(1),
        ..UpdateQuery::default()
    });
    vec![
        add(
            "posts",
            json!([{"id": 10, "owner": ANN, "title": "new"}]),
            &["id", "rank"],
        ),
        add(
            "posts",
            json!([{"id": 11, "owner": ANN}, {"id": 12, "owner": BOB}]),
            &[],
        ),
        add(
            "posts",
            json!([{"id": 13, "owner": BOB, "secret": true}]),
            &[],
        ),
        add("posts", json!([{"id": 1, "owner": BOB}]), &[]),
        add(
            "posts",
            json!([{"id": 14, "owner": ANN, "author_id": 99}]),
            &[],
        ),
        add("inbox", json!([{"id": 1, "message": "hello"}]), &[]),
        add(
            "post_tags",
            json!([{"post_id": 3, "tag_id": 1}]),
            &["tag_id"],
        ),
        change(
            "posts",
            "rank < 3",
            json!({"title": "changed"}),
            &["id", "title"],
        ),
        change("posts", "id = 3", json!({"owner": ANN}), &[]),
        change("posts", "", json!({"rank": 7}), &["id"]),
        limited,
        upsert(json!([{"id": 1, "owner": ANN, "title": "again"}])),
        upsert(
            json!([{"id": 3, "owner": BOB, "title": "x"}, {"id": 20, "owner": BOB, "title": "y"}]),
        ),
        upsert(json!([{"id": 5, "owner": ANN, "title": "stolen"}])),
        upsert_by(
            &["id", "owner"],
            json!([{"id": 1, "owner": ANN, "title": "by both"}]),
        ),
        upsert_by(
            &["owner", "id"],
            json!([{"id": 5, "owner": ANN, "title": "stolen"}]),
        ),
        read("posts", &["id", "title", "rank"], &[]),
        remove("posts", "id in (1, 3)", &["id"]),
        change("posts", "", json!({"rank": 2}), &[]),
        remove("posts", "title = 'again' or id = 20", &["id"]),
        count(""),
    ]
}

/// A read, and writes that name no row of anybody: all of the caller's, or all of all.
pub(super) fn on_todos() -> Vec<Operation> {
    vec![
        read("todos", &["id", "title"], &[]),
        change("todos", "", json!({"title": "changed"}), &["id"]),
        change("todos", "", json!({"note": "and again"}), &[]),
        remove("todos", "", &[]),
    ]
}
