//! Killed without warning, again and again: the next start recovers by itself, and what was
//! acknowledged is there.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::draining::postmaster;
use crate::support::{
    ALICE, Launch, Project, TestApp, eventually, guest, other_bytes, own_rows, send,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Enough to hit different moments, few enough to be done in half a minute.
const ROUNDS: u32 = 5;

/// What was acknowledged so far.
#[derive(Default)]
struct Acknowledged {
    titles: Vec<String>,
    version: u32,
}

/// Writes rows and deploys until the server is gone.
async fn work(project: &Project<'_>, token: &str, round: u32, done: &mut Acknowledged) {
    for number in 0.. {
        let title = format!("{round}.{number}");
        let row = json!({ "table": "notes", "rows": [{ "owner_id": ALICE, "title": title }] });
        let call = project
            .call(Method::POST, "/writer/insert")
            .bearer(token)
            .json(&row);
        match call.attempt().await {
            Some(answer) if answer.status == 200 => done.titles.push(title),
            Some(_) => {}
            None => return,
        }
        if number % 10 == 5 {
            let bytes = other_bytes(&guest("hello"), &format!("round {round} number {number}"));
            match project.upload("hello", bytes).attempt().await {
                Some(answer) if answer.status == 201 => {
                    done.version =
                        u32::try_from(answer.json()["version"].as_u64().unwrap()).unwrap();
                }
                Some(_) => {}
                None => return,
            }
        }
    }
}

async fn prepare(app: &TestApp) -> String {
    let project = app.project_named("survivor").await;
    project.schema(&own_rows("notes")).await;
    project.deploy("hello").await;
    project.deploy_as("writer", "behaviours", "").await;
    project.token(ALICE).await
}

/// Everything that was acknowledged is there; what was under way may be there or not.
async fn all_is_there(project: &Project<'_>, token: &str, done: &Acknowledged) {
    let query = json!({ "table": "notes", "columns": ["title"], "limit": 1000 });
    let call = project
        .call(Method::POST, "/writer/select")
        .bearer(token)
        .json(&query);
    let rows = call.send().await.of_function(200).json();
    let rows: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["title"].as_str())
        .collect();
    for title in &done.titles {
        assert_eq!(
            rows.iter().filter(|row| *row == title).count(),
            1,
            "row {title}"
        );
    }
    let versions: Vec<Value> = project.list("/functions/hello/versions").await;
    assert!(
        versions.len() as u64 >= u64::from(done.version),
        "{versions:?}"
    );
    let answer = project.fetch("/hello").await.of_function(200);
    let serving: u32 = answer.header("koyalite-version").parse().unwrap();
    assert!(
        serving >= done.version,
        "{serving} serves after {} was there",
        done.version
    );
}

#[tokio::test]
async fn kill_9_of_the_server_loses_nothing_that_was_acknowledged() {
    let mut app = TestApp::launch(Launch::dev()).await;
    let token = prepare(&app).await;
    let mut done = Acknowledged {
        version: 1,
        ..Acknowledged::default()
    };
    for round in 0..ROUNDS {
        let project = app.existing("survivor");
        let before = done.titles.len();
        let server = app.process.id();
        let killer = async {
            // Some rows in, at another moment each round.
            let rows = 8 + 7 * round as usize;
            let path = "/functions/writer/logs?limit=1";
            while project.control(Method::GET, path).attempt().await.is_some() {
                if acknowledged_since(&project, &token).await >= before + rows {
                    send(server, libc::SIGKILL);
                }
            }
        };
        tokio::join!(work(&project, &token, round, &mut done), killer);
        app = app.crash().await;
        all_is_there(&app.existing("survivor"), &token, &done).await;
    }
    assert!(done.titles.len() > 20, "{} rows", done.titles.len());
}

async fn acknowledged_since(project: &Project<'_>, token: &str) -> usize {
    let query = json!({ "table": "notes", "columns": ["title"], "limit": 1000 });
    let call = project
        .call(Method::POST, "/writer/select")
        .bearer(token)
        .json(&query);
    match call.attempt().await {
        Some(answer) if answer.status == 200 => answer.json().as_array().map_or(0, Vec::len),
        _ => 0,
    }
}

#[tokio::test]
async fn kill_9_of_postgres_is_recovered_from_while_the_server_stays_up() {
    let app = TestApp::launch(Launch::dev()).await;
    let token = prepare(&app).await;
    let project = app.existing("survivor");
    let mut titles = Vec::new();
    for round in 0..ROUNDS {
        let title = format!("round {round}");
        let row = json!({ "table": "notes", "rows": [{ "owner_id": ALICE, "title": title }] });
        let written = eventually("a row is written", PATIENCE, async || {
            let call = project
                .call(Method::POST, "/writer/insert")
                .bearer(&token)
                .json(&row);
            let answer = call.send().await;
            if answer.status != 200 {
                // While Postgres is away, callers are told so; nothing else is an answer.
                assert!(answer.text().contains("database_"), "{answer:?}");
            }
            (answer.status == 200).then_some(())
        });
        written.await;
        titles.push(title);
        let killed = postmaster(&app.launch).expect("a running Postgres");
        send(killed, libc::SIGKILL);
        eventually("another Postgres", PATIENCE, async || {
            postmaster(&app.launch).filter(|now| *now != killed)
        })
        .await;
    }
    eventually("the node is ready again", PATIENCE, async || {
        let ready = app.control(Method::GET, "/readyz").send().await;
        (ready.status == 200).then_some(())
    })
    .await;
    let done = Acknowledged { titles, version: 1 };
    eventually("rows are read again", PATIENCE, async || {
        (acknowledged_since(&project, &token).await >= done.titles.len()).then_some(())
    })
    .await;
    all_is_there(&project, &token, &done).await;
    assert!(app.process.ended().is_none());
}

#[tokio::test]
async fn a_crash_of_both_at_once_is_recovered_from() {
    let app = TestApp::launch(Launch::dev()).await;
    let token = prepare(&app).await;
    let row = json!({ "table": "notes", "rows": [{ "owner_id": ALICE, "title": "kept" }] });
    let project = app.existing("survivor");
    let call = project
        .call(Method::POST, "/writer/insert")
        .bearer(&token)
        .json(&row);
    call.send().await.of_function(200);
    send(
        postmaster(&app.launch).expect("a running Postgres"),
        libc::SIGKILL,
    );
    let app = app.crash().await;
    let done = Acknowledged {
        titles: vec!["kept".to_owned()],
        version: 1,
    };
    all_is_there(&app.existing("survivor"), &token, &done).await;
}
