use serde_json::json;

use super::schema::Tables;
use super::*;
use crate::registry::condition::Condition;
use crate::registry::functions::{self, DeployInput};
use crate::registry::project_change::{self, ProjectPatch};
use crate::registry::removal;
use crate::registry::retention::{self, Purged};

/// Tables whose rows belong to no project, or outlive it: what was done is remembered.
const OF_NO_PROJECT: &str =
    "'head', 'roles', 'users', 'migrations', 'audit_logs', 'audit_checkpoints',
     'audit_trims', 'removed_projects'";

async fn rows(registry: &TestRegistry) -> i64 {
    let count = "query_to_xml(format('SELECT count(*) AS n FROM koyalite.%I', table_name),
                     false, true, '')";
    registry
        .ask(&format!(
            "SELECT sum((xpath('/row/n/text()', {count}))[1]::text::bigint)::bigint
             FROM information_schema.tables
             WHERE table_schema = 'koyalite' AND table_name NOT IN ({OF_NO_PROJECT})"
        ))
        .await
}

async fn deploy(t: &Tables, name: &str, code: char) {
    let manifest =
        format!("name = \"{name}\"\n[[schedules]]\nname = \"s\"\ncron = \"0 3 * * *\"\n");
    let input = DeployInput {
        project: t.project.clone(),
        name: name.parse().unwrap(),
        deployer: t.registry.admin(),
        sha256: code.to_string().repeat(64),
        imports: Vec::new(),
        exports: Vec::new(),
        handler: Handler::P2,
        scheduled: false,
        shared_refused: None,
        manifest: Some(Manifest::parse_toml(&manifest).unwrap()),
        source_url: None,
        terms: Default::default(),
    };
    functions::deploy(&t.registry, input).await.unwrap();
}

async fn fire(t: &Tables) {
    t.registry
        .run(
            "INSERT INTO koyalite.runs (id, task_id, scheduled_for, status, reason)
             SELECT gen_random_uuid(), id, now(), 'missed', 'a test' FROM koyalite.scheduled_tasks",
        )
        .await;
}

/// An event that was delivered, and one that waits; a message that was sent, and one that waits.
async fn send(t: &Tables) {
    let endpoint = "INSERT INTO koyalite.webhook_endpoints
             (id, project_id, target_url, event_types, signature, secret)
         SELECT gen_random_uuid(), id, 'https://example.com/', '{*}', 'hmac-sha256', ''
         FROM koyalite.projects";
    t.registry.run(endpoint).await;
    for status in ["delivered", "pending"] {
        let event = format!(
            "WITH event AS (INSERT INTO koyalite.webhook_events (id, project_id, event_type, payload)
                 SELECT gen_random_uuid(), id, 'a.b', '{{}}' FROM koyalite.projects RETURNING *)
             INSERT INTO koyalite.webhooks (id, project_id, event_id, endpoint_id, status)
             SELECT gen_random_uuid(), event.project_id, event.id, e.id, '{status}'
             FROM event, koyalite.webhook_endpoints e"
        );
        t.registry.run(&event).await;
    }
    for status in ["sent", "deferred"] {
        let message = format!(
            "INSERT INTO koyalite.email_logs
                 (id, project_id, recipient, sender, sender_name, subject, status, digest)
             SELECT gen_random_uuid(), id, 'a@example.com', 'b@example.com', '', 'x', '{status}', 'x'
             FROM koyalite.projects"
        );
        t.registry.run(&message).await;
    }
}

/// Two tables that refer to each other, a policy that reads the other one, and an index.
async fn fill(t: &Tables) {
    let reference = |table: &str| {
        json!({ "name": "other", "type": "uuid", "nullable": true,
        "references": { "table": table } })
    };
    let key = json!({ "name": "id", "type": "uuid", "primary_key": true });
    let file = json!({
        "tables": [
            { "name": "one", "columns": [key, reference("two")] },
            { "name": "two", "columns": [key, reference("one")],
              "indexes": [{ "columns": ["other"] }] },
        ],
        "policies": [{ "name": "p", "table": "one",
            "using": "exists (select 1 from two where two.id = one.id)" }],
    });
    t.apply(file).await.unwrap();
}

#[tokio::test]
async fn a_deleted_project_leaves_no_row_no_schema_and_no_role() {
    let t = Tables::on(TestRegistry::without_superuser().await).await;
    fill(&t).await;
    for code in ['a', 'b'] {
        deploy(&t, "hello", code).await;
    }
    fire(&t).await;
    assert!(rows(&t.registry).await > 10);

    let removed = removal::project(&t.registry, &t.project).await.unwrap();
    let mut components = removed.components.clone();
    components.sort();
    assert_eq!(components, ["a".repeat(64), "b".repeat(64)]);
    assert_eq!(rows(&t.registry).await, 0);
    assert!(t.registry.snapshot().project(&t.project).is_none());
    let id = removed.project.simple();
    let left: i64 = t
        .registry
        .ask(&format!(
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%{id}')
                  + (SELECT count(*) FROM pg_roles WHERE rolname LIKE '%{id}')"
        ))
        .await;
    assert_eq!(left, 0);
    let again = removal::project(&t.registry, &t.project).await.unwrap_err();
    assert!(matches!(again, RegistryError::NotFound { .. }), "{again}");
}

#[tokio::test]
async fn a_deleted_function_leaves_the_others_and_components_that_they_have_too() {
    let t = Tables::on(TestRegistry::new().await).await;
    deploy(&t, "hello", 'a').await;
    deploy(&t, "hello", 'b').await;
    deploy(&t, "other", 'a').await;
    fire(&t).await;
    let name = "hello".parse().unwrap();
    let removed = removal::function(&t.registry, &t.project, &name)
        .await
        .unwrap();
    let unused = removal::unused(&t.registry, &removed.components)
        .await
        .unwrap();
    assert_eq!(unused.components, ["b".repeat(64)]);
    unused.release().await.unwrap();
    let entry = t.registry.snapshot().project(&t.project).cloned().unwrap();
    let names: Vec<_> = entry.functions.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["other"]);
    assert_eq!(
        t.registry
            .ask::<i64>("SELECT count(*) FROM koyalite.runs")
            .await,
        1
    );
}

#[tokio::test]
async fn a_component_is_not_given_up_while_a_deploy_may_name_it() {
    let t = Tables::on(TestRegistry::new().await).await;
    let change = removal::deploying(&t.registry).await.unwrap();
    let hashes = ["a".repeat(64)];
    let mut waiting = Box::pin(removal::unused(&t.registry, &hashes));
    assert!(futures::poll!(&mut waiting).is_pending());
    let other = t.registry.ask::<bool>("SELECT true");
    tokio::select! {
        _ = &mut waiting => panic!("it did not wait"),
        answered = other => assert!(answered),
    }
    drop(change);
    assert_eq!(waiting.await.unwrap().components, hashes);
}

#[tokio::test]
async fn runs_deliveries_and_mail_go_when_they_are_older_than_the_project_keeps_them() {
    let t = Tables::on(TestRegistry::new().await).await;
    deploy(&t, "hello", 'a').await;
    fire(&t).await;
    send(&t).await;
    let settings = serde_json::from_value(json!({ "retention_days": 2 })).unwrap();
    let patch = ProjectPatch {
        settings: Some(settings),
        ..ProjectPatch::default()
    };
    let always = Condition::Always;
    project_change::update(&t.registry, &t.project, patch, &always)
        .await
        .unwrap();
    let purge = async |days: i64| {
        let now = chrono::Utc::now() + chrono::TimeDelta::days(days);
        let ages = retention::ages(&t.registry.snapshot(), now);
        retention::purge(&t.registry, &ages).await.unwrap()
    };
    let nothing = Purged::default();
    assert_eq!((purge(0).await, purge(1).await), (nothing, nothing));
    let over = Purged {
        runs: 1,
        events: 1,
        messages: 1,
    };
    assert_eq!((purge(3).await, purge(3).await), (over, nothing));
    // What is on its way is delivered first.
    let left: i64 = t
        .registry
        .ask("SELECT count(*) FROM koyalite.webhooks")
        .await;
    assert_eq!(left, 1);
    let left: String = t
        .registry
        .ask("SELECT status FROM koyalite.email_logs")
        .await;
    assert_eq!(left, "deferred");
}
