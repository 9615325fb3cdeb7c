//! Several nodes over one database: each due time runs once, whatever happens to a node, its clock or
//! Postgres; and whoever lost a run writes nothing more.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use serde_json::{Value, json};

use super::schedules::firings;
use crate::support::{Launch, Project, Settings, TestApp, eventually, own_postgres, send, skewed};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long Postgres is away; `SCHEDULER_OUTAGE_S` asks for longer.
const OUTAGE_S: u64 = 5;

/// The shortest lease that can be set, so that nobody waits long for the end of one.
pub(crate) const LEASE: &str = "6";

pub(crate) fn steps() -> Value {
    json!({ "tables": [{
        "name": "steps",
        "columns": [
            { "name": "attempt", "type": "integer" },
            { "name": "step", "type": "text" },
            { "name": "key", "type": "text" },
            { "name": "done", "type": "boolean", "default": false },
        ],
        "indexes": [{ "columns": ["attempt", "step"], "unique": true }],
        "policies": [
            { "name": "services", "roles": ["service_role"], "using": "true" },
            { "name": "everyone_reads", "commands": ["select"], "using": "true" },
        ],
    }]})
}

/// A second node beside the first: another folder, the same keys, objects and database.
pub(crate) async fn second(launch: &Launch) -> TestApp {
    TestApp::launch(launch.neighbour()).await
}

pub(crate) async fn runs(project: &Project<'_>, task: &str) -> Vec<Value> {
    let mut runs = project
        .list(&format!("/schedules/{task}/runs?limit=1000"))
        .await;
    runs.sort_by_key(|run| (run["scheduled_for"].to_string(), run["attempt"].as_i64()));
    runs
}

/// Runs that have begun a step, and what each attempt wrote.
pub(crate) async fn written(project: &Project<'_>) -> BTreeMap<i64, Vec<String>> {
    let client = project.app.launch.database().connect().await;
    let schema: String = client
        .query_one(
            "SELECT database_schema FROM koyalite.projects WHERE name = $1",
            &[&project.name],
        )
        .await
        .unwrap()
        .get(0);
    let sql = format!("SELECT attempt, step FROM \"{schema}\".steps ORDER BY attempt, step");
    let mut written: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for row in client.query(&sql, &[]).await.unwrap() {
        let attempt: i32 = row.get(0);
        written.entry(attempt.into()).or_default().push(row.get(1));
    }
    written
}

async fn deploy_waiting(project: &Project<'_>, wait_ms: u32) {
    project.schema(&steps()).await;
    let lines = format!(
        "[config]\nwait_ms = \"{wait_ms}\"\n[[schedules]]\nname = \"waits\"\ncron = \"0 0 1 1 *\"\n"
    );
    project.deploy_as("clock", "cron-only", &lines).await;
}

async fn run_now(project: &Project<'_>) {
    let asked = project.control(Method::POST, "/schedules/clock.waits/run");
    asked.json(&json!({})).send().await.expect(201);
}

pub(crate) async fn begun(project: &Project<'_>, attempt: i64) {
    eventually("an attempt has begun", PATIENCE, async || {
        written(project).await.contains_key(&attempt).then_some(())
    })
    .await;
}

/// Returns when a node is in the middle of a run of `clock.waits`, which either of two may take.
pub(crate) async fn caught_running(node: &TestApp, project: &Project<'_>) {
    let here = format!(":{}", node.process.id());
    for _ in 0..50 {
        run_now(project).await;
        let first = eventually("somebody runs it", PATIENCE, async || {
            runs(project, "clock.waits")
                .await
                .pop()
                .filter(|run| run["node"].is_string())
        })
        .await;
        if first["node"].as_str().unwrap().ends_with(&here) && first["status"] == "running" {
            return;
        }
        eventually("the run is over", PATIENCE, async || {
            let last = runs(project, "clock.waits").await.pop()?;
            last["finished_at"].is_string().then_some(())
        })
        .await;
        forget(project).await;
    }
    panic!("the node never takes a run");
}

/// As if there had been no run.
async fn forget(project: &Project<'_>) {
    let client = project.app.launch.database().connect().await;
    let clear = format!(
        "DELETE FROM koyalite.runs;
         DO $$ BEGIN EXECUTE (SELECT format('DELETE FROM %I.steps', database_schema)
         FROM koyalite.projects WHERE name = '{}'); END $$",
        project.name
    );
    client.batch_execute(&clear).await.unwrap();
}

/// Every write, alone, in a batch or at the end of a transaction, is refused where the lease was lost.
#[tokio::test]
async fn a_run_that_lost_its_lease_writes_nothing_more() {
    let app = TestApp::launch(Launch::serve().await).await;
    let project = app.project().await;
    deploy_waiting(&project, 2_500).await;
    run_now(&project).await;
    begun(&project, 1).await;
    let client = app.launch.database().connect().await;
    // As another node finds it after a silence.
    let silent = "UPDATE koyalite.runs SET lease_until = now() - interval '1 second'
                  WHERE status = 'running'";
    client.execute(silent, &[]).await.unwrap();
    let over = eventually("both attempts are over", PATIENCE, async || {
        let runs = runs(&project, "clock.waits").await;
        let over = runs.len() == 2 && runs.iter().all(|run| run["finished_at"].is_string());
        over.then_some(runs)
    })
    .await;
    assert_eq!(
        (&over[0]["status"], &over[1]["status"]),
        (&json!("failed"), &json!("succeeded"))
    );
    assert!(
        over[0]["reason"]
            .as_str()
            .unwrap()
            .starts_with("lease_lost"),
        "{over:?}"
    );
    let written = written(&project).await;
    assert_eq!(written[&1], ["began"]);
    assert_eq!(
        written[&2],
        ["batched", "began", "in a transaction", "inserted"]
    );
    let log = app
        .control(Method::GET, over[0]["log"].as_str().unwrap())
        .send()
        .await;
    let log = log.expect(200).text();
    for what in ["commit", "insert", "upsert", "update", "delete", "batch"] {
        assert!(
            log.contains(&format!("{what}: lease_lost")),
            "{what}: {log}"
        );
    }
}

#[tokio::test]
async fn a_node_that_is_killed_in_a_run_is_noticed_and_the_run_is_tried_again_elsewhere() {
    let launch = Launch::serve()
        .await
        .set("KOYALITE_SCHEDULER_LEASE_S", LEASE);
    let one = TestApp::launch(launch).await;
    let project = one.project_named("survivor").await;
    deploy_waiting(&project, 600).await;
    let other = second(&one.launch).await;
    let project = other.existing("survivor");
    caught_running(&one, &project).await;
    send(one.process.id(), libc::SIGKILL);
    let over = eventually("the second attempt is over", PATIENCE, async || {
        let runs = runs(&project, "clock.waits").await;
        let over = runs.len() >= 2 && runs.iter().all(|run| run["finished_at"].is_string());
        over.then_some(runs)
    })
    .await;
    assert_eq!(over.len(), 2, "{over:?}");
    assert!(
        over[0]["reason"]
            .as_str()
            .unwrap()
            .starts_with("lease_lost"),
        "{over:?}"
    );
    assert_eq!(
        (&over[1]["status"], &over[1]["attempt"]),
        (&json!("succeeded"), &json!(2))
    );
    assert_ne!(over[0]["node"], over[1]["node"]);
    let written = written(&project).await;
    assert_eq!(
        written[&2],
        ["batched", "began", "in a transaction", "inserted"]
    );
}

/// A function runs where it was deployed to, on a schedule as by a request; and where its project's data
/// may be.
#[tokio::test]
async fn a_firing_waits_for_a_node_of_its_functions_region() {
    let launch = Launch::serve().await.set("KOYALITE_REGION", "home");
    let here = TestApp::launch(launch).await;
    let project = here.project_named("traveller").await;
    project.schema(&firings()).await;
    for (function, region) in [("everywhere", "*"), ("far", "away")] {
        let lines = format!(
            "region = [\"{region}\"]\n[[schedules]]\nname = \"rare\"\ncron = \"0 0 1 1 *\"\n"
        );
        project.deploy_as(function, "cron-only", &lines).await;
        let path = format!("/schedules/{function}.rare/run");
        let asked = project.control(Method::POST, &path).json(&json!({}));
        asked.send().await.expect(201);
    }
    let over = async |task: &str| {
        let last = runs(&project, task).await.pop().unwrap();
        last["finished_at"].is_string().then_some(last)
    };
    let near = eventually("the near one has run", PATIENCE, async || {
        over("everywhere.rare").await
    });
    assert!(near.await["node"].as_str().unwrap().starts_with("home/"));
    // Asked for later and due before it: a node that could take it would have.
    let waiting = runs(&project, "far.rare").await.pop().unwrap();
    assert_eq!(waiting["status"], "waiting", "{waiting}");
    let away = here.launch.neighbour().set("KOYALITE_REGION", "away");
    let _away = TestApp::launch(away).await;
    let far = eventually("the far one has run", PATIENCE, async || {
        over("far.rare").await
    });
    assert!(far.await["node"].as_str().unwrap().starts_with("away/"));
}

/// Nothing that a node decides comes from its own clock: five minutes before and five minutes after make
/// no difference.
#[tokio::test]
async fn nodes_whose_clocks_are_ten_minutes_apart_fire_each_time_once_and_at_its_time() {
    let launch = Launch::serve().await;
    let early = TestApp::launch(skewed(launch, -300)).await;
    let late = TestApp::launch(skewed(early.launch.neighbour(), 300)).await;
    for (app, seconds) in [(&early, -300), (&late, 300)] {
        let answer = app.control(Method::GET, "/healthz").send().await;
        let said = DateTime::parse_from_rfc2822(answer.header("date")).unwrap();
        let off = (said.to_utc() - Utc::now()).num_seconds();
        assert!((off - seconds).abs() < 20, "the clock is {off} s off");
    }
    // The one that is ahead: to the other, tokens of these tests are of the future.
    let project = late.project_named("skewed").await;
    project.schema(&firings()).await;
    let lines =
        "[[schedules]]\nname = \"each-second\"\ncron = \"* * * * * *\"\noverlap = \"allow\"\n";
    project.deploy_as("clock", "cron-only", lines).await;
    let nodes = [&early, &late].map(|app| format!(":{}", app.process.id()));
    let all = eventually("both nodes have run some", PATIENCE, async || {
        let mut all = runs(&project, "clock.each-second").await;
        all.retain(|run| run["finished_at"].is_string());
        let ran = |node: &String| all.iter().any(|run| run["node"].to_string().contains(node));
        (all.len() >= 10 && nodes.iter().all(ran)).then_some(all)
    })
    .await;
    let client = early.launch.database().connect().await;
    let sql = "SELECT count(*), count(DISTINCT scheduled_for), max(started_at - scheduled_for) < interval '1 minute',
                   max(scheduled_for) - min(scheduled_for) = (count(*) - 1) * interval '1 second'
               FROM koyalite.runs";
    let row = client.query_one(sql, &[]).await.unwrap();
    let (count, times): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(count, times, "one row for each due time");
    assert!(
        row.get::<_, bool>(2),
        "a run is at its time by the database's clock"
    );
    assert!(row.get::<_, bool>(3), "no second is left out");
    assert!(
        all.iter().all(|run| run["status"] == "succeeded"),
        "{all:?}"
    );
}

/// Postgres goes, and comes back when firings are due: the schedule says what becomes of them.
#[tokio::test]
async fn what_was_due_while_postgres_was_away_is_up_to_the_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let server = own_postgres(folder.path()).await;
    let launch = Launch::serve()
        .await
        .set("DATABASE_URL", &server.connection().url());
    let app = TestApp::launch(launch).await;
    let project = app.project().await;
    project.schema(&firings()).await;
    let away = Settings::number("SCHEDULER_OUTAGE_S").unwrap_or(OUTAGE_S);
    let away = i64::try_from(away).unwrap();
    // At most a hundred firings of a task are made up for.
    let step = 1 + away / 100;
    let each = |name: &str| {
        format!(
            "[[schedules]]\nname = \"{name}\"\ncron = \"*/{step} * * * * *\"\ncatch_up = \"{name}\"\n"
        )
    };
    let lines = [each("latest"), each("all")].concat();
    project.deploy_as("clock", "cron-only", &lines).await;
    let handled = async |task: &str| {
        let all = runs(&project, task).await;
        all.iter()
            .filter(|run| run["finished_at"].is_string())
            .count()
    };
    let enough = async |count| {
        eventually("so many are handled", PATIENCE, async || {
            (handled("clock.latest").await >= count && handled("clock.all").await >= count)
                .then_some(())
        })
        .await;
    };
    enough(1).await;
    let before = handled("clock.all").await;
    server.stop().await.unwrap();
    let back = Utc::now() + TimeDelta::seconds(away);
    eventually("so many firings are due", PATIENCE * 4, async || {
        (Utc::now() > back).then_some(())
    })
    .await;
    assert!(app.process.ended().is_none(), "the node waits");
    let _server = own_postgres(folder.path()).await;
    enough(before + usize::try_from(away / step).unwrap() + 3).await;
    for task in ["clock.latest", "clock.all"] {
        let all = runs(&project, task).await;
        let times: Vec<_> = all
            .iter()
            .map(|run| run["scheduled_for"].as_str().unwrap())
            .collect();
        let first: DateTime<Utc> = times[0].parse().unwrap();
        let expected: Vec<_> = (0..)
            .take(times.len())
            .map(|n| first + TimeDelta::seconds(n * step))
            .collect();
        let times: Vec<DateTime<Utc>> = times.iter().map(|time| time.parse().unwrap()).collect();
        assert_eq!(times, expected, "{task}: one row for each due time");
        let missed = all.iter().filter(|run| run["status"] == "missed").count();
        assert_eq!(
            missed as i64 > away / step - 2,
            task == "clock.latest",
            "{task}: {all:?}"
        );
    }
}
