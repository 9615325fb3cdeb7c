//! Policies as Postgres' own row security against the same policies in the host: who sees which
//! rows, and whose rows are let in.

use std::collections::BTreeSet;

use koyalite_host_api::tables::{InsertQuery, SelectQuery, insert, select};
use koyalite_policy::{Command, Effect, Identity, PolicySource, User, native};
use serde_json::{Value as Json, json};
use tokio_postgres::Client;

use crate::support::{TestDatabase, TestProject, policy, rows};

pub(crate) const ANN: &str = "11111111-1111-4111-8111-111111111111";
const BOB: &str = "22222222-2222-4222-8222-222222222222";

const COLUMNS: &[&str] = &[
    "id bigint primary key",
    "owner uuid",
    "title text",
    "n integer",
    "open boolean",
    "made timestamptz default now()",
    "tags text[]",
];

/// Conditions, each for select and insert on a table of its own.
const CONDITIONS: &[&str] = &[
    "owner = auth.uid()",
    "owner is not distinct from (select auth.uid())",
    "auth.uid()::text = title",
    "open",
    "not open",
    "open is not true and n >= 2",
    "title like 'a\\_%' or title ilike '%B'",
    "title not in ('a', 'it''s') and lower(title) <> 'a_b'",
    "title > 'B' and length(title) between 1 and 3",
    "n in (1, 2) or (auth.jwt() ->> 'level')::int > n",
    "n = (auth.jwt() -> 'level')::int",
    "(auth.jwt() -> 'app' ->> 'staff')::boolean",
    "(auth.jwt() ->> 'team')::uuid = owner",
    "(auth.jwt() ->> 'ratio')::numeric < n",
    "title in (select auth.jwt() -> 'app' -> 'titles')",
    "n <> all (array(select jsonb_array_elements_text(auth.jwt() -> 'levels')))",
    "'x' = any (tags) and tags <> '{}'",
    "auth.role() = 'authenticated'",
    "auth.role() in ('anon', 'service_role') and n is null",
    "made > now() - interval '1 day'",
    "auth.jwt() ->> 'missing' is null",
    "coalesce(title, 'none') = coalesce(auth.jwt() ->> 'title', 'none')",
    "id in (select id from members where owner = auth.uid())",
    "not exists (select 1 from members where members.id = t23.n)",
];

/// Rows: id, owner, title, n, open, tags.
fn samples() -> Json {
    json!([
        {"id": 1, "owner": ANN, "title": "a", "n": 1, "open": true, "tags": ["x"]},
        {"id": 2, "owner": BOB, "title": "a_b", "n": 2, "open": false, "tags": []},
        {"id": 3, "owner": null, "title": null, "n": null, "open": null, "tags": null},
        {"id": 4, "owner": ANN, "title": "it's", "n": 3, "open": null, "tags": ["y", null]},
        {"id": 5, "owner": BOB, "title": ANN, "n": -1, "open": true, "tags": ["x", "y"]},
        {"id": 6, "owner": null, "title": "Éa", "n": 4, "open": false, "tags": [null]},
        {"id": 7, "owner": ANN, "title": "", "n": 5, "open": true, "tags": ["X"]},
    ])
}

pub(crate) fn identities() -> Vec<Identity> {
    let user = |subject: &str, claims: Json| {
        let claims = claims.as_object().unwrap().clone();
        Identity::User(User::new(subject.to_owned(), claims))
    };
    vec![
        Identity::Anonymous,
        user(
            ANN,
            json!({"level": 3, "team": BOB, "ratio": 1.5, "title": "a", "koya_role": "editor",
             "levels": [1, "3", "x"], "app": {"staff": true, "titles": ["a", "Éa", 7]}}),
        ),
        user(
            BOB,
            json!({"level": "2", "team": "none", "ratio": "2", "levels": "no",
             "app": {"staff": "yes", "titles": null}}),
        ),
        user(
            "bob",
            json!({"level": 99_999_999_999_i64, "ratio": [], "app": [], "title": null}),
        ),
        user("", json!({})),
    ]
}

fn table(index: usize) -> String {
    format!("t{index}")
}

fn policies() -> Vec<PolicySource> {
    let both = [Command::Select, Command::Insert];
    let conditions = CONDITIONS.iter().enumerate();
    let mut policies: Vec<_> = conditions
        .map(|(index, condition)| policy(&table(index), &both, condition))
        .collect();
    let extra = CONDITIONS.len();
    policies.push(policy("members", &both, "owner is not null"));
    policies.push(policy(&table(extra), &both, "true"));
    policies.push(PolicySource {
        name: "held".to_owned(),
        effect: Effect::Deny,
        ..policy(&table(extra), &both, "open and owner <> auth.uid()")
    });
    for (roles, condition) in [
        (["anon"], "n = 1"),
        (["editor"], "n > 2"),
        (["authenticated"], "n = 2"),
    ] {
        policies.push(PolicySource {
            roles: roles.map(str::to_owned).to_vec(),
            ..policy(&table(extra + 1), &both, condition)
        });
    }
    policies
}

pub(crate) fn names() -> Vec<String> {
    let numbered = (0..CONDITIONS.len() + 2).map(table);
    numbered.chain(["members".to_owned()]).collect()
}

pub(crate) async fn filled(db: &TestDatabase) -> TestProject {
    let names = names();
    let tables: Vec<_> = names.iter().map(|name| (name.as_str(), COLUMNS)).collect();
    let project = db.project(&tables, policies()).await;
    for name in &names {
        let fill = format!(
            "INSERT INTO {0}.{name} (id, owner, title, n, open, tags) SELECT id, owner, title, n, open, tags \
             FROM json_populate_recordset(NULL::{0}.{name}, '{1}')",
            project.access.schema,
            samples().to_string().replace('\'', "''"),
        );
        db.admin.batch_execute(&fill).await.unwrap();
    }
    project
}

async fn mirror(db: &TestDatabase, project: &TestProject) {
    for name in names() {
        let table = name.parse().unwrap();
        let statements =
            native::statements(&project.project.schema, &table, &project.access.schema);
        for statement in statements.unwrap() {
            let made = db.admin.batch_execute(&statement).await;
            made.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        }
    }
}

/// Begins a transaction as somebody.
async fn begin(raw: &Client, identity: &Identity) {
    let claims = match identity {
        Identity::User(user) => serde_json::to_string(user.claims()).unwrap(),
        Identity::Anonymous | Identity::Service(_) => String::new(),
    };
    raw.batch_execute("BEGIN").await.unwrap();
    for (setting, value) in [
        (native::UID, identity.subject().unwrap_or("")),
        (native::ROLE, identity.role().as_str()),
        (native::CLAIMS, &claims),
    ] {
        raw.query("SELECT set_config($1, $2, true)", &[&setting, &value])
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn row_security_lets_the_same_rows_through_as_the_host() {
    let db = TestDatabase::new().await;
    let (host, native) = (filled(&db).await, filled(&db).await);
    mirror(&db, &native).await;
    // A second time in place of the first.
    mirror(&db, &native).await;
    let raw = db.tenant(&native).await;
    let mut disagreements = Vec::new();
    for (number, identity) in identities().iter().enumerate() {
        for name in names() {
            let by_host = read_by_host(&host, identity, &name).await;
            begin(&raw, identity).await;
            let found = raw.query(&format!("SELECT id FROM {name}"), &[]).await;
            raw.batch_execute("ROLLBACK").await.unwrap();
            let found = found.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let by_postgres: BTreeSet<i64> = found.iter().map(|row| row.get(0)).collect();
            if by_host != by_postgres {
                disagreements.push(format!(
                    "{name}, caller {number}: host {by_host:?}, Postgres {by_postgres:?}"
                ));
            }
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

async fn read_by_host(project: &TestProject, identity: &Identity, table: &str) -> BTreeSet<i64> {
    let query = SelectQuery {
        table: table.to_owned(),
        columns: vec!["id".into()],
        ..SelectQuery::default()
    };
    match select(&project.project, identity, query).await {
        Err(error) if error.code() == "denied_by_claims" => BTreeSet::new(),
        answer => {
            let found = rows(answer);
            let ids = found.as_array().unwrap().iter();
            ids.map(|row| row["id"].as_i64().unwrap()).collect()
        }
    }
}

#[tokio::test]
async fn row_security_lets_the_same_rows_in_as_the_host() {
    let db = TestDatabase::new().await;
    let (host, native) = (filled(&db).await, filled(&db).await);
    mirror(&db, &native).await;
    let raw = db.tenant(&native).await;
    let mut disagreements = Vec::new();
    for (number, identity) in identities().iter().enumerate() {
        for name in names() {
            for sample in samples().as_array().unwrap() {
                // New ids: those of the samples are taken.
                let id = 100 * (number as i64 + 1) + sample["id"].as_i64().unwrap();
                let mut new = sample.clone();
                new["id"] = id.into();
                let query = InsertQuery {
                    table: name.clone(),
                    rows: format!("[{new}]"),
                    ..InsertQuery::default()
                };
                let by_host = insert(&host.project, identity, query).await.is_ok();
                begin(&raw, identity).await;
                let write = format!(
                    "INSERT INTO {name} (id, owner, title, n, open, tags) SELECT id, owner, title, n, open, tags \
                     FROM json_populate_record(NULL::{name}, $1::text::json)"
                );
                let by_postgres = raw.execute(&write, &[&new.to_string()]).await.is_ok();
                raw.batch_execute("ROLLBACK").await.unwrap();
                if by_host != by_postgres {
                    disagreements.push(format!(
                        "{name}, caller {number}, {new}: host {by_host}, Postgres {by_postgres}"
                    ));
                }
            }
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}
