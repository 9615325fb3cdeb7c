//! What was done and by whom: recorded with the change itself, read and verified by administrators.

use http::Method;
use koyalite_runtime::keys::ControlRole;
use serde_json::{Value, json};

use crate::policies::prepared;
use crate::support::{CommandLine, TestApp, eventually};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// The log's answers of one kind of action, newest first.
fn of_action<'a>(entries: &'a [Value], action: &str) -> Vec<&'a Value> {
    let wanted = entries.iter();
    wanted.filter(|entry| entry["action"] == action).collect()
}

#[tokio::test]
async fn a_change_a_token_and_a_denial_are_in_the_project_s_log_with_who_and_what() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let policy = project.list("/policies").await[0].clone();
    let path = format!("/policies/{}", policy["id"].as_str().unwrap());
    let narrow = json!({ "using": "owner_id = auth.uid() and title <> 'b'" });
    let request = "01a2046f-ac84-71ac-8865-254d2779f862";
    let change = project.control(Method::PATCH, &path).json(&narrow);
    change
        .header("x-request-id", request)
        .send()
        .await
        .expect(200);
    let viewer = app.operator(ControlRole::Viewer);
    let refused = project.control(Method::DELETE, &path).bearer(&viewer);
    refused.send().await.problem(403, "forbidden");

    let entries = project.list("/audit?limit=1000").await;
    let update = of_action(&entries, "policy.update")[0];
    assert_eq!(update["actor_id"], "admin", "{update}");
    assert_eq!(update["request_id"], request, "{update}");
    assert_eq!(update["target_id"], policy["id"], "{update}");
    assert_eq!(update["metadata"]["before"]["using"], policy["using"]);
    assert_eq!(update["metadata"]["policy"]["using"], narrow["using"]);
    let denied = of_action(&entries, "access.denied")[0];
    assert_eq!(denied["metadata"]["permission"], "policy:write", "{denied}");
    assert_eq!(
        denied["target_id"],
        "DELETE /v1/projects/{project}/policies/{id}"
    );
    // Whoever can make a token can be that user.
    assert!(!of_action(&entries, "token.create").is_empty());
    assert_eq!(of_action(&entries, "project.create").len(), 1);
    let unreadable = project.control(Method::GET, "/audit").bearer(&viewer);
    unreadable.send().await.problem(403, "forbidden");
}

#[tokio::test]
async fn the_log_is_read_in_parts_narrowed_and_verified_from_the_command_line() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let get = async |query: &str| {
        let call = project.control(Method::GET, &format!("/audit?{query}"));
        call.send().await.expect(200).json()
    };
    // Sealed first: a place in the chain is a part of what is read.
    eventually("all is sealed", PATIENCE, async || {
        let call = project.control(Method::GET, "/audit/verify");
        let report = call.send().await.expect(200).json();
        (report["unsealed"] == 0).then_some(())
    })
    .await;
    let whole = get("limit=1000").await;
    assert_eq!(whole["next_cursor"], Value::Null);
    let whole = whole["items"].as_array().unwrap().clone();
    let first = get("limit=2").await;
    assert_eq!(first["items"].as_array().unwrap()[..], whole[..2]);
    let second = get(&format!(
        "limit=2&cursor={}",
        first["next_cursor"].as_str().unwrap()
    ))
    .await;
    assert_eq!(second["items"].as_array().unwrap()[..], whole[2..4]);
    let creations = get("action=policy.create&actor=admin&since=2020-01-01T00:00:00Z").await;
    let creations = creations["items"].as_array().unwrap().len();
    assert_eq!(creations, of_action(&whole, "policy.create").len());
    let misspelt = project.control(Method::GET, "/audit?acter=admin");
    misspelt.send().await.problem(400, "invalid_query");

    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| shell.run(folder.path(), arguments).await.expect(0);
    let listed = run(&["audit", "--action", "project.create"]).await;
    assert!(listed.contains("project.create"), "{listed}");
    let verdict = run(&["audit", "verify"]).await;
    assert!(verdict.contains("as they were written"), "{verdict}");
    let verdict = run(&["audit", "verify", "--installation", "--json"]).await;
    assert!(verdict.contains("\"findings\": []"), "{verdict}");
}
