//! The host's policies against Postgres' own on a project that is in use.

use http::Method;
use serde_json::{Value, json};

use crate::policies::prepared;
use crate::support::{ALICE, BOB, CommandLine, Project, TestApp};

async fn verify(project: &Project<'_>, wanted: Value) -> Value {
    let call = project.control(Method::POST, "/policies/verify");
    call.json(&wanted).send().await.expect(200).json()
}

/// What each caller sees of `notes`.
fn visible(report: &Value) -> Vec<(String, u64)> {
    let callers = report["tables"][0]["callers"].as_array().unwrap();
    let of = |caller: &Value| {
        let name = caller["caller"].as_str().unwrap().to_owned();
        (name, caller["visible"].as_u64().unwrap())
    };
    callers.iter().map(of).collect()
}

#[tokio::test]
async fn the_two_walls_are_compared_with_the_mirror_and_without_and_a_breach_is_named() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let file = format!("identities.alice.user.sub = \"{ALICE}\"\nexpect = []\n");
    std::fs::write(folder.path().join("policies.toml"), &file).unwrap();
    let run = async |arguments: &[&str]| shell.run(folder.path(), arguments).await;
    let command = [
        "policies",
        "verify",
        "--identities",
        "policies.toml",
        "--as",
        "carol",
    ];

    let expected = [
        ("anonymous".to_owned(), 0),
        (format!("user {ALICE}"), 1),
        (format!("user {BOB}"), 1),
    ];
    for mirrored in [false, true] {
        let setting = json!({ "enabled": mirrored });
        let call = project
            .control(Method::PUT, "/native-mirror")
            .json(&setting);
        call.send().await.expect(200);
        // Both own rows, so both are found.
        let report = verify(&project, json!({})).await;
        assert_eq!(report["mirrored"], mirrored, "{report}");
        assert_eq!(
            (&report["rows"], &report["disagreements"]),
            (&json!(6), &json!(0))
        );
        assert_eq!(visible(&report), expected, "{report}");
        let said = run(&command).await.expect(0);
        assert!(said.contains("8 comparisons, 0 disagreements"), "{said}");
        assert!(said.contains("user carol"), "{said}");
    }

    // Somebody opens the table behind the host's back.
    let id = project.get("").await["id"]
        .as_str()
        .unwrap()
        .replace('-', "");
    let open = format!("CREATE POLICY mine ON p_{id}.notes FOR SELECT TO PUBLIC USING (true)");
    let database = app.launch.database().connect().await;
    database.batch_execute(&open).await.unwrap();
    let report = verify(&project, json!({ "owners": false })).await;
    assert_eq!(report["disagreements"], 2, "{report}");
    let shown = &report["tables"][0]["callers"][0]["shown"][0];
    assert_eq!(
        (&shown["host"], &shown["postgres"]),
        (&json!(false), &json!(true))
    );
    assert!(shown["key"]["id"].is_string(), "{report}");
    let found = run(&command).await;
    assert_eq!(found.code, 1, "{found:?}");
    assert!(
        found
            .output
            .contains("is shown by Postgres and hidden by the host"),
        "{found:?}"
    );
}

#[tokio::test]
async fn tables_that_cannot_be_mirrored_are_named_with_their_policies() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let masked = json!({ "name": "masked", "table": "notes", "commands": ["select"],
        "using": "true", "read": ["id"] });
    let made = project.control(Method::POST, "/policies").json(&masked);
    made.send().await.expect(201);
    let report = verify(&project, json!({})).await;
    let why = report["tables"][0]["not_mirrorable"][0].as_str().unwrap();
    assert!(
        why.contains("\"masked\"") && why.contains("masks"),
        "{report}"
    );
    assert_eq!(
        (&report["rows"], &report["disagreements"]),
        (&json!(0), &json!(0))
    );

    let many: Vec<Value> = (0..20)
        .map(|n| json!({ "user": { "sub": n.to_string() } }))
        .collect();
    let call = project.control(Method::POST, "/policies/verify");
    let refused = call.json(&json!({ "identities": many })).send().await;
    refused.problem(400, "invalid_field");
}
