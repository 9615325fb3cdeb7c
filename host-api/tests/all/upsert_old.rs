//! Upserts under policies that compare with the row as it was: an upsert does what an insert does where
//! the row is new, and what an update of the same columns does where it is there.

use koyalite_host_api::tables::{InsertQuery, UpdateQuery, UpsertQuery, insert, update, upsert};
use koyalite_policy::{Command, PolicySource};
use serde_json::{Value as Json, json};

use crate::support::{Owner, TestDatabase, TestProject, filter, policy};

const ITEMS: &[&str] = &[
    "id bigint primary key",
    "owner_id uuid",
    "state text",
    "rank numeric",
    "seen date",
    "unique (owner_id, state)",
];

/// Checks of the update, over both rows.
const CHECKS: [&str; 6] = [
    "old.state <> 'closed' or state = 'closed'",
    "rank > old.rank",
    "owner_id is not distinct from old.owner_id",
    "rank = old.rank and old.seen is null and seen > '2026-01-30'",
    "old.state is null or exists (select 1 from items i where i.state = old.state)",
    "not (old.rank > 1 and state = 'open') and rank <> 7",
];

fn policies(check: &str) -> Vec<PolicySource> {
    let mut changes = policy("items", &[Command::Update], "rank is null or rank < 5");
    changes.check = Some(check.to_owned());
    // Fills a column in, which the check then sees.
    changes.set = [("seen".parse().unwrap(), "'2026-01-31'".to_owned())].into();
    vec![
        policy(
            "items",
            &[Command::Select],
            "state is distinct from 'hidden'",
        ),
        policy("items", &[Command::Insert], "rank is distinct from 2.5"),
        changes,
    ]
}

fn rows() -> Vec<(Json, Json)> {
    let states = [json!("open"), json!("closed"), json!("hidden"), Json::Null];
    let ranks = [json!(1), json!("2.50"), json!(7), Json::Null];
    let pairs = states
        .iter()
        .flat_map(|s| ranks.iter().map(|r| (s.clone(), r.clone())));
    pairs.collect()
}

async fn reset(db: &TestDatabase, demo: &TestProject, old: &(Json, Json)) {
    let literal = |value: &Json| match value {
        Json::Null => "NULL".to_owned(),
        Json::String(text) => format!("'{text}'"),
        value => value.to_string(),
    };
    let fill = format!(
        "TRUNCATE {0}.items; INSERT INTO {0}.items VALUES (1, NULL, {1}, {2}, NULL)",
        demo.access.schema,
        literal(&old.0),
        literal(&old.1)
    );
    db.admin.batch_execute(&fill).await.unwrap();
}

async fn stored(db: &TestDatabase, demo: &TestProject) -> String {
    let query = format!(
        "SELECT coalesce(json_agg(i ORDER BY id), '[]')::text FROM {}.items i",
        demo.access.schema
    );
    db.admin.query_one(&query, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn an_upsert_judges_old_and_new_as_an_update_does() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let (mut done, mut refused) = (0, 0);
    for check in CHECKS {
        let demo = db.project(&[("items", ITEMS)], policies(check)).await;
        for old in rows() {
            for (state, rank) in rows() {
                reset(&db, &demo, &old).await;
                let changes = json!({ "state": state, "rank": rank });
                // The row is there: an update by its key. It must pass the insert's check too, and
                // find the row, or the upsert fails.
                let query = UpdateQuery {
                    table: "items".into(),
                    changes: changes.to_string(),
                    filter: filter("id = 1", vec![]),
                    returning: vec!["id".into()],
                    ..UpdateQuery::default()
                };
                let updated = update(&demo.project, &ann.identity, query).await;
                let insertable = rank != json!("2.50") && state != json!("hidden");
                let passes =
                    insertable && updated.as_ref().is_ok_and(|rows| rows == "[{\"id\":1}]");
                let expected = stored(&db, &demo).await;

                reset(&db, &demo, &old).await;
                let before = stored(&db, &demo).await;
                let proposal = json!([{ "id": 1, "state": state, "rank": rank }]);
                let query = UpsertQuery {
                    table: "items".into(),
                    rows: proposal.to_string(),
                    ..UpsertQuery::default()
                };
                let answer = upsert(&demo.project, &ann.identity, query).await;
                let case = format!("{check}: {old:?} to {state} {rank}: {updated:?} {answer:?}");
                let after = stored(&db, &demo).await;
                match passes {
                    true => {
                        assert!(answer.is_ok(), "{case}");
                        assert_eq!(after, expected, "{case}");
                        done += 1;
                    }
                    false => {
                        assert_eq!(answer.unwrap_err().code(), "check_failed", "{case}");
                        assert_eq!(after, before, "{case}");
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(done > 100 && refused > 100, "{done} {refused}");
}

#[tokio::test]
async fn a_row_that_is_new_has_no_old_and_one_refused_row_undoes_the_others() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.project(&[("items", ITEMS)], policies(CHECKS[1])).await;
    let write = async |rows: Json| {
        let query = UpsertQuery {
            table: "items".into(),
            rows: rows.to_string(),
            ..UpsertQuery::default()
        };
        let answer = upsert(&demo.project, &ann.identity, query).await;
        answer.map_err(|error| error.code())
    };
    let row = |id: i64, rank: i64| json!({ "id": id, "state": "open", "rank": rank });
    write(json!([row(1, 1), row(2, 2)])).await.unwrap();
    write(json!([row(1, 2), row(3, 1)])).await.unwrap();
    let before = stored(&db, &demo).await;
    let falls = write(json!([row(1, 4), row(2, 1), row(4, 1)])).await;
    assert_eq!(falls, Err("check_failed"));
    assert_eq!(stored(&db, &demo).await, before);
}

#[tokio::test]
async fn the_old_row_is_the_one_that_another_transaction_has_just_left() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.project(&[("items", ITEMS)], policies(CHECKS[1])).await;
    let raw = db.tenant(&demo).await;
    for (rank, expected) in [(3, Err("check_failed")), (4, Ok("[]".to_owned()))] {
        raw.batch_execute("BEGIN; DELETE FROM items").await.unwrap();
        let row = "INSERT INTO items VALUES (1, NULL, 'open', 3, NULL)";
        raw.batch_execute(row).await.unwrap();
        let query = UpsertQuery {
            table: "items".into(),
            rows: json!([{ "id": 1, "rank": rank }]).to_string(),
            ..UpsertQuery::default()
        };
        let waiting = upsert(&demo.project, &ann.identity, query);
        let commit = async {
            db.until_somebody_waits().await;
            raw.batch_execute("COMMIT").await.unwrap();
        };
        let (answer, ()) = tokio::join!(waiting, commit);
        assert_eq!(answer.map_err(|error| error.code()), expected);
    }
}

#[tokio::test]
async fn the_columns_of_a_unique_index_together_tell_rows_apart() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let open = vec![policy("items", &Command::ALL, "owner_id = auth.uid()")];
    let demo = db.project(&[("items", ITEMS)], open).await;
    let write = async |conflict: &[&str], id: i64, rank: i64| {
        let rows = json!([{ "id": id, "owner_id": ann.id, "state": "open", "rank": rank }]);
        let query = UpsertQuery {
            table: "items".into(),
            rows: rows.to_string(),
            conflict: conflict.iter().map(|name| (*name).to_owned()).collect(),
            returning: vec!["id".into(), "rank".into()],
        };
        let answer = upsert(&demo.project, &ann.identity, query).await;
        answer.map_err(|error| error.code())
    };
    let written = |id: i64, rank: i64| Ok(format!("[{{\"id\":{id},\"rank\":{rank}}}]"));
    assert_eq!(write(&["owner_id", "state"], 1, 1).await, written(1, 1));
    // In any order; the stored row takes over what the rows name.
    assert_eq!(write(&["state", "owner_id"], 2, 2).await, written(2, 2));
    assert_eq!(db.count(&demo, "items").await, 1);
    for wrong in [
        &["owner_id"][..],
        &["state"],
        &["owner_id", "state", "rank"],
    ] {
        assert_eq!(write(wrong, 3, 3).await, Err("invalid_conflict_target"));
    }
    // Somebody else's row of the same key is not told from one that may not be changed.
    let bob = Owner::new();
    let theirs = json!([{ "id": 9, "owner_id": bob.id, "state": "open", "rank": 1 }]);
    let query = InsertQuery {
        table: "items".into(),
        rows: theirs.to_string(),
        ..InsertQuery::default()
    };
    insert(&demo.project, &bob.identity, query).await.unwrap();
    let take = UpsertQuery {
        table: "items".into(),
        rows: json!([{ "id": 10, "owner_id": bob.id, "state": "open" }]).to_string(),
        conflict: vec!["owner_id".into(), "state".into()],
        ..UpsertQuery::default()
    };
    let stolen = upsert(&demo.project, &ann.identity, take).await;
    assert_eq!(stolen.unwrap_err().code(), "check_failed");
}
