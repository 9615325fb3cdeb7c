//! Audit logs that are cut when they are old, by a setting: what is left is verified, and the log of a
//! project that is gone is read by its id.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{CommandLine, Launch, Project, TestApp, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

async fn verified(project: &Project<'_>) -> Value {
    let call = project.control(Method::GET, "/audit/verify");
    call.send().await.expect(200).json()
}

async fn set(project: &Project<'_>, days: u32) -> u16 {
    let settings = json!({ "settings": { "audit_retention_days": days } });
    let change = project.control(Method::PATCH, "").json(&settings);
    change.send().await.status
}

#[tokio::test]
async fn a_project_cuts_its_log_and_what_is_left_is_verified_and_goes_on() {
    let app = TestApp::launch(Launch::serve().await).await;
    let project = app.project_named("shop").await;
    // As if all that there is had been done sixty days ago; nobody seals meanwhile.
    let database = app.launch.database().connect().await;
    let of_project = "project_id = (SELECT id FROM koyalite.projects WHERE name = 'shop')";
    let old = format!(
        "BEGIN; SELECT pg_advisory_xact_lock(7741539743627043956);
         DELETE FROM koyalite.audit_logs WHERE {of_project};
         DELETE FROM koyalite.audit_checkpoints WHERE {of_project};
         INSERT INTO koyalite.audit_logs (id, project_id, actor_id, action, target_type, at, metadata)
         SELECT gen_random_uuid(), id, 'ann', 'secret.set', 'secret', now() - interval '60 days', '{{}}'
         FROM koyalite.projects, generate_series(1, 5) WHERE name = 'shop';
         COMMIT"
    );
    database.batch_execute(&old).await.unwrap();
    let whole = eventually("all is sealed", PATIENCE, async || {
        let report = verified(&project).await;
        (report["unsealed"] == 0).then_some(report)
    })
    .await;
    assert_eq!(whole["begins"], Value::Null, "{whole}");
    assert_eq!(
        set(&project, 29).await,
        400,
        "nobody hides what they did last week"
    );
    assert_eq!(set(&project, 30).await, 200);
    let cut = eventually("the log is cut", PATIENCE, async || {
        let report = verified(&project).await;
        (report["begins"] != Value::Null && report["unsealed"] == 0).then_some(report)
    })
    .await;
    assert_eq!(cut["findings"], json!([]), "{cut}");
    let trims = project.list("/audit?action=audit.trim").await;
    assert_eq!(trims.len(), 1, "{trims:?}");
    assert_eq!(trims[0]["actor_id"], "system");
    assert_eq!(project.list("/audit?actor=ann").await, Vec::<Value>::new());

    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let verify = async || shell.run(folder.path(), &["audit", "verify"]).await;
    let verdict = verify().await.expect(0);
    assert!(verdict.contains("begins after"), "{verdict}");
    let change = "UPDATE koyalite.audit_logs SET actor_id = 'bob' WHERE action = 'audit.trim'";
    database.batch_execute(change).await.unwrap();
    let verdict = verify().await.expect(1);
    assert!(verdict.contains("was changed"), "{verdict}");
}

#[tokio::test]
async fn the_log_of_a_project_that_is_gone_is_read_and_verified_by_its_id() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let shown = project.control(Method::GET, "").send().await;
    let id = shown.expect(200).json()["id"].as_str().unwrap().to_owned();
    let delete = format!("?confirm={}", project.name);
    let gone = project.control(Method::DELETE, &delete).send().await;
    gone.expect(204);
    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| shell.run(folder.path(), arguments).await.expect(0);
    let listed = run(&["audit", "--gone", &id]).await;
    assert!(listed.contains("project.create"), "{listed}");
    let verdict = run(&["audit", "verify", "--gone", &id]).await;
    assert!(verdict.contains("as they were written"), "{verdict}");
    let deleted = format!("/v1/audit?action=project.delete&target={}", project.name);
    let deleted = app.control(Method::GET, &deleted).send().await;
    let deleted = deleted.expect(200).json();
    assert_eq!(deleted["items"][0]["metadata"]["id"], json!(id));
}
