//! What operators do with schedules: made over the API, shown in plain words, paused, run by hand,
//! backfilled, looked at.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::schedules::firings;
use crate::support::{CommandLine, Project, TestApp, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

async fn post(project: &Project<'_>, path: &str, body: &Value) -> crate::support::Answer {
    project.control(Method::POST, path).json(body).send().await
}

/// A schedule that is far from being due.
async fn rare(project: &Project<'_>) -> Value {
    project.schema(&firings()).await;
    project.deploy_as("clock", "cron-only", "").await;
    let wanted = json!({
        "function": "clock", "name": "rare", "cron": "0 3 1 1 *", "timezone": "Europe/Berlin",
        "retries": 2,
    });
    post(project, "/schedules", &wanted)
        .await
        .expect(201)
        .json()
}

/// The runs that are over, once there are so many.
async fn over(project: &Project<'_>, enough: usize) -> Vec<Value> {
    eventually("runs that are over", PATIENCE, async || {
        let mut runs = project.list("/schedules/clock.rare/runs").await;
        runs.retain(|run| run["status"] == "succeeded");
        (runs.len() >= enough).then_some(runs)
    })
    .await
}

#[tokio::test]
async fn a_schedule_made_over_the_api_is_changed_where_it_is_and_keeps_its_runs() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    rare(&project).await;
    post(&project, "/schedules/clock.rare/run", &json!({}))
        .await
        .expect(201);
    over(&project, 1).await;
    let path = "/schedules/clock.rare";
    let seen = project.control(Method::GET, path).send().await;
    let tag = seen.header("etag").to_owned();
    let change = |body: Value| {
        let patch = project
            .control(Method::PATCH, path)
            .header("if-match", &tag);
        patch.json(&body)
    };
    let wanted = json!({ "cron": "0 4 1 1 *", "retries": null, "overlap": "queue" });
    let changed = change(wanted.clone()).send().await.expect(200).json();
    assert_eq!(changed["id"], seen.json()["id"]);
    let next = changed["next_run"].as_str().unwrap();
    assert!(next.ends_with("-01-01T03:00:00Z"), "{next}");
    assert_eq!(
        (
            &changed["overlap"],
            &changed["retries"],
            &changed["timezone"]
        ),
        (&json!("queue"), &json!(0), &json!("Europe/Berlin"))
    );
    assert_eq!(over(&project, 1).await.len(), 1);
    // Whoever has not seen that is told so; a firing in between would change nothing.
    change(wanted)
        .send()
        .await
        .problem(412, "precondition_failed");
    let other = |body: Value| project.control(Method::PATCH, path).json(&body).send();
    other(json!({ "name": "other" })).await.expect(400);
    other(json!({ "cron": "never" })).await.expect(400);
    other(json!({ "crom": "0 5 1 1 *" })).await.expect(400);
}

#[tokio::test]
async fn a_schedule_made_over_the_api_is_shown_in_plain_words_with_its_next_firings() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let made = rare(&project).await;
    assert_eq!(
        (&made["task"], &made["origin"]),
        (&json!("clock.rare"), &json!("api"))
    );
    assert_eq!(made["next"].as_array().unwrap().len(), 5);
    assert_eq!(made["next"][0], made["next_run"]);
    assert!(
        made["next"][0]
            .as_str()
            .unwrap()
            .ends_with("-01-01T02:00:00Z"),
        "{made}"
    );
    let words = made["description"].as_str().unwrap();
    assert!(
        words.contains("03:00") && words.contains("Europe/Berlin"),
        "{words}"
    );
    assert_eq!(
        (&made["overlap"], &made["retries"]),
        (&json!("skip"), &json!(2))
    );
    assert_eq!(project.get("/schedules/clock.rare").await, made);

    // A second one of the name, and one that makes no sense, are refused; so is the name in a manifest.
    let again = json!({ "function": "clock", "name": "rare", "cron": "* * * * *" });
    post(&project, "/schedules", &again)
        .await
        .problem(409, "already_exists");
    let wrong = json!({ "function": "clock", "name": "x", "cron": "* * *", "overlap": "maybe" });
    let refused = post(&project, "/schedules", &wrong).await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.json()["errors"].as_array().unwrap().len(),
        2,
        "{refused:?}"
    );
    let unknown = json!({ "function": "nobody", "name": "x", "cron": "* * * * *" });
    assert_eq!(post(&project, "/schedules", &unknown).await.status, 404);
    let manifest = "name = \"clock\"\n[[schedules]]\nname = \"rare\"\ncron = \"* * * * *\"";
    let upload = project.upload_with("clock", &crate::support::guest("cron-only"), manifest);
    upload.send().await.problem(409, "already_exists");

    // A deploy leaves it alone; whoever made it removes it, and its runs stay with the name.
    project
        .deploy_as("clock", "cron-only", "[config]\na = \"b\"")
        .await;
    assert_eq!(project.list("/schedules").await.len(), 1);
    let delete = project.control(Method::DELETE, "/schedules/clock.rare");
    delete.send().await.expect(204);
    assert_eq!(project.list("/schedules").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_schedule_of_the_manifest_is_paused_but_not_deleted_and_rolls_back() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let lines = "[[schedules]]\nname = \"often\"\ncron = \"* * * * * *\"\nretries = 1\n";
    project.deploy_as("hello", "hello", lines).await;
    let delete = project.control(Method::DELETE, "/schedules/hello.often");
    delete.send().await.problem(409, "in_use");
    let paused = post(&project, "/schedules/hello.often/pause", &json!({})).await;
    let paused = paused.expect(200).json();
    assert_eq!(
        (&paused["status"], &paused["next_run"]),
        (&json!("paused"), &Value::Null)
    );
    assert_eq!(
        paused["next"].as_array().unwrap().len(),
        5,
        "were it resumed"
    );
    let resumed = post(&project, "/schedules/hello.often/resume", &json!({})).await;
    assert_eq!(resumed.expect(200).json()["status"], "active");

    let other = "[[schedules]]\nname = \"often\"\ncron = \"0 0 * * *\"\n";
    project.deploy_as("hello", "hello", other).await;
    assert_eq!(project.get("/schedules/hello.often").await["retries"], 0);
    let back = post(&project, "/functions/hello/rollback", &json!({})).await;
    back.expect(200);
    let task = project.get("/schedules/hello.often").await;
    assert_eq!(
        (&task["cron_schedule"], &task["retries"]),
        (&json!("* * * * * *"), &json!(1))
    );
}

#[tokio::test]
async fn a_run_by_hand_happens_now_and_its_row_says_all() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    rare(&project).await;
    let asked = post(&project, "/schedules/clock.rare/run", &json!({})).await;
    let asked = asked.expect(201).json();
    let run = over(&project, 1).await.remove(0);
    assert_eq!(
        (&run["id"], &run["trigger"]),
        (&asked["id"], &json!("manual"))
    );
    for field in [
        "scheduled_for",
        "started_at",
        "finished_at",
        "invocation_id",
        "node",
    ] {
        assert!(run[field].is_string(), "{field}: {run}");
    }
    let log = app
        .control(Method::GET, run["log"].as_str().unwrap())
        .send()
        .await;
    let log = log.expect(200).text();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("rare due"), "{log}");
}

#[tokio::test]
async fn a_range_of_the_past_is_backfilled_once_and_found_by_filters() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    rare(&project).await;
    let range = json!({ "from": "2020-01-01T00:00:00Z", "to": "2023-01-01T00:00:00Z" });
    let fill = post(&project, "/schedules/clock.rare/backfill", &range).await;
    assert_eq!(
        fill.expect(201).json(),
        json!({ "due": 3, "enqueued": 3, "left": 0 })
    );
    let runs = over(&project, 3).await;
    let times: Vec<&str> = runs
        .iter()
        .map(|run| run["scheduled_for"].as_str().unwrap())
        .collect();
    assert_eq!(
        times,
        [
            "2022-01-01T02:00:00Z",
            "2021-01-01T02:00:00Z",
            "2020-01-01T02:00:00Z"
        ]
    );
    let again = post(&project, "/schedules/clock.rare/backfill", &range).await;
    assert_eq!(
        again.expect(201).json(),
        json!({ "due": 3, "enqueued": 0, "left": 3 })
    );

    let found = async |query: &str| {
        project
            .list(&format!("/schedules/clock.rare/runs?{query}"))
            .await
            .len()
    };
    assert_eq!(found("trigger=backfill&status=succeeded").await, 3);
    assert_eq!(
        found("from=2021-01-01T00:00:00Z&to=2021-06-01T00:00:00Z").await,
        1
    );
    assert_eq!(found("status=failed").await, 0);
    let first = project.get("/schedules/clock.rare/runs?limit=2").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(found(&format!("limit=2&cursor={cursor}")).await, 1);
    let wrong = project.control(Method::GET, "/schedules/clock.rare/runs?status=done");
    assert_eq!(wrong.send().await.status, 400);
    let log = project.list("/audit?limit=1000").await;
    let actions: Vec<_> = log
        .iter()
        .filter(|e| e["target_id"] == "clock.rare")
        .map(|e| &e["action"])
        .collect();
    assert_eq!(
        actions,
        ["schedule.backfill", "schedule.backfill", "schedule.create"]
    );
    for bad in [
        json!({ "from": "2023-01-01T00:00:00Z", "to": "2020-01-01T00:00:00Z" }),
        json!({ "from": "2020-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z" }),
        json!({ "from": "yesterday", "to": "today" }),
    ] {
        let refused = post(&project, "/schedules/clock.rare/backfill", &bad).await;
        assert_eq!(refused.status, 400, "{bad}");
    }
}

/// Without the `scheduled` export, a function knows its scheduler by one call of the SDK.
#[tokio::test]
async fn a_function_that_is_scheduled_by_its_path_knows_the_host_from_everybody_else() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&firings()).await;
    project.deploy("behaviours").await;
    let wanted = json!({
        "function": "behaviours", "name": "rare", "cron": "0 0 1 1 *", "path": "/behaviours/fired",
    });
    post(&project, "/schedules", &wanted).await.expect(201);
    post(&project, "/schedules/behaviours.rare/run", &json!({}))
        .await
        .expect(201);
    eventually("a run by its path", PATIENCE, async || {
        let runs = project.list("/schedules/behaviours.rare/runs").await;
        (runs[0]["status"] == "succeeded").then_some(())
    })
    .await;
    let pretending = project
        .call(Method::POST, "/behaviours/fired")
        .header("koyalite-task", "rare")
        .header("koyalite-scheduled-for", "2026-01-01T00:00:00Z")
        .header("koyalite-attempt", "1");
    assert_eq!(pretending.send().await.status, 403);
}

#[tokio::test]
async fn a_schedule_is_made_paused_and_removed_from_the_terminal() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    rare(&project).await;
    let shell = CommandLine::of(&app, &project.name);
    let home = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        let all = [&["schedules"], arguments].concat();
        shell.run(home.path(), &all).await.expect(0)
    };
    let create = [
        "create",
        "clock",
        "--name",
        "weekly",
        "--cron",
        "0 9 * * MON",
    ];
    let more = ["--overlap", "queue", "--retries", "3", "--catch-up", "none"];
    let made = run(&[&create[..], &more[..]].concat()).await;
    for part in [
        "clock.weekly",
        "Monday",
        "overlap queue",
        "retries 3",
        "made by the api",
    ] {
        assert!(made.contains(part), "{part}: {made}");
    }
    assert_eq!(
        made.lines()
            .filter(|line| line.contains("T09:00:00Z"))
            .count(),
        5,
        "{made}"
    );
    assert!(
        run(&["show", "clock.weekly"])
            .await
            .contains("it next fires at")
    );
    assert!(run(&["pause", "clock.weekly"]).await.contains("paused"));
    assert!(run(&["list"]).await.contains("paused"));
    assert!(run(&["resume", "clock.weekly"]).await.contains("active"));
    assert!(run(&["delete", "clock.weekly"]).await.contains("removed"));
    let gone = shell
        .run(home.path(), &["schedules", "show", "clock.weekly"])
        .await;
    assert!(
        gone.code == 1 && gone.errors.contains("clock.weekly"),
        "{gone:?}"
    );
}

#[tokio::test]
async fn runs_are_asked_for_and_looked_at_from_the_terminal() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    rare(&project).await;
    let shell = CommandLine::of(&app, &project.name);
    let home = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        let all = [&["schedules"], arguments].concat();
        shell.run(home.path(), &all).await.expect(0)
    };
    assert!(
        run(&["run", "clock.rare"])
            .await
            .contains("clock.rare runs as")
    );
    let range = [
        "--from",
        "2021-01-01T00:00:00Z",
        "--to",
        "2022-01-01T00:00:00Z",
    ];
    let filled = run(&[&["backfill", "clock.rare"], &range[..]].concat()).await;
    assert!(
        filled.contains("1 firings in the range: 1 enqueued"),
        "{filled}"
    );
    over(&project, 2).await;
    let runs = run(&["runs", "clock.rare", "--trigger", "backfill"]).await;
    assert!(
        runs.contains("2021-01-01T02:00:00Z") && !runs.contains("manual"),
        "{runs}"
    );
}
