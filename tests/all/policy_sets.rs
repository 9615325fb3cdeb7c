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
    let sets = async || {
        let list = project.list("/functions/hello/deployments").await;
        let of = |one: &Value| [one["policy_set"].clone(), one["policy_set_at_end"].clone()];
        list.iter().map(of).collect::<Vec<_>>()
    };
    let before = sets().await;
    let [second, first] = before.as_slice() else {
        panic!("two deployments: {before:?}");
    };
    let own_alone = first[0].clone();
    assert_eq!(own_alone.as_str().unwrap().len(), 64);
    assert_eq!(
        (&first[1], second),
        (&own_alone, &[own_alone.clone(), Value::Null])
    );
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

    let after = sets().await;
    assert_eq!(after[0], [own_alone.clone(), Value::Null]);
    let changed = after[1][1].clone();
    assert_ne!(changed, own_alone);
    let versions = project.list("/functions/hello/versions").await;
    let used = [&versions[0]["policy_set"], &versions[1]["policy_set"]];
    assert_eq!(used, [&changed, &own_alone]);

    // Those that the second version was last used with.
    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let forward = ["rollback", "hello", "--to", "2", "--with-policies"];
    let said = shell.run(folder.path(), &forward).await.expect(0);
    assert!(said.contains("restored the policy notes: shared"), "{said}");
    assert_eq!(sets().await[0][0], changed);
    let shown = shell
        .run(folder.path(), &["deployments", "hello"])
        .await
        .expect(0);
    assert!(shown.contains(&changed.as_str().unwrap()[..12]), "{shown}");
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
