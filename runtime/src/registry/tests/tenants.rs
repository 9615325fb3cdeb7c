use koyalite_policy::ProjectName;
use serde_json::json;

use super::*;
use crate::registry::definition::NewTable;
use crate::registry::page::Page;
use crate::registry::removal;

const PERMISSION_DENIED: &str = "42501";

fn notes() -> NewTable {
    serde_json::from_value(json!({ "name": "notes", "columns": [
        { "name": "body", "type": "text" },
    ]}))
    .unwrap()
}

#[tokio::test]
async fn a_projects_role_reaches_its_own_tables_and_nothing_else() {
    let registry = TestRegistry::new().await;
    let (one, two) = (registry.project("one").await, registry.project("two").await);
    for project in [&one, &two] {
        tables::create(&registry, &project.name, &notes())
            .await
            .unwrap();
    }
    let other = registry
        .snapshot()
        .project(&two.name)
        .unwrap()
        .database
        .schema
        .clone();
    let mut tenant = registry.as_tenant(&one).await;

    let insert = "INSERT INTO notes (body) VALUES ('hello')";
    sqlx::raw_sql(insert).execute(&mut tenant).await.unwrap();
    let timeout: String = sqlx::query_scalar("SHOW statement_timeout")
        .fetch_one(&mut tenant)
        .await
        .unwrap();
    assert_eq!(timeout, "5s");
    sqlx::raw_sql("SELECT koyalite_api.require(true)")
        .execute(&mut tenant)
        .await
        .unwrap();
    assert_eq!(
        refusal(&mut tenant, "SELECT koyalite_api.require(false)").await,
        "KY001"
    );

    for sql in [
        &format!("SELECT * FROM {other}.notes"),
        &format!("INSERT INTO {other}.notes (body) VALUES ('x')"),
        "SELECT * FROM koyalite.projects",
        "SELECT seq FROM koyalite.head",
        "CREATE TABLE mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE notes ADD COLUMN x int",
        "TRUNCATE notes",
        "DROP TABLE notes",
        "CREATE POLICY p ON notes USING (true)",
    ] {
        assert_eq!(refusal(&mut tenant, sql).await, PERMISSION_DENIED, "{sql}");
    }
    let flags: bool = registry
        .ask(&format!(
            "SELECT rolcanlogin AND NOT rolsuper AND NOT rolbypassrls AND NOT rolcreaterole
                 AND NOT rolcreatedb FROM pg_roles WHERE rolname = 'koya_p_{}'",
            one.id.simple()
        ))
        .await;
    assert!(flags);
}

#[tokio::test]
async fn the_password_is_scram_and_the_snapshot_holds_it() {
    let registry = TestRegistry::new().await;
    let project = registry.project("one").await;
    let stored: String = registry
        .ask(&format!(
            "SELECT rolpassword FROM pg_authid WHERE rolname = 'koya_p_{}'",
            project.id.simple()
        ))
        .await;
    assert!(stored.starts_with("SCRAM-SHA-256$4096:"), "{stored}");
    let entry = registry.snapshot().project(&project.name).cloned().unwrap();
    assert_eq!(entry.jwt_secret.expose().len(), 43);
    assert!(format!("{entry:?}").contains("jwt_secret: ***"));
}

#[tokio::test]
async fn a_name_is_taken_once_and_leaves_nothing_the_second_time() {
    let registry = TestRegistry::new().await;
    let project = registry.project("one").await;
    let again = NewProject {
        name: project.name.clone(),
        environment: Environment::Prod,
        owner: registry.admin(),
    };
    let seq = registry.snapshot().seq;
    let error = projects::create(&registry, again).await.unwrap_err();
    assert!(matches!(error, RegistryError::Conflict { .. }), "{error}");
    assert_eq!(
        registry.ask::<i64>("SELECT seq FROM koyalite.head").await,
        seq
    );
    let schemas: i64 = registry
        .ask("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'p\\_%'")
        .await;
    assert_eq!(schemas, 1);
    let unknown: ProjectName = "nobody".parse().unwrap();
    let error = projects::get(&registry, &unknown).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no project `nobody`");
    let listed = projects::list(
        &registry,
        &projects::ProjectFilter::default(),
        &Page::first(10),
    )
    .await
    .unwrap();
    assert_eq!(listed.items, [project]);
}

#[tokio::test]
async fn another_node_sees_a_change_when_it_looks() {
    let registry = TestRegistry::new().await;
    let other = registry.another_node().await;
    let project = registry.project("one").await;
    assert!(other.snapshot().project(&project.name).is_none());
    other.refresh().await.unwrap();
    assert!(other.snapshot().project(&project.name).is_some());
    assert_eq!(other.snapshot().seq, registry.snapshot().seq);
    assert_eq!(other.admin(), registry.admin());
}

#[tokio::test]
async fn a_broken_project_does_not_stop_the_others() {
    let registry = TestRegistry::new().await;
    let (broken, fine) = (
        registry.project("broken").await,
        registry.project("fine").await,
    );
    registry
        .run(
            "CREATE TABLE kept AS SELECT jwt_secret FROM koyalite.projects WHERE name = 'broken';
             UPDATE koyalite.head SET seq = seq + 1;
             UPDATE koyalite.projects SET jwt_secret = 'x', seq = head.seq
             FROM koyalite.head WHERE name = 'broken'",
        )
        .await;
    registry.refresh().await.unwrap();
    assert!(registry.snapshot().project(&broken.name).is_none());
    assert!(registry.snapshot().project_by_id(fine.id).is_some());
    // Mended in a way that no change has numbered, it is there with the next change of any.
    registry
        .run(
            "UPDATE koyalite.projects SET jwt_secret = kept.jwt_secret
             FROM kept WHERE koyalite.projects.name = 'broken'",
        )
        .await;
    registry.project("third").await;
    assert!(registry.snapshot().project(&broken.name).is_some());
}

#[tokio::test]
async fn another_node_sees_that_a_project_is_gone_and_its_name_another_ones() {
    let registry = TestRegistry::new().await;
    let (old, kept) = (registry.project("one").await, registry.project("two").await);
    let other = registry.another_node().await;
    removal::project(&registry, &old.name).await.unwrap();
    let new = registry.project("one").await;
    other.refresh().await.unwrap();
    let seen = other.snapshot();
    assert_eq!(seen.project(&old.name).unwrap().id, new.id);
    assert!(seen.project_by_id(old.id).is_none());
    assert!(seen.project_by_id(kept.id).is_some());
    removal::project(&registry, &new.name).await.unwrap();
    other.refresh().await.unwrap();
    assert!(other.snapshot().project(&old.name).is_none());
    assert_eq!(other.snapshot().projects().count(), 1);
}

#[tokio::test]
async fn what_a_change_does_not_touch_is_not_read_again() {
    let registry = TestRegistry::new().await;
    let (one, two) = (registry.project("one").await, registry.project("two").await);
    let other = registry.another_node().await;
    let before = [registry.snapshot(), other.snapshot()];
    tables::create(&registry, &one.name, &notes())
        .await
        .unwrap();
    other.refresh().await.unwrap();
    let after = [registry.snapshot(), other.snapshot()];
    for (before, after) in before.iter().zip(&after) {
        let same = |id| {
            let of = |snapshot: &Snapshot| Arc::clone(snapshot.project_by_id(id).unwrap());
            Arc::ptr_eq(&of(before), &of(after))
        };
        assert!(!same(one.id) && same(two.id));
    }
    // A node that starts reads all of it, and sees the same.
    let last = registry.another_node().await;
    for id in [one.id, two.id] {
        let tables =
            |snapshot: Arc<Snapshot>| snapshot.project_by_id(id).unwrap().schema.tables().count();
        assert_eq!(tables(last.snapshot()), tables(registry.snapshot()));
    }
}

#[tokio::test]
async fn a_secret_of_another_row_does_not_open() {
    let registry = TestRegistry::new().await;
    registry.project("one").await;
    let two = registry.project("two").await;
    registry
        .run(
            "UPDATE koyalite.head SET seq = seq + 1;
             UPDATE koyalite.projects SET seq = head.seq, jwt_secret =
                 (SELECT jwt_secret FROM koyalite.projects WHERE name = 'one')
             FROM koyalite.head WHERE name = 'two'",
        )
        .await;
    registry.refresh().await.unwrap();
    assert!(registry.snapshot().project_by_id(two.id).is_none());
}

#[tokio::test]
async fn built_in_roles_are_there_and_nobody_signs_in_as_the_first_user() {
    let registry = TestRegistry::new().await;
    let roles: Vec<String> = registry
        .ask("SELECT array_agg(name ORDER BY name) FROM koyalite.roles")
        .await;
    assert_eq!(roles, ["admin", "developer", "member", "viewer"]);
    let member: serde_json::Value = registry
        .ask("SELECT permissions FROM koyalite.roles WHERE name = 'member'")
        .await;
    assert_eq!(member, json!([]));
    let hash: String = registry
        .ask("SELECT hashed_password FROM koyalite.users")
        .await;
    assert_eq!(hash, "!");
}

#[tokio::test]
async fn the_registry_needs_no_superuser() {
    let registry = TestRegistry::without_superuser().await;
    let project = registry.project("one").await;
    tables::create(&registry, &project.name, &notes())
        .await
        .unwrap();
    let mut tenant = registry.as_tenant(&project).await;
    let insert = "INSERT INTO notes (body) VALUES ('hello')";
    sqlx::raw_sql(insert).execute(&mut tenant).await.unwrap();
    let select = "SELECT * FROM koyalite.projects";
    assert_eq!(refusal(&mut tenant, select).await, PERMISSION_DENIED);
}
