//! A backup as `docs/operating.md` writes it down: a dump of Postgres, the objects, the key ring. Brought
//! back on another machine, everything is there.

use std::path::Path;
use std::process::Command;

use http::Method;
use koyalite_runtime::postgres::Supervised;
use serde_json::json;

use crate::support::{ALICE, Launch, TestApp, own_postgres, own_rows};

/// A tool of the Postgres that runs in this folder: those of another release may refuse it.
fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let said = std::fs::read_to_string(folder.join("first/pg/pgdata/postmaster.pid")).unwrap();
    let process = said.lines().next().unwrap();
    let server = std::fs::read_link(format!("/proc/{process}/exe")).unwrap();
    let tool = server.with_file_name(program);
    let said = Command::new(&tool).args(arguments).output();
    let said = said.unwrap_or_else(|error| panic!("{}: {error}", tool.display()));
    let complaint = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{arguments:?}: {complaint}");
}

async fn launched(server: &Supervised) -> Launch {
    let launch = Launch::serve().await;
    launch.set("DATABASE_URL", &server.connection().url())
}

#[tokio::test]
async fn a_backup_brought_back_on_another_machine_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let first = own_postgres(&folder.path().join("first")).await;
    let app = TestApp::launch(launched(&first).await).await;
    let project = app.project_named("kept").await;
    project.schema(&own_rows("notes")).await;
    let lines = "secrets = [\"STRIPE_KEY\"]\n";
    project.deploy_as("writer", "behaviours", lines).await;
    let secret = project.control(Method::PUT, "/secrets/STRIPE_KEY");
    let secret = secret.json(&json!({ "value": "sk_live_kept" }));
    secret.send().await.expect(204);
    let token = project.token(ALICE).await;
    let row = json!({ "table": "notes", "rows": [{ "owner_id": ALICE, "title": "kept" }] });
    let insert = project.call(Method::POST, "/writer/insert").bearer(&token);
    insert.json(&row).send().await.of_function(200);

    let from = first.connection().url();
    run(
        folder.path(),
        "pg_dumpall",
        &[
            "--roles-only",
            "--dbname",
            &from,
            "--file",
            &path("roles.sql"),
        ],
    );
    run(
        folder.path(),
        "pg_dump",
        &["--format=custom", "--file", &path("koyalite.dump"), &from],
    );
    let second = own_postgres(&folder.path().join("second")).await;
    let to = second.connection().url();
    // The role that is there already is complained of, and nothing else.
    run(
        folder.path(),
        "psql",
        &["--quiet", "--dbname", &to, "--file", &path("roles.sql")],
    );
    run(
        folder.path(),
        "pg_restore",
        &["--exit-on-error", "--dbname", &to, &path("koyalite.dump")],
    );
    let again = launched(&second).await;
    std::fs::copy(app.launch.keys(), again.keys()).unwrap();
    let objects = app.launch.data().join("objects").display().to_string();
    std::fs::create_dir_all(again.data()).unwrap();
    let into = again.data().display().to_string();
    let copied = Command::new("cp").args(["-r", &objects, &into]).status();
    assert!(copied.unwrap().success());
    drop(app);
    first.stop().await.unwrap();

    let app = TestApp::launch(again).await;
    let project = app.existing("kept");
    let query = json!({ "table": "notes", "columns": ["title"] });
    let select = project.call(Method::POST, "/writer/select").bearer(&token);
    let rows = select.json(&query).send().await.of_function(200).json();
    assert_eq!(rows, json!([{ "title": "kept" }]));
    let nobody = project.call(Method::POST, "/writer/select").json(&query);
    nobody.send().await.of_function(403);
    let secret = project.fetch("/writer/config?key=STRIPE_KEY").await;
    assert_eq!(secret.of_function(200).json(), "sk_live_kept");
    let seal = project.get("/audit/verify").await;
    assert_eq!(seal["findings"], json!([]), "{seal}");
    drop(app);
    second.stop().await.unwrap();
}
