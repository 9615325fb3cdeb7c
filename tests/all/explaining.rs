//! Why a policy says no: explained to those who write policies, tested by them as data, and logged
//! for those who operate the server.

use http::Method;
use serde_json::{Value, json};

use crate::policies::prepared;
use crate::support::{ALICE, BOB, CommandLine, TestApp};

#[tokio::test]
async fn a_case_is_explained_and_a_file_of_expectations_is_held_against_the_policies() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let case = json!({ "identity": { "user": { "sub": ALICE } }, "command": "select",
                       "table": "notes", "row": { "owner_id": BOB, "title": "b" } });
    let ask = |case: &Value| {
        project
            .control(Method::POST, "/policies/explain")
            .json(case)
            .send()
    };
    let explained = ask(&case).await.expect(200).json();
    assert_eq!(explained["verdict"], "denied", "{explained}");
    assert_eq!(explained["sql"]["binds"], json!([ALICE]), "{explained}");
    let policy = &explained["policies"][0];
    assert_eq!(policy["name"], "own_rows", "{explained}");
    assert_eq!(policy["failing"]["column"], 1, "{explained}");
    let odd = json!({ "command": "select", "table": "notes", "row": { "colour": 1 } });
    let odd = ask(&odd).await.problem(400, "invalid_field");
    assert_eq!(odd["errors"][0]["field"], "row.colour", "{odd}");
    let nowhere = json!({ "command": "select", "table": "nothing" });
    ask(&nowhere).await.problem(404, "unknown_table");

    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "identities.alice.user.sub = \"{ALICE}\"\n\
         [[expect]]\nas = \"alice\"\ncommand = \"select\"\ntable = \"notes\"\n\
         row = {{ owner_id = \"{ALICE}\" }}\nresult = \"allowed\"\n\
         [[expect]]\nas = \"anonymous\"\ncommand = \"select\"\ntable = \"notes\"\n\
         row = {{ owner_id = \"{ALICE}\" }}\nresult = \"denied\"\n"
    );
    std::fs::write(folder.path().join("policies.toml"), &file).unwrap();
    let run = async |arguments: &[&str]| shell.run(folder.path(), arguments).await;
    let report = run(&["policies", "test", "policies.toml"]).await.expect(0);
    assert!(report.contains("2 cases, 0 failed"), "{report}");
    assert!(report.contains("seen both true and false"), "{report}");
    // Opened to everybody, the file no longer holds.
    let open = json!({ "name": "open", "table": "notes", "commands": ["select"], "using": "true" });
    let opened = project
        .control(Method::POST, "/policies")
        .json(&open)
        .send()
        .await;
    opened.expect(201);
    let broken = run(&["policies", "test", "policies.toml"]).await;
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(
        broken
            .output
            .contains("FAIL anonymous select notes: allowed"),
        "{broken:?}"
    );
    let explain = [
        "policies",
        "explain",
        "--table",
        "notes",
        "--command",
        "insert",
        "--as",
        ALICE,
    ];
    let said = run(&explain).await.expect(0);
    assert!(
        said.contains("depends") && said.contains("check:"),
        "{said}"
    );
}

/// The log of the host says who was refused what by which policies, and nothing of any row.
#[tokio::test]
async fn a_denial_is_logged_with_the_policies_and_the_request_and_without_rows() {
    let app = TestApp::shared().await;
    let (project, alice, _) = prepared(&app).await;
    let policy = project.list("/policies").await[0]["id"].clone();
    let query = json!({ "table": "notes" });
    let call = project
        .call(Method::POST, "/behaviours/select")
        .json(&query);
    let denied = call.send().await;
    let request = denied.header("x-request-id").to_owned();
    let secret = "a title that nobody but its owner may see";
    let row = json!({ "table": "notes", "rows": [{ "owner_id": BOB, "title": secret }] });
    let call = project
        .call(Method::POST, "/behaviours/insert")
        .bearer(&alice);
    let check = call.json(&row).send().await;
    assert_eq!(check.json()["code"], "check_failed", "{check:?}");
    let log = std::fs::read_to_string(app.launch.log()).unwrap();
    let line = log
        .lines()
        .find(|line| line.contains(&request) && line.contains("denied"));
    let line = line.unwrap_or_else(|| panic!("no line about {request}"));
    assert!(line.contains(policy.as_str().unwrap()), "{line}");
    let of_check = check.header("x-request-id");
    assert!(
        log.lines()
            .any(|line| line.contains(of_check) && line.contains("check_failed"))
    );
    assert!(!log.contains(secret), "a value of a row is in the log");
}
