//! A rollback that restores the policies that the version was last used with.

use http::Method;
use serde_json::{Value, json};

use crate::policies::{prepared, titles};
use crate::support::{Answer, CommandLine, Project, TestApp, guest};

async fn roll_back(project: &Project<'_>, wanted: Value) -> Answer {
    let call = project.control(Method::POST, "/functions/hello/rollback");
    call.json(&wanted).send().await
}

/// The project of `prepared` with two versions of `hello`, between which the policies changed.
async fn two_versions<'a>(app: &'a TestApp) -> (Project<'a>, String, Value) {
    let (project, _, bob) = prepared(app).await;
    project.deploy("hello").await;
    let own = project.list("/policies").await[0].clone();
    let second = project.upload("hello", guest("hello-02"));
    second.send().await.expect(201);
    let path = format!("/policies/{}", own["id"].as_str().unwrap());
    let narrow = json!({ "using": "owner_id = auth.uid() and title <> 'b'" });
    let change = project.control(Method::PATCH, &path).json(&narrow);
    change.send().await.expect(200);
    let shared = json!({ "name": "shared", "table": "notes", "commands": ["select"],
        "roles": ["authenticated"], "using": "title = 'a'" });
    let made = project.control(Method::POST, "/policies").json(&shared);
    made.send().await.expect(201);
    (project, bob, own)
}

#[tokio::test]
async fn a_rollback_restores_the_policies_of_its_version_if_asked_and_goes_forward_again() {
    let app = TestApp::shared().await;
    let (project, bob, own) = two_versions(&app).await;
    assert_eq!(titles(&project, &bob).await, json!(["a"]));
    let back = json!({ "with_policies": true });
    let said = roll_back(&project, back).await.expect(200).json();
    let expected = json!({ "restored": ["notes: own_rows"], "removed": ["notes: shared"] });
    assert_eq!(
        (&said["version"], &said["policies"]),
        (&json!(1), &expected)
    );
    let now = project.list("/policies").await;
    assert_eq!(now.len(), 1, "{now:?}");
    for field in ["id", "using", "check", "roles", "created_by", "created_at"] {
        assert_eq!(now[0][field], own[field], "{field}");
    }
    assert_eq!(
        titles(&project, &bob).await,
        json!(["b"]),
        "in force at once"
    );

    // Those that the second version was last used with.
    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let forward = ["rollback", "hello", "--to", "2", "--with-policies"];
    let said = shell.run(folder.path(), &forward).await.expect(0);
    assert!(said.contains("restored the policy notes: shared"), "{said}");
    assert_eq!(titles(&project, &bob).await, json!(["a"]));

    let said = roll_back(&project, json!({})).await.expect(200).json();
    assert_eq!(
        (&said["version"], &said["policies"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(
        titles(&project, &bob).await,
        json!(["a"]),
        "not asked, they stay"
    );
}

#[tokio::test]
async fn policies_that_no_longer_fit_are_named_and_nothing_is_rolled_back() {
    let app = TestApp::shared().await;
    let (project, bob, own) = two_versions(&app).await;
    // Nothing speaks of the owner now, so the column may go.
    for policy in project.list("/policies").await {
        if policy["id"] == own["id"] {
            let path = format!("/policies/{}", own["id"].as_str().unwrap());
            let gone = project.control(Method::DELETE, &path).send().await;
            gone.expect(204);
        }
    }
    let column = "/tables/notes/columns/owner_id?lose_data=true";
    let dropped = project.control(Method::DELETE, column).send().await;
    dropped.expect(200);
    let before = project.list("/policies").await;
    let back = json!({ "with_policies": true });
    let refused = roll_back(&project, back.clone())
        .await
        .problem(409, "in_use");
    let named = refused["errors"][0]["message"].as_str().unwrap();
    assert!(
        named.contains("own_rows") && named.contains("owner_id"),
        "{refused}"
    );
    assert_eq!(project.get("/functions/hello").await["version"], 2);
    assert_eq!(project.list("/policies").await, before);
    assert_eq!(titles(&project, &bob).await, json!(["a"]));

    let table = "/tables/notes?lose_data=true";
    let dropped = project.control(Method::DELETE, table).send().await;
    dropped.expect(204);
    let refused = roll_back(&project, back).await.problem(409, "in_use");
    assert!(
        refused.to_string().contains("there is no such table"),
        "{refused}"
    );
    roll_back(&project, json!({})).await.expect(200);
}
