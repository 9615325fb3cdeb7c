//! The host's policies against Postgres' own on live rows: they agree, with the mirror and without it,
//! and where one of them is tampered with, it is found.

use std::sync::Arc;

use koyalite_host_api::db::{Compared, Mirror};
use koyalite_host_api::tables::verify::{Verified, owners, verify};
use koyalite_policy::{Command, Effect, Identity, PolicySource, Schema};

use crate::native::{ANN, filled, identities, names};
use crate::support::{TODOS, TestDatabase, TestProject, policy, user};

async fn compared(demo: &TestProject, identity: &Identity, table: &str) -> Compared {
    let found = verify(&demo.project, identity, &table.parse().unwrap()).await;
    match found.unwrap_or_else(|error| panic!("{table}: {error:?}")) {
        Verified::Compared(compared) => compared,
        Verified::NotMirrorable(why) => panic!("{table}: {why:?}"),
    }
}

#[tokio::test]
async fn host_and_row_security_agree_on_every_table_for_every_caller() {
    let db = TestDatabase::new().await;
    let mut demo = filled(&db).await;
    let schema = Arc::clone(&demo.project.schema);
    let mut visible = Vec::new();
    for mirror in [Mirror::Off, Mirror::On] {
        if mirror == Mirror::On {
            db.mirror(&mut demo, &schema).await;
        }
        let mut seen = Vec::new();
        for identity in identities() {
            for name in names() {
                let compared = compared(&demo, &identity, &name).await;
                assert_eq!(compared.rows, 7, "{name}");
                assert_eq!(compared.disagreeing, 0, "{name}, {mirror:?}: {compared:?}");
                seen.push(compared.visible);
            }
        }
        visible.push(seen);
    }
    assert_eq!(visible[0], visible[1], "with the mirror as without it");
    assert!(visible[0].iter().any(|rows| *rows > 0 && *rows < 7));
}

/// The project's schema with other policies on `t0`: what a bug in one of the two would come to.
fn with(demo: &TestProject, policies: Vec<PolicySource>) -> Arc<Schema> {
    let rules = demo.project.schema.tables();
    let shapes = rules.map(|rules| rules.shape().clone()).collect();
    Arc::new(Schema::build(shapes, policies).unwrap())
}

#[tokio::test]
async fn a_row_that_only_one_of_the_two_shows_is_named() {
    let db = TestDatabase::new().await;
    let mut demo = filled(&db).await;
    let schema = Arc::clone(&demo.project.schema);
    db.mirror(&mut demo, &schema).await;
    demo.project.schema = with(&demo, vec![policy("t0", &[Command::Select], "true")]);
    let found = compared(&demo, &user(ANN), "t0").await;
    assert_eq!((found.rows, found.visible, found.disagreeing), (7, 7, 4));
    assert!(found.shown.iter().all(|one| one.host), "{found:?}");
    assert_eq!(found.shown[0].key, r#"{"id": 2}"#);

    demo.project.schema = schema;
    let t0 = format!("{}.t0", demo.access.schema);
    let open = format!("CREATE POLICY mine ON {t0} FOR SELECT TO PUBLIC USING (id = 2)");
    db.admin.batch_execute(&open).await.unwrap();
    let found = compared(&demo, &user(ANN), "t0").await;
    assert_eq!((found.visible, found.disagreeing), (3, 1));
    assert_eq!(
        (found.shown[0].key.as_str(), found.shown[0].host),
        (r#"{"id": 2}"#, false)
    );
}

#[tokio::test]
async fn policies_that_row_security_cannot_say_are_named() {
    let db = TestDatabase::new().await;
    let masked = PolicySource {
        read: Some(vec!["id".parse().unwrap()]),
        ..policy("todos", &[Command::Select], "true")
    };
    let inside = "exists (select 1 from todos where todos.id = notes.id)";
    let policies = vec![masked, policy("notes", &[Command::Select], inside)];
    let demo = db
        .project(&[("todos", TODOS), ("notes", TODOS)], policies)
        .await;
    for table in ["todos", "notes"] {
        let found = verify(&demo.project, &Identity::Anonymous, &table.parse().unwrap()).await;
        match found.unwrap() {
            Verified::NotMirrorable(why) => assert_eq!(why[0].name, "true", "{table}"),
            Verified::Compared(compared) => panic!("{table}: {compared:?}"),
        }
    }
}

#[tokio::test]
async fn every_part_of_a_long_table_is_compared_and_owners_are_found() {
    let db = TestDatabase::new().await;
    let held = PolicySource {
        effect: Effect::Deny,
        ..policy("todos", &[Command::Select], "done")
    };
    let own = policy("todos", &Command::ALL, "owner_id = auth.uid()");
    let mut demo = db.project(&[("todos", TODOS)], vec![own, held]).await;
    // Some 700 blocks.
    let fill = format!(
        "INSERT INTO {}.todos SELECT n, '{ANN}', repeat('x', 500), n % 10 = 0 \
         FROM generate_series(1, 10000) AS n",
        demo.access.schema
    );
    db.admin.batch_execute(&fill).await.unwrap();
    let todos = "todos".parse().unwrap();
    let found = owners(&demo.project, &todos).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [ANN]);
    let schema = Arc::clone(&demo.project.schema);
    for mirror in [Mirror::Off, Mirror::On] {
        if mirror == Mirror::On {
            db.mirror(&mut demo, &schema).await;
        }
        let found = compared(&demo, &user(ANN), "todos").await;
        let expected = Compared {
            rows: 10_000,
            visible: 9_000,
            ..Compared::default()
        };
        assert_eq!(found, expected, "{mirror:?}");
    }
}
