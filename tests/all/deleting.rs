//! Projects that change and that end: what stays reachable, and that nothing is left behind.

use http::Method;
use serde_json::json;

use crate::support::{ALICE, CommandLine, Project, TestApp, guest, own_rows};

async fn hash_of(project: &Project<'_>, function: &str) -> String {
    let shown = project.get(&format!("/functions/{function}")).await;
    shown["sha256"].as_str().unwrap().to_owned()
}

/// Whether a file of the server's data has that in its name.
fn has_file(app: &TestApp, part: &str) -> bool {
    let mut folders = vec![app.launch.data()];
    while let Some(folder) = folders.pop() {
        // Postgres and the compiler make and remove files all the time.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains(part) {
                return true;
            }
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    false
}

fn is_logged(app: &TestApp, text: &str) -> bool {
    let files = std::fs::read_dir(app.launch.data().join("logs")).unwrap();
    let mut texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    texts.any(|lines| lines.contains(text))
}

#[tokio::test]
async fn a_deleted_project_is_gone_with_its_files_and_its_name_is_free() {
    let app = TestApp::start().await;
    let project = app.project_named("doomed").await;
    let id = project.get("").await["id"].as_str().unwrap().to_owned();
    project.schema(&own_rows("notes")).await;
    project.deploy("behaviours").await;
    project.deploy("hello").await;
    let other = app.project_named("neighbour").await;
    other.deploy("hello").await;
    let (own, shared) = (
        hash_of(&project, "behaviours").await,
        hash_of(&project, "hello").await,
    );
    project.fetch("/hello").await.of_function(200);
    let alice = project.token(ALICE).await;
    let rows = project
        .call(Method::GET, "/behaviours/whoami")
        .bearer(&alice);
    rows.send().await.of_function(200);
    assert!(!project.get_logs("hello").await.is_empty());
    assert!(has_file(&app, &own) && is_logged(&app, &id));

    let delete = |query: &str| project.control(Method::DELETE, query).send();
    delete("").await.problem(400, "unconfirmed");
    delete("?confirm=neighbour")
        .await
        .problem(400, "unconfirmed");
    project.fetch("/hello").await.of_function(200);
    delete("?confirm=doomed").await.expect(204);

    project
        .fetch("/hello")
        .await
        .problem(404, "unknown_project");
    delete("?confirm=doomed")
        .await
        .problem(404, "unknown_project");
    assert!(!has_file(&app, &own), "a component or its code is left");
    assert!(has_file(&app, &shared), "the neighbour's component is gone");
    assert!(!is_logged(&app, &id), "its records are left");
    other.fetch("/hello").await.of_function(200);

    let again = app.project_named("doomed").await;
    assert_ne!(again.get("").await["id"], id);
    assert!(again.list("/functions").await.is_empty());
    assert!(again.list("/tables").await.is_empty());
    again.deploy("behaviours").await;
    let strange = again.call(Method::GET, "/behaviours/whoami").bearer(&alice);
    strange.send().await.problem(401, "invalid_token");
}

#[tokio::test]
async fn the_functions_of_a_deleted_user_go_with_their_components() {
    let app = TestApp::start().await;
    let project = app.project().await;
    project.deploy("hello").await;
    let shared = hash_of(&project, "hello").await;
    let ada = json!({ "email": "ada@example.org", "password": "correct horse battery" });
    let mut wanted = ada.clone();
    wanted["role"] = json!("developer");
    let made = app.control(Method::POST, "/v1/users").json(&wanted);
    let made = made.send().await.expect(201).json();
    let sign_in = app.control(Method::POST, "/v1/auth/sign-in").anonymous();
    let session = sign_in.json(&ada).send().await.expect(200).json();
    let token = session["access_token"].as_str().unwrap();
    for (name, of) in [("behaviours", "behaviours"), ("again", "hello")] {
        let upload = project.upload(name, guest(of)).bearer(token);
        upload.send().await.expect(201);
    }
    let own = hash_of(&project, "behaviours").await;
    assert!(has_file(&app, &own));

    let path = format!("/v1/users/{}", made["id"].as_str().unwrap());
    let gone = app.control(Method::DELETE, &path).send().await;
    gone.expect(204);
    let nowhere = project.fetch("/behaviours/whoami").await;
    nowhere.problem(404, "unknown_function");
    assert!(!has_file(&app, &own), "a component or its code is left");
    assert!(has_file(&app, &shared), "another's component is gone");
    project.fetch("/hello").await.of_function(200);
}

#[tokio::test]
async fn a_deleted_function_can_be_deployed_anew() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    project
        .upload("hello", guest("hello-02"))
        .send()
        .await
        .expect(201);
    project.fetch("/hello").await.of_function(200);
    let delete = || project.control(Method::DELETE, "/functions/hello").send();
    delete().await.expect(204);
    delete().await.problem(404, "unknown_function");
    project
        .fetch("/hello")
        .await
        .problem(404, "unknown_function");
    let deployed = project.deploy("hello").await;
    assert_eq!(deployed["version"], 1, "{deployed}");
    project.fetch("/hello").await.of_function(200);
}

#[tokio::test]
async fn a_renamed_project_answers_to_its_new_name_alone() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    let renamed = format!("{}-new", project.name);
    let patch = |body| project.control(Method::PATCH, "").json(&body).send();
    let strangers = "00000000-0000-4000-8000-000000000000";
    patch(json!({ "owner_id": strangers }))
        .await
        .problem(400, "invalid_field");
    patch(json!({ "name": "Not A Name" }))
        .await
        .problem(400, "invalid_name");
    patch(json!({ "colour": "red" }))
        .await
        .problem(400, "unknown_field");
    let taken = app.project().await.name;
    patch(json!({ "name": taken }))
        .await
        .problem(409, "already_exists");
    let changed = patch(json!({ "name": renamed, "environment": "staging" }))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&changed["name"], &changed["environment"]),
        (&json!(renamed), &json!("staging"))
    );

    project
        .fetch("/hello")
        .await
        .problem(404, "unknown_project");
    app.existing(&renamed)
        .fetch("/hello")
        .await
        .of_function(200);
}

#[tokio::test]
async fn projects_are_kept_from_the_terminal() {
    let app = TestApp::shared().await;
    let name = format!("{}-cli", app.project().await.name);
    let shell = CommandLine::of(&app, &name);
    let here = tempfile::tempdir().unwrap();
    let says = async |arguments: &[&str]| shell.run(here.path(), arguments).await.expect(0);
    assert!(says(&["projects", "create", &name]).await.contains(&name));
    assert!(says(&["projects"]).await.contains(&name));
    assert!(says(&["projects", "show", &name]).await.contains("dev"));
    let update = ["projects", "update", &name, "--environment", "staging"];
    assert!(says(&update).await.contains("staging"));
    app.existing(&name).deploy("hello").await;
    says(&["functions", "delete", "hello"]).await;
    assert!(says(&["functions"]).await.contains("no functions yet"));
    let slip = shell
        .run(
            here.path(),
            &["projects", "delete", &name, "--confirm", "nam"],
        )
        .await;
    assert_eq!(slip.code, 1, "{slip:?}");
    says(&["projects", "delete", &name, "--confirm", &name]).await;
    assert_eq!(
        shell
            .run(here.path(), &["projects", "show", &name])
            .await
            .code,
        1
    );
}
