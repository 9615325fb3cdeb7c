//! The line that a new user follows: `new`, build, `deploy`, `invoke`, `logs`, and the rest of the
//! commands, run as a person runs them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{ALICE, CommandLine, Launch, TestApp, eventually, guest, root};

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// A folder with a built function in it.
fn folder_of(name: &str, component: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("function.wasm"), guest(component)).unwrap();
    let manifest = format!("name = \"{name}\"\ncomponent = \"function.wasm\"\n");
    write(folder.path(), "koyalite.toml", &manifest);
    folder
}

/// Makes the folder of a new function share what building the examples has compiled already, in the
/// same versions: the story is about its own code.
fn share_compiled(folder: &Path) {
    let built = root().join("target/guests-build");
    std::os::unix::fs::symlink(built, folder.join("target")).unwrap();
    std::fs::copy(
        root().join("examples/Cargo.lock"),
        folder.join("Cargo.lock"),
    )
    .unwrap();
}

/// The words of the README, for the toolchain that has the target: the one in use, or the one that
/// `cargo xtask guests` has made where that has not.
fn build_arguments() -> Vec<&'static str> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", "wasm32-wasip2"]);
    let output = rustc.output().unwrap();
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut words = vec![
        "build",
        "--release",
        "--target",
        "wasm32-wasip2",
        "--offline",
    ];
    if !Path::new(&folder).is_dir() {
        words.insert(0, "+guest");
    }
    words
}

#[tokio::test]
async fn a_new_function_is_made_built_deployed_called_and_watched() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let shell = CommandLine::of(&app, &project.name);
    let home = tempfile::tempdir().unwrap();
    let sdk = root().join("sdk").display().to_string();
    let made = shell
        .run(home.path(), &["new", "todo", "my-api", "--sdk-path", &sdk])
        .await;
    assert!(made.expect(0).contains("koyalite deploy"));
    let folder = home.path().join("my-api");
    share_compiled(&folder);
    let built = shell
        .program(Command::new("cargo"), &folder, &build_arguments())
        .await;
    built.expect(0);

    let deployed = shell.run(&folder, &["deploy"]).await.expect(0);
    assert!(
        deployed.contains("my-api") && deployed.contains("http://"),
        "{deployed}"
    );
    let title = r#"{"title": "buy milk"}"#;
    let added = shell
        .run(
            &folder,
            &["invoke", "my-api", "--as", ALICE, "--data", title],
        )
        .await;
    assert!(added.expect(0).contains("buy milk"));
    let list = shell
        .run(&folder, &["invoke", "my-api", "--as", ALICE])
        .await
        .expect(0);
    assert!(list.contains("buy milk"), "{list}");
    let refused = shell.run(&folder, &["invoke", "my-api"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");

    eventually(
        "the log on the terminal",
        Duration::from_secs(30),
        async || {
            let log = shell.run(&folder, &["logs", "my-api"]).await.expect(0);
            (log.contains("201") || log.contains("200")).then_some(())
        },
    )
    .await;
    let again = shell.run(home.path(), &["new", "todo", "my-api"]).await;
    assert_eq!(again.code, 2, "what is there is not overwritten: {again:?}");
}

#[tokio::test]
async fn every_command_shows_a_table_to_people_and_json_to_programs() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let shell = CommandLine::of(&app, &project.name);
    let folder = folder_of("clock", "ticker");
    let schema = std::fs::read_to_string(root().join("examples/ticker/schema.json")).unwrap();
    write(folder.path(), "schema.json", &schema);
    let manifest = "name = \"clock\"\ncomponent = \"function.wasm\"\n[[schedules]]\n\
                    name = \"nightly\"\ncron = \"0 3 * * *\"\n";
    write(folder.path(), "koyalite.toml", manifest);
    shell.run(folder.path(), &["deploy"]).await.expect(0);
    for (command, shown) in [
        (&["functions"][..], "clock"),
        (&["versions", "clock"], "1"),
        (&["schedules"], "nightly"),
        (&["tables"], "ticks"),
        (&["policies", "list"], "everyone_reads"),
        (&["logs", "clock"], ""),
    ] {
        let human = shell.run(folder.path(), command).await.expect(0);
        assert!(human.contains(shown), "{command:?}: {human}");
        let json = [command, &["--json"]].concat();
        let machine = shell.run(folder.path(), &json).await.expect(0);
        for line in machine.lines().filter(|_| command[0] == "logs") {
            serde_json::from_str::<Value>(line).unwrap();
        }
        if command[0] != "logs" {
            let value: Value = serde_json::from_str(&machine).unwrap();
            assert!(value.to_string().contains(shown), "{command:?}: {machine}");
        }
    }
}

#[tokio::test]
async fn rolling_back_and_asking_for_an_older_version_work_from_the_terminal() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let shell = CommandLine::of(&app, &project.name);
    let (first, second) = (folder_of("hello", "hello"), folder_of("hello", "hello-02"));
    shell.run(first.path(), &["deploy"]).await.expect(0);
    shell.run(second.path(), &["deploy"]).await.expect(0);
    let here = first.path();
    let says = async |arguments: &[&str]| shell.run(here, arguments).await.expect(0);
    assert_eq!(says(&["invoke", "hello"]).await, "hello from WASI 0.2\n");
    assert_eq!(
        says(&["invoke", "hello", "--version", "1"]).await,
        "hello, world\n"
    );
    says(&["rollback", "hello"]).await;
    assert_eq!(says(&["invoke", "hello"]).await, "hello, world\n");
    says(&["rollback", "hello", "--to", "2"]).await;
    assert_eq!(says(&["invoke", "hello"]).await, "hello from WASI 0.2\n");
    says(&["functions", "disable", "hello"]).await;
    assert_eq!(shell.run(here, &["invoke", "hello"]).await.code, 1);
}

#[tokio::test]
async fn mistakes_end_with_a_code_that_means_something_and_a_word_of_help() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let shell = CommandLine::of(&app, &project.name);
    let empty = tempfile::tempdir().unwrap();
    let fails = async |arguments: &[&str], code: i32, mention: &str| {
        let finished = shell.run(empty.path(), arguments).await;
        assert_eq!(finished.code, code, "{arguments:?}: {finished:?}");
        assert!(
            finished.errors.contains(mention),
            "{arguments:?}: no {mention} in {finished:?}"
        );
    };
    fails(&["invoke", "nothing"], 1, "nothing").await;
    fails(&["logs", "nothing"], 1, "nothing").await;
    fails(&["rollback", "nothing"], 1, "nothing").await;
    fails(&["deploy"], 2, "koyalite.toml").await;
    fails(&["dance"], 2, "dance").await;
    fails(
        &["functions", "--control", "http://127.0.0.1:1"],
        3,
        "127.0.0.1:1",
    )
    .await;
    fails(&["functions", "--token", "nonsense"], 1, "token").await;
    let bare = CommandLine::bare()
        .run(empty.path(), &["--help"])
        .await
        .expect(0);
    for command in [
        "dev",
        "serve",
        "new",
        "deploy",
        "invoke",
        "logs",
        "rollback",
        "schedules",
    ] {
        assert!(bare.contains(command), "{command} is not in the help");
    }
}

#[tokio::test]
async fn dev_keeps_its_token_where_the_commands_find_it() {
    let app = TestApp::launch(Launch::dev()).await;
    app.project_named("mine").await;
    let folder = app.launch.folder();
    let shell = CommandLine::bare();
    let control = app.listening().control.clone();
    let listed = shell
        .run(
            folder,
            &[
                "functions",
                "--control",
                &control,
                "--project",
                "mine",
                "--json",
            ],
        )
        .await
        .expect(0);
    assert!(
        serde_json::from_str::<Value>(&listed)
            .unwrap()
            .to_string()
            .contains("items")
    );
    let shown = shell.run(folder, &["token", "show"]).await.expect(0);
    let kept = std::fs::read_to_string(app.launch.data().join("token")).unwrap();
    assert_eq!(shown.trim(), kept.trim());
    use std::os::unix::fs::PermissionsExt;
    for secret in ["token", "keys.json"] {
        let mode = std::fs::metadata(app.launch.data().join(secret))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
}

/// What an operator does once on a new machine, before anything runs.
#[tokio::test]
async fn a_production_node_gets_its_keys_and_its_first_token_from_the_terminal() {
    use std::os::unix::fs::PermissionsExt;
    let launch = Launch::serve().await;
    let (folder, shell) = (launch.folder(), CommandLine::bare());
    std::fs::remove_file(launch.keys()).unwrap();
    let create = &["keys", "create", "--file", "keys.json"][..];
    shell.run(folder, create).await.expect(0);
    let mode = std::fs::metadata(launch.keys())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = shell.run(folder, create).await;
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.errors.contains("never overwritten"), "{again:?}");

    let url = launch.database().url();
    let settings = format!("database_url = {url:?}\nkey_file = \"keys.json\"\n");
    write(folder, "node.toml", &settings);
    let bootstrap = &["token", "bootstrap", "--config", "node.toml"][..];
    let first = shell.run(folder, bootstrap).await.expect(0);
    let second = shell.run(folder, bootstrap).await;
    assert_eq!((second.code, second.output.as_str()), (1, ""), "{second:?}");
    assert!(second.errors.contains("was issued on"), "{second:?}");

    let app = TestApp::launch(launch.clone()).await;
    let control = app.listening().control.clone();
    let as_first = ["--control", &control, "--token", first.trim()];
    let operator = &[
        "token",
        "operator",
        "--subject",
        "ci",
        "--role",
        "developer",
        "--ttl",
        "60",
    ];
    let made = shell.run(folder, &[operator, &as_first[..]].concat()).await;
    let developer = made.expect(0);
    let as_developer = ["--control", &control, "--token", developer.trim()];
    let tried = shell
        .run(folder, &[operator, &as_developer[..]].concat())
        .await;
    assert_eq!(tried.code, 1, "{tried:?}");
    assert!(tried.errors.contains("operator:create"), "{tried:?}");
}

#[tokio::test]
async fn a_secret_is_shown_rotated_and_taken_from_a_file_or_standard_input_alone() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let secret = "0123456789abcdef0123456789abcdef";
    write(folder.path(), "secret.txt", &format!("{secret}\n"));
    let says = async |arguments: &[&str]| shell.run(folder.path(), arguments).await.expect(0);
    let first = says(&["jwt-secret", "show"]).await;
    let set = says(&["jwt-secret", "set", "--file", "secret.txt"]).await;
    assert!(!set.contains(secret), "{set}");
    assert_eq!(says(&["jwt-secret", "show"]).await.trim(), secret);
    let rotated = says(&["jwt-secret", "rotate"]).await;
    assert_eq!(says(&["jwt-secret", "show"]).await, rotated);
    assert!(rotated != first && rotated.trim() != secret);
    let empty = shell.run(folder.path(), &["jwt-secret", "set"]).await;
    assert_eq!(empty.code, 2, "nothing on standard input: {empty:?}");
    let argument = shell
        .run(folder.path(), &["jwt-secret", "set", secret])
        .await;
    assert_eq!(argument.code, 2, "{argument:?}");
}

#[tokio::test]
async fn rows_have_types_and_a_table_with_rows_is_dropped_only_if_one_says_so() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&crate::support::own_rows("notes")).await;
    project.deploy("behaviours").await;
    let alice = project.token(ALICE).await;
    let row =
        serde_json::json!({ "table": "notes", "rows": [{ "owner_id": ALICE, "title": "a" }] });
    let insert = project
        .call(http::Method::POST, "/behaviours/insert")
        .bearer(&alice);
    insert.json(&row).send().await.of_function(200);
    let shell = CommandLine::of(&app, &project.name);
    let here = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| shell.run(here.path(), arguments).await;
    let rust = run(&["tables", "types", "--lang", "rust"]).await.expect(0);
    assert!(
        rust.contains("pub struct Notes") && rust.contains("pub owner_id: String"),
        "{rust}"
    );
    assert!(
        rust.contains("pub rank: Option<koyalite::tables::Int8>"),
        "{rust}"
    );
    let script = run(&["tables", "types", "--lang", "typescript"])
        .await
        .expect(0);
    assert!(script.contains("rank: number | string | null;"), "{script}");
    assert!(
        run(&["tables", "notes"])
            .await
            .expect(0)
            .contains("owner_id")
    );
    let kept = run(&["tables", "drop", "notes"]).await;
    assert!(
        kept.code == 1 && kept.errors.contains("would_lose_data"),
        "{kept:?}"
    );
    run(&["tables", "drop", "notes.rank"]).await.expect(0);
    run(&["tables", "drop", "notes", "--lose-data"])
        .await
        .expect(0);
}
