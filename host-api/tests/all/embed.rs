//! Rows of related tables inside rows.

use koyalite_host_api::error::ErrorKind;
use koyalite_host_api::tables::{EmbedQuery, OrderKey, SelectQuery, select};
use koyalite_policy::{Command, Identity, PolicySource};
use serde_json::{Value as Json, json};

use crate::support::{TestDatabase, TestProject, filter, policy, rows};

const PEOPLE: &[&str] = &[
    "id integer primary key",
    "name text not null",
    "boss_id integer references people(id)",
];
const PROFILES: &[&str] = &[
    "person_id integer primary key references people(id)",
    "motto text",
];
const POSTS: &[&str] = &[
    "id bigint primary key",
    "author_id integer not null references people(id)",
    "editor_id integer references people(id)",
    "title text not null",
    "draft boolean not null",
    "price numeric",
    "at timestamptz",
    "size float8",
    "meta jsonb",
];
const TAGS: &[&str] = &["id integer primary key", "word text not null"];
const POST_TAGS: &[&str] = &[
    "post_id bigint not null references posts(id)",
    "tag_id integer not null references tags(id)",
    "secret boolean not null",
    "primary key (post_id, tag_id)",
];

const FILL: &str = "
    INSERT INTO people VALUES (1, 'ann', NULL), (2, 'bob', 1), (3, 'cid', 1);
    INSERT INTO profiles VALUES (1, 'yes'), (3, NULL);
    INSERT INTO posts VALUES
        (9007199254740993, 1, 2, 'big', false, 12345678901234567890.10, '2024-02-29 22:30:00.5Z', 1, '{\"a\": 1.50}'),
        (2, 1, NULL, 'two', false, NULL, NULL, 'NaN', NULL),
        (3, 1, NULL, 'hidden', true, NULL, NULL, NULL, NULL),
        (4, 2, 1, 'four', false, NULL, NULL, NULL, NULL);
    INSERT INTO tags VALUES (1, 'red'), (2, 'blue');
    INSERT INTO post_tags VALUES (2, 1, false), (2, 2, false), (4, 1, false), (4, 2, true), (3, 1, false);";

async fn blog(db: &TestDatabase, policies: Vec<PolicySource>) -> TestProject {
    let tables = [
        ("people", PEOPLE),
        ("profiles", PROFILES),
        ("posts", POSTS),
        ("tags", TAGS),
        ("post_tags", POST_TAGS),
    ];
    let blog = db.project(&tables, policies).await;
    let fill = format!("SET search_path = {};{FILL}", blog.access.schema);
    db.admin.batch_execute(&fill).await.unwrap();
    blog
}

fn read(table: &str, condition: &str) -> PolicySource {
    policy(table, &[Command::Select], condition)
}

/// Everything but drafts and secret links.
fn usual() -> Vec<PolicySource> {
    vec![
        read("people", "true"),
        read("profiles", "true"),
        read("posts", "not draft"),
        read("tags", "true"),
        read("post_tags", "not secret"),
    ]
}

fn of(table: &str, columns: &[&str]) -> EmbedQuery {
    EmbedQuery {
        table: table.to_owned(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        order: vec![OrderKey::ascending("id")],
        ..EmbedQuery::default()
    }
}

fn query(table: &str, columns: &[&str], embeds: Vec<EmbedQuery>) -> SelectQuery {
    SelectQuery {
        table: table.to_owned(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        order: vec![OrderKey::ascending("id")],
        embeds,
        ..SelectQuery::default()
    }
}

async fn ask(demo: &TestProject, query: SelectQuery) -> Json {
    rows(select(&demo.project, &Identity::Anonymous, query).await)
}

async fn refused(demo: &TestProject, query: SelectQuery) -> (ErrorKind, &'static str) {
    let error = select(&demo.project, &Identity::Anonymous, query)
        .await
        .unwrap_err();
    (error.kind(), error.code())
}

#[tokio::test]
async fn related_rows_come_as_objects_or_arrays_as_the_relationship_leads() {
    let db = TestDatabase::new().await;
    let blog = blog(&db, usual()).await;
    let posts = EmbedQuery {
        via: Some("author_id".into()),
        filter: filter("title <> 'big'", vec![]),
        ..of("posts", &["title as heading"])
    };
    let profile = EmbedQuery {
        name: Some("profile".into()),
        order: vec![],
        ..of("profiles", &["motto"])
    };
    let answer = ask(&blog, query("people", &["name"], vec![posts, profile])).await;
    let expected = json!([
        {"name": "ann", "posts": [{"heading": "two"}], "profile": {"motto": "yes"}},
        {"name": "bob", "posts": [{"heading": "four"}], "profile": null},
        {"name": "cid", "posts": [], "profile": {"motto": null}},
    ]);
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn a_table_in_between_is_followed_under_its_own_policy() {
    let db = TestDatabase::new().await;
    let blog = blog(&db, usual()).await;
    let words = of("tags", &["word"]);
    let answer = ask(&blog, query("posts", &["title"], vec![words.clone()])).await;
    let expected = json!([
        {"title": "two", "tags": [{"word": "red"}, {"word": "blue"}]},
        // The link to blue is a secret.
        {"title": "four", "tags": [{"word": "red"}]},
        {"title": "big", "tags": []},
    ]);
    assert_eq!(answer, expected);

    let author = EmbedQuery {
        inside: Some(0),
        via: Some("author_id".into()),
        name: Some("author".into()),
        ..of("people", &["name"])
    };
    let posts = of("posts", &["title"]);
    let answer = ask(&blog, query("tags", &["word"], vec![posts, author])).await;
    let expected = json!([
        {"word": "red", "posts": [
            {"title": "two", "author": {"name": "ann"}}, {"title": "four", "author": {"name": "bob"}},
        ]},
        {"word": "blue", "posts": [{"title": "two", "author": {"name": "ann"}}]},
    ]);
    assert_eq!(
        answer, expected,
        "the draft and the secret are out of reach"
    );
}

#[tokio::test]
async fn a_table_that_refers_to_itself_is_followed_both_ways() {
    let db = TestDatabase::new().await;
    let blog = blog(&db, usual()).await;
    let boss = EmbedQuery {
        via: Some("boss_id".into()),
        name: Some("boss".into()),
        ..of("people", &["name"])
    };
    let team = EmbedQuery {
        via: Some("people_boss_id_fkey".into()),
        name: Some("team".into()),
        limit: Some(1),
        ..of("people", &["name"])
    };
    let answer = ask(&blog, query("people", &["name"], vec![boss, team])).await;
    let expected = json!([
        {"name": "ann", "boss": null, "team": [{"name": "bob"}]},
        {"name": "bob", "boss": {"name": "ann"}, "team": []},
        {"name": "cid", "boss": {"name": "ann"}, "team": []},
    ]);
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn embedded_values_are_written_exactly_as_others() {
    let db = TestDatabase::new().await;
    let blog = blog(&db, usual()).await;
    let columns = &["id", "price", "at", "size", "meta", "draft"];
    let plain = SelectQuery {
        filter: filter("author_id = 1", vec![]),
        ..query("posts", columns, vec![])
    };
    let anonymous = &Identity::Anonymous;
    let plain = select(&blog.project, anonymous, plain).await.unwrap();
    let posts = EmbedQuery {
        via: Some("author_id".into()),
        ..of("posts", columns)
    };
    let embedded = SelectQuery {
        filter: filter("id = 1", vec![]),
        ..query("people", &["id"], vec![posts])
    };
    let embedded = select(&blog.project, anonymous, embedded).await.unwrap();
    assert_eq!(embedded, format!("[{{\"id\":1,\"posts\":{plain}}}]"));
    assert!(plain.contains("12345678901234567890.10") && plain.contains("\"9007199254740993\""));
}

#[tokio::test]
async fn a_hop_that_the_caller_may_not_read_refuses_the_whole() {
    let db = TestDatabase::new().await;
    let mut policies = usual();
    policies.retain(|policy| policy.table.as_str() != "profiles");
    policies.retain(|policy| policy.table.as_str() != "post_tags");
    policies.push(read("post_tags", "auth.uid() is not null and not secret"));
    let blog = blog(&db, policies).await;
    let profile = EmbedQuery {
        order: vec![],
        ..of("profiles", &["motto"])
    };
    let refusal = refused(&blog, query("people", &["name"], vec![profile])).await;
    assert_eq!(refusal, (ErrorKind::Denied, "no_policy"));
    let refusal = refused(
        &blog,
        query("posts", &["title"], vec![of("tags", &["word"])]),
    )
    .await;
    assert_eq!(refusal, (ErrorKind::Denied, "denied_by_claims"));
    assert_eq!(db.databases.statements(), 0);
}

#[tokio::test]
async fn what_no_relationship_says_is_refused_by_name() {
    let db = TestDatabase::new().await;
    let blog = blog(&db, usual()).await;
    let check = async |table: &str, embed: EmbedQuery, code: &str| {
        let refusal = refused(&blog, query(table, &["id"], vec![embed])).await;
        assert_eq!(refusal.1, code);
    };
    let posts = || of("posts", &["id"]);
    check("people", posts(), "ambiguous_relationship").await;
    check("people", of("tags", &["id"]), "unknown_relationship").await;
    check("people", of("nothing", &[]), "unknown_table").await;
    check("tags", of("posts", &["colour"]), "unknown_column").await;
    let via = |via: &str| EmbedQuery {
        via: Some(via.to_owned()),
        ..posts()
    };
    check("people", via("\" OR true"), "unknown_relationship").await;
    let named = |name: &str| EmbedQuery {
        name: Some(name.to_owned()),
        ..posts()
    };
    check("tags", named("id"), "repeated_column").await;
    check("tags", named("a\"b"), "invalid_name").await;
    check("tags", named("ıd"), "invalid_name").await;
    let inside = EmbedQuery {
        inside: Some(0),
        ..posts()
    };
    check("tags", inside, "invalid_embed").await;
    let condition = EmbedQuery {
        filter: filter("word = 'x'", vec![]),
        ..posts()
    };
    check("tags", condition, "unknown_column").await;
    assert_eq!(db.databases.statements(), 0);
}

#[tokio::test]
async fn embeds_over_a_limit_are_told_which() {
    let db = TestDatabase::new().await;
    let blog = blog(&db, usual()).await;
    let boss = |place: u32| EmbedQuery {
        via: Some("boss_id".into()),
        inside: place.checked_sub(1),
        ..of("people", &["id"])
    };
    let answer = ask(&blog, query("people", &["id"], (0..4).map(boss).collect())).await;
    assert_eq!(answer[1]["people"]["people"], Json::Null);
    let deep = query("people", &["id"], (0..5).map(boss).collect());
    assert_eq!(refused(&blog, deep).await.1, "embeds_too_deep");
    let many = query("people", &["id"], vec![boss(0); 17]);
    assert_eq!(refused(&blog, many).await.1, "too_many_embeds");
}
