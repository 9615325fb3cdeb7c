//! Secrets: set by operators, read by the functions that name them, seen nowhere else.

use http::Method;
use koyalite_runtime::keys::{ControlRole, KeyRing};
use serde_json::{Value, json};

use crate::support::{Answer, CommandLine, Launch, Project, TestApp};

const NAMED: &str = "secrets = [\"STRIPE_KEY\"]\n[config]\ngreeting = \"good day\"\n";

async fn set(project: &Project<'_>, name: &str, value: &str) -> Answer {
    project
        .control(Method::PUT, &format!("/secrets/{name}"))
        .json(&json!({ "value": value }))
        .send()
        .await
}

async fn read(project: &Project<'_>, function: &str, key: &str) -> Value {
    let path = format!("/{function}/config?key={key}");
    project.fetch(&path).await.of_function(200).json()
}

#[tokio::test]
async fn a_secret_reaches_the_functions_that_name_it_and_changes_without_a_deploy() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy_as("pays", "behaviours", NAMED).await;
    project.deploy_as("other", "behaviours", "").await;
    assert_eq!(read(&project, "pays", "STRIPE_KEY").await, Value::Null);
    for value in ["sk_live_first", "sk_live_second"] {
        set(&project, "STRIPE_KEY", value).await.expect(204);
        assert_eq!(read(&project, "pays", "STRIPE_KEY").await, value);
    }
    set(&project, "UNNAMED", "hidden").await.expect(204);
    for (function, key, value) in [
        ("pays", "greeting", json!("good day")),
        ("pays", "UNNAMED", Value::Null),
        ("other", "STRIPE_KEY", Value::Null),
    ] {
        assert_eq!(
            read(&project, function, key).await,
            value,
            "{function} {key}"
        );
    }
    let versions = project.list("/functions/pays/versions").await;
    assert_eq!(versions.len(), 1, "no deploy was needed");

    let listed = project
        .control(Method::GET, "/secrets")
        .send()
        .await
        .expect(200);
    assert!(!listed.text().contains("sk_live"), "{listed:?}");
    let names: Vec<_> = listed.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| secret["name"].clone())
        .collect();
    assert_eq!(names, ["STRIPE_KEY", "UNNAMED"]);

    let delete = || {
        project
            .control(Method::DELETE, "/secrets/STRIPE_KEY")
            .send()
    };
    delete().await.expect(204);
    delete().await.problem(404, "unknown_secret");
    assert_eq!(read(&project, "pays", "STRIPE_KEY").await, Value::Null);
    let log = std::fs::read_to_string(app.launch.log()).unwrap();
    assert!(
        log.contains("STRIPE_KEY") && !log.contains("sk_live"),
        "a value is in the log"
    );
}

#[tokio::test]
async fn what_is_no_secret_is_refused() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    for name in ["1A", "A-B", &"A".repeat(65)] {
        set(&project, name, "x").await.problem(400, "invalid_field");
    }
    for value in [String::new(), "x".repeat(8 * 1024 + 1)] {
        set(&project, "A", &value)
            .await
            .problem(400, "invalid_field");
    }
    for manifest in [
        "name = \"f\"\nsecrets = \"A\"\n",
        "name = \"f\"\nsecrets = [\"a b\"]\n",
        "name = \"f\"\nsecrets = [\"a\"]\n[config]\na = \"b\"\n",
    ] {
        let upload = project.upload_with("f", &crate::support::guest("hello"), manifest);
        upload.send().await.problem(400, "invalid_manifest");
    }
    let viewer = app.operator(ControlRole::Viewer);
    let change = project
        .control(Method::DELETE, "/secrets/A")
        .bearer(&viewer);
    change.send().await.problem(403, "forbidden");
}

#[tokio::test]
async fn secrets_are_kept_from_the_terminal_and_never_written_on_its_command_line() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy_as("pays", "behaviours", NAMED).await;
    let shell = CommandLine::of(&app, &project.name);
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("key.txt"), "sk_live_file\n").unwrap();
    let says = async |arguments: &[&str]| shell.run(here.path(), arguments).await.expect(0);
    says(&["secrets", "set", "STRIPE_KEY", "--file", "key.txt"]).await;
    assert_eq!(read(&project, "pays", "STRIPE_KEY").await, "sk_live_file");
    let list = says(&["secrets", "list"]).await;
    assert!(
        list.contains("STRIPE_KEY") && !list.contains("sk_live"),
        "{list}"
    );
    let told = shell
        .run(
            here.path(),
            &["secrets", "set", "STRIPE_KEY", "sk_live_argument"],
        )
        .await;
    assert_eq!(told.code, 2, "{told:?}");
    says(&["secrets", "delete", "STRIPE_KEY"]).await;
    assert!(says(&["secrets", "list"]).await.contains("no secrets yet"));
}

/// Values sealed with the new key are read after a restart with a ring that has that key alone.
#[tokio::test]
async fn a_rotated_ring_seals_everything_anew_while_all_goes_on() {
    let app = TestApp::launch(Launch::serve().await).await;
    let project = app.project_named("keeps").await;
    project.deploy_as("pays", "behaviours", NAMED).await;
    set(&project, "STRIPE_KEY", "sk_live_kept")
        .await
        .expect(204);
    let before = KeyRing::open(&app.launch.keys()).unwrap().active_id();
    let token = project.token("somebody").await;

    let shell = CommandLine::of(&app, "keeps");
    let file = app.launch.keys().display().to_string();
    let here = tempfile::tempdir().unwrap();
    let rotate = ["keys", "rotate", "--file", &file];
    let said = shell.run(here.path(), &rotate).await.expect(0);
    let after = KeyRing::open(&app.launch.keys()).unwrap().active_id();
    assert_ne!(before, after);
    assert!(said.contains(&after.to_string()), "{said}");
    let again = shell.run(here.path(), &["keys", "reseal"]).await.expect(0);
    assert!(again.contains("; 0 stored secrets"), "{again}");

    assert_eq!(read(&project, "pays", "STRIPE_KEY").await, "sk_live_kept");
    set(&project, "STRIPE_KEY", "sk_live_new").await.expect(204);
    let app = app.crash().await;
    let project = app.existing("keeps");
    assert_eq!(read(&project, "pays", "STRIPE_KEY").await, "sk_live_new");
    let call = project.call(Method::GET, "/pays/whoami").bearer(&token);
    call.send().await.of_function(200);
}
