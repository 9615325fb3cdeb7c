//! Reads of tables in the audit log, where a project wants that.

use http::Method;
use serde_json::{Value, json};

use crate::policies::{prepared, titles};
use crate::support::{ALICE, CommandLine, Project, TestApp};

async fn reads(project: &Project<'_>) -> Vec<Value> {
    project.list("/audit?action=rows.read&limit=1000").await
}

async fn set(project: &Project<'_>, on: Value) {
    let settings = json!({ "settings": { "audit_reads": on } });
    let patch = project.control(Method::PATCH, "").json(&settings);
    let answer = patch.send().await.expect(200).json();
    assert_eq!(
        answer["settings"]["audit_reads"],
        on.as_bool().unwrap_or(false)
    );
}

#[tokio::test]
async fn a_read_is_on_record_when_it_is_answered_and_not_where_nobody_asked_for_it() {
    let app = TestApp::shared().await;
    let (project, alice, bob) = prepared(&app).await;
    assert_eq!(titles(&project, &alice).await, json!(["a"]));
    assert!(reads(&project).await.is_empty());

    set(&project, json!(true)).await;
    assert_eq!(titles(&project, &alice).await, json!(["a"]));
    let recorded = reads(&project).await;
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    let [read] = recorded.as_slice() else {
        panic!("{recorded:?}");
    };
    assert_eq!(read["actor_id"], ALICE);
    assert_eq!(read["target_type"], "table");
    assert_eq!(read["target_id"], "notes");
    let facts = json!({
        "command": "select", "function": "behaviours", "version": 1, "role": "authenticated",
        "policies": ["notes.own_rows"], "rows": 1,
    });
    assert_eq!(read["metadata"], facts);
    // Nobody's reads are a read of nothing, or a refusal; either is on record.
    let nobody = json!({ "table": "notes", "columns": ["title"] });
    let call = project
        .call(Method::POST, "/behaviours/select")
        .json(&nobody);
    call.send().await;
    let recorded = reads(&project).await;
    assert_eq!(recorded[0]["actor_id"], "anonymous", "{recorded:?}");
    assert_eq!(
        recorded[0]["metadata"]["denied"], "no_policy",
        "{recorded:?}"
    );

    set(&project, Value::Null).await;
    titles(&project, &bob).await;
    assert_eq!(reads(&project).await.len(), 2);
}

#[tokio::test]
async fn many_readers_at_once_are_all_on_record_and_the_chain_is_whole() {
    let app = TestApp::shared().await;
    let (project, alice, bob) = prepared(&app).await;
    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let update = [
        "projects",
        "update",
        &project.name,
        "--set",
        "audit_reads=true",
    ];
    shell.run(folder.path(), &update).await.expect(0);
    let reading = (0..30).map(|turn| titles(&project, if turn % 2 == 0 { &alice } else { &bob }));
    for seen in futures::future::join_all(reading).await {
        assert_eq!(seen.as_array().unwrap().len(), 1, "{seen}");
    }
    let recorded = reads(&project).await;
    let of_alice = recorded.iter().filter(|read| read["actor_id"] == ALICE);
    assert_eq!((recorded.len(), of_alice.count()), (30, 15));
    let verdict = shell
        .run(folder.path(), &["audit", "verify"])
        .await
        .expect(0);
    assert!(verdict.contains("as they were written"), "{verdict}");
}
