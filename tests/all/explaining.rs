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

const SECRET: &str = "a title that nobody but its owner may see";

/// A table that refuses in every way, beside `notes`.
fn refusing() -> Value {
    let columns = json!([
        { "name": "id", "type": "bigint", "primary_key": true },
        { "name": "title", "type": "text", "nullable": true },
        { "name": "secret", "type": "text", "nullable": true },
        { "name": "owner_id", "type": "uuid", "nullable": true },
    ]);
    json!({ "tables": [{ "name": "masked", "columns": columns, "policies": [
        { "name": "titles", "commands": ["select"], "using": "title is not null", "read": ["id", "title"] },
        { "name": "owners", "commands": ["select"], "using": "title is null", "read": ["id", "owner_id"] },
        { "name": "add", "commands": ["insert"], "check": "title is not null", "write": ["id", "title"] },
        { "name": "staff", "commands": ["insert"], "roles": ["staff"], "check": "true" },
    ]}]})
}

/// The log of the host says who was refused what by which policies, and nothing of any row.
#[tokio::test]
async fn every_denial_is_logged_with_its_policies_and_its_request_and_without_rows() {
    let app = TestApp::shared().await;
    let (project, alice, _) = prepared(&app).await;
    project.schema(&refusing()).await;
    let ids = project.list("/policies").await;
    let id = |name: &str| {
        let found = ids.iter().find(|policy| policy["name"] == name);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let check = async |operation: &str, as_alice: bool, body: Value, code: &str, told: &str| {
        let path = format!("/behaviours/{operation}");
        let mut call = project.call(Method::POST, &path).json(&body);
        if as_alice {
            call = call.bearer(&alice);
        }
        let denied = call.send().await;
        assert_eq!(denied.json()["code"], code, "{body}: {denied:?}");
        let request = denied.header("x-request-id");
        let log = std::fs::read_to_string(app.launch.log()).unwrap();
        let mut lines = log.lines();
        let line = lines.find(|line| line.contains(request) && line.contains("denied"));
        let line = line.unwrap_or_else(|| panic!("no line about {code}: {request}"));
        assert!(line.contains(code), "{line}");
        // What is text of a policy's author is quoted, and the log quotes it once more.
        let line = line.replace('\\', "");
        assert!(line.contains(told), "{code}: no {told} in {line}");
        assert!(!log.contains(SECRET), "a value of a row is in the log");
    };
    let own = format!("notes: \"own_rows\" {}", id("own_rows"));
    let others = format!("{own} (for others)");
    let notes = json!({ "table": "notes" });
    check("select", false, notes, "denied_by_claims", &others).await;
    let forged = json!({ "table": "notes", "rows": [{ "owner_id": BOB, "title": SECRET }] });
    check("insert", true, forged, "check_failed", &own).await;
    let moved = json!({ "table": "notes", "changes": { "owner_id": BOB, "title": SECRET } });
    check("update", true, moved, "check_failed", &own).await;

    let readers = format!(
        "masked: \"owners\" {}, \"titles\" {}",
        id("owners"),
        id("titles")
    );
    let select = |columns: Value| json!({ "table": "masked", "columns": columns });
    let hidden = select(json!(["secret"]));
    check("select", true, hidden, "column_not_readable", &readers).await;
    let together = select(json!(["title", "owner_id"]));
    check("select", true, together, "columns_denied", &readers).await;
    let (add, staff) = (id("add"), id("staff"));
    let writers = format!("masked: \"add\" {add}, \"staff\" {staff} (for others)");
    let insert = |row: Value| json!({ "table": "masked", "rows": [row] });
    let hidden = insert(json!({ "id": 1, "secret": SECRET }));
    check("insert", true, hidden, "column_not_writable", &writers).await;
    let untitled = insert(json!({ "id": 1, "title": null }));
    check("insert", true, untitled, "check_failed", &writers).await;
    let gone = json!({ "table": "masked" });
    check("delete", true, gone, "no_policy", &readers).await;
}
