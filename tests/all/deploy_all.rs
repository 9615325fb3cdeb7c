//! Several functions at once, with tables and policies: all of them serve, or nothing has changed.

use bytes::Bytes;
use http::Method;
use koyalite_runtime::keys::ControlRole;
use serde_json::{Value, json};

use super::deployments::{hello, version_of};
use crate::support::{Answer, Call, CommandLine, Project, TestApp, guest, own_rows};

const BOUNDARY: &str = "a-boundary-of-these-tests-71ab";

/// Parts of a form, in their order.
fn form(project: &Project<'_>, query: &str, parts: &[(&str, Bytes)]) -> Call {
    let mut text = Vec::new();
    for (name, bytes) in parts {
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\r\n"
        );
        text.extend_from_slice(head.as_bytes());
        text.extend_from_slice(bytes);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    let media = format!("multipart/form-data; boundary={BOUNDARY}");
    let call = project.control(Method::POST, &format!("/deployments{query}"));
    call.header("content-type", &media).body(text)
}

fn manifest(name: &str, lines: &str) -> (&'static str, Bytes) {
    ("manifest", format!("name = \"{name}\"\n{lines}").into())
}

fn component(bytes: impl Into<Bytes>) -> (&'static str, Bytes) {
    ("component", bytes.into())
}

fn schema(document: &Value) -> (&'static str, Bytes) {
    ("schema", document.to_string().into())
}

async fn state(project: &Project<'_>) -> Value {
    let mut state = json!({});
    for path in ["/functions", "/tables", "/policies", "/schema/history"] {
        state[path] = project.get(path).await;
    }
    state
}

#[tokio::test]
async fn functions_and_their_policies_serve_together_at_one_number() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let parts = [
        manifest("one", ""),
        component(hello("one")),
        manifest("two", "path = \"/second\""),
        component(hello("two")),
        manifest("behaviours", ""),
        component(guest("behaviours")),
        schema(&own_rows("notes")),
    ];
    let sent = form(&project, "?message=release%201", &parts).send().await;
    let said = sent.expect(201).json();
    let names: Vec<_> = said["functions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["one", "two", "behaviours"]);
    assert_eq!(said["schema"]["created_tables"], json!(["notes"]), "{said}");
    let seq = said["seq"].as_i64().unwrap();
    assert_eq!(said["schema"]["seq"], seq, "one number for all");
    assert_eq!(
        version_of(&project.fetch("/second").await.of_function(200)),
        1
    );
    assert_eq!(project.list("/policies").await.len(), 1);

    let again = form(&project, "", &parts).send().await.expect(201).json();
    assert!(
        again["functions"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["changed"] == false)
    );
    let audit = project.list("/audit?action=project.deploy").await;
    assert_eq!(audit.len(), 1, "{audit:?}");
    assert_eq!(audit[0]["metadata"]["message"], "release 1");
    assert_eq!(audit[0]["metadata"]["functions"][1]["name"], "two");
    let history = project.list("/functions/two/deployments").await;
    assert_eq!(history[0]["message"], "release 1");
}

#[tokio::test]
async fn where_the_third_is_refused_nothing_has_changed() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.upload("one", hello("one")).send().await.expect(201);
    project
        .upload("taken", hello("taken"))
        .send()
        .await
        .expect(201);
    let before = state(&project).await;
    let two = [
        manifest("one", ""),
        component(hello("next")),
        manifest("two", ""),
        component(hello("two")),
    ];
    let thirds: [(Vec<(&str, Bytes)>, u16, &str, &str); 6] = [
        (
            vec![
                manifest("three", "path = \"/taken\""),
                component(hello("three")),
            ],
            409,
            "already_exists",
            "function three",
        ),
        (
            vec![
                manifest("three", "isolation = \"shared\""),
                component(guest("hello-02")),
            ],
            400,
            "invalid_manifest",
            "functions.three.isolation",
        ),
        (
            vec![manifest("three", ""), component(guest("needs-unknown"))],
            422,
            "unknown_imports",
            "telepathy",
        ),
        (
            vec![manifest("one", ""), component(hello("three"))],
            400,
            "invalid_manifest",
            "functions.one",
        ),
        (vec![manifest("three", "")], 400, "bad_request", "manifest"),
        (
            vec![schema(&json!({ "tables": [{ "name": "more", "columns": [],
                "policies": [{ "name": "odd", "using": "nobody = 1" }] }] }))],
            400,
            "invalid_policy",
            "tables[0].policies[0]",
        ),
    ];
    for (third, status, code, mention) in thirds {
        let parts: Vec<_> = two.iter().cloned().chain(third).collect();
        let refused = form(&project, "", &parts).send().await;
        let problem = refused.problem(status, code).to_string();
        assert!(problem.contains(mention), "{mention}: {problem}");
        assert_eq!(state(&project).await, before, "{mention}");
    }
    assert_eq!(version_of(&project.fetch("/one").await), 1);
}

#[tokio::test]
async fn what_is_no_release_is_refused_and_so_is_who_may_not() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let one = [manifest("one", ""), component(hello("one"))];
    let backwards: Vec<_> = one.iter().rev().cloned().collect();
    for parts in [
        &backwards[..],
        &[("odd", Bytes::new())],
        &[schema(&json!({}))],
    ] {
        let refused = form(&project, "", parts).send().await;
        assert_eq!(refused.status, 400, "{refused:?}");
    }
    let no_form = project
        .control(Method::POST, "/deployments")
        .json(&json!({}));
    no_form.send().await.problem(400, "bad_request");
    let viewer = app.operator(ControlRole::Viewer);
    let by_viewer = form(&project, "", &one).bearer(&viewer).send().await;
    by_viewer.problem(403, "forbidden");
    let odd = form(&project, "?massage=a", &one).send().await;
    odd.problem(400, "invalid_query");
    assert!(project.list("/functions").await.is_empty());
}

#[tokio::test]
async fn policies_of_before_come_back_with_the_version_of_before() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let release = |mark: &str, using: &str| {
        let document = json!({ "tables": [{ "name": "notes",
            "columns": [{ "name": "title", "type": "text" }],
            "policies": [{ "name": "who", "commands": ["select"], "using": using }] }] });
        [
            manifest("one", ""),
            component(hello(mark)),
            schema(&document),
        ]
    };
    form(&project, "", &release("one", "true"))
        .send()
        .await
        .expect(201);
    form(&project, "", &release("two", "title = 'a'"))
        .send()
        .await
        .expect(201);
    let back = project.control(Method::POST, "/functions/one/rollback");
    let back = back.json(&json!({ "with_policies": true })).send().await;
    let restored = &back.expect(200).json()["policies"]["restored"];
    assert_eq!(restored, &json!(["notes: who"]));
    assert_eq!(project.list("/policies").await[0]["using"], "true");
}

#[tokio::test]
async fn a_folder_of_functions_is_deployed_from_the_command_line() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    for name in ["cart", "orders"] {
        let lines = format!("name = \"{name}\"\ncomponent = \"{name}.wasm\"\n");
        write(&format!("{name}/koyalite.toml"), lines.as_bytes());
        write(&format!("{name}/{name}.wasm"), &hello(name));
    }
    write("schema.json", own_rows("notes").to_string().as_bytes());
    let shell = CommandLine::of(&app, &project.name);
    let all = ["deploy", "--all", ".", "--message", "both"];
    let said = shell.run(folder.path(), &all).await.expect(0);
    assert!(
        said.contains("made table notes") && said.contains("orders"),
        "{said}"
    );
    for name in ["cart", "orders"] {
        project.fetch(&format!("/{name}")).await.of_function(200);
    }
    write("cart/cart.wasm", b"no component");
    let refused: Answer = project.fetch("/cart").await;
    assert_eq!(version_of(&refused), 1);
    assert_eq!(shell.run(folder.path(), &all).await.code, 1);
}
