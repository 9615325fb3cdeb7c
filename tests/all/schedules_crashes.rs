//! Nodes that are killed or stopped in the middle of runs, again and again: no due time is lost, none
//! succeeds twice, and whoever was away writes nothing late.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::schedules::firings;
use super::schedules_nodes::{
    LEASE, PATIENCE, begun, caught_running, runs, second, steps, written,
};
use crate::support::{Chance, Launch, Project, Settings, TestApp, eventually, send};

/// How often a node is killed; `SCHEDULER_KILLS` asks for more.
const KILLS: u64 = 3;

/// One run: when it was due, its attempt, how it ended.
struct Row {
    due: DateTime<Utc>,
    attempt: i64,
    status: String,
    reason: String,
}

async fn rows(project: &Project<'_>, task: &str) -> Vec<Row> {
    let text = |run: &Value, field: &str| run[field].as_str().unwrap_or_default().to_owned();
    let row = |run: Value| Row {
        due: text(&run, "scheduled_for").parse().unwrap(),
        attempt: run["attempt"].as_i64().unwrap(),
        status: text(&run, "status"),
        reason: text(&run, "reason"),
    };
    let all = runs(project, task).await;
    all.into_iter().map(row).collect()
}

#[tokio::test]
async fn nodes_that_are_killed_again_and_again_lose_no_due_time_and_none_succeeds_twice() {
    let mut chance = Chance::seeded("SCHEDULER_SEED");
    let launch = Launch::serve()
        .await
        .set("KOYALITE_SCHEDULER_LEASE_S", LEASE);
    let one = TestApp::launch(launch).await;
    let project = one.project_named("restless").await;
    project.schema(&firings()).await;
    let lines = "[[schedules]]\nname = \"each-second\"\ncron = \"* * * * * *\"\n\
                 overlap = \"queue\"\ncatch_up = \"all\"\n";
    project.deploy_as("clock", "cron-only", lines).await;
    let other = second(&one.launch).await;
    let mut nodes = [one, other];
    for _ in 0..Settings::number("SCHEDULER_KILLS").unwrap_or(KILLS) {
        runs_go_on(&nodes[0].existing("restless"), chance.below(3)).await;
        // The nodes change places, so that either may be the next.
        if chance.below(2) == 0 {
            nodes.reverse();
        }
        let [victim, rest] = nodes;
        nodes = [victim.crash().await, rest];
    }
    let project = nodes[0].existing("restless");
    let last_kill = Utc::now();
    let task = "clock.each-second";
    let all = eventually(
        "what was due until then is over",
        PATIENCE * 3,
        async || {
            let mut all = rows(&project, task).await;
            let over = |row: &&Row| row.due <= last_kill && row.status == "succeeded";
            let newest = all.iter().filter(over).map(|row| row.due).max()?;
            all.retain(|row| row.due <= newest);
            let open = all
                .iter()
                .any(|row| row.status == "running" || row.status == "waiting");
            (newest >= last_kill - TimeDelta::seconds(1) && !open).then_some(all)
        },
    )
    .await;
    no_due_time_is_lost_and_none_succeeds_twice(&all);
    each_firing_was_seen(&project, &all).await;
}

/// Waits until one run has succeeded, and so many more.
async fn runs_go_on(project: &Project<'_>, more: u64) {
    let task = "clock.each-second";
    let over = async || {
        let all = rows(project, task).await;
        let over = |row: &&Row| row.status == "succeeded";
        all.iter().filter(over).count()
    };
    let before = over().await;
    let more = 1 + usize::try_from(more).unwrap();
    eventually("runs go on", PATIENCE, async || {
        (over().await >= before + more).then_some(())
    })
    .await;
}

fn no_due_time_is_lost_and_none_succeeds_twice(all: &[Row]) {
    let mut by_due: BTreeMap<DateTime<Utc>, Vec<&Row>> = BTreeMap::new();
    for row in all {
        by_due.entry(row.due).or_default().push(row);
    }
    let first = *by_due.keys().next().unwrap();
    for (second, (due, attempts)) in (0..).zip(&by_due) {
        assert_eq!(
            *due,
            first + TimeDelta::seconds(second),
            "a due time is lost"
        );
        let (last, before) = attempts.split_last().unwrap();
        assert_eq!(last.status, "succeeded", "{due}: {}", last.reason);
        for (number, row) in (1..).zip(attempts) {
            assert_eq!(row.attempt, number, "{due}");
        }
        for lost in before {
            let said = (lost.status.as_str(), lost.reason.split(':').next().unwrap());
            assert_eq!(said, ("failed", "lease_lost"), "{due}: {}", lost.reason);
        }
    }
}

/// What the function wrote: one row for each firing, and a second one only where an attempt was lost
/// after its write.
async fn each_firing_was_seen(project: &Project<'_>, all: &[Row]) {
    let client = project.app.launch.database().connect().await;
    let sql = "SELECT format('SELECT scheduled_for, attempt FROM %I.firings', database_schema)
               FROM koyalite.projects WHERE name = $1";
    let row = client.query_one(sql, &[&project.name]).await.unwrap();
    let written = client.query(row.get::<_, &str>(0), &[]).await.unwrap();
    let written: Vec<(DateTime<Utc>, i32)> =
        written.iter().map(|row| (row.get(0), row.get(1))).collect();
    let unique: BTreeSet<_> = written.iter().collect();
    assert_eq!(unique.len(), written.len(), "an attempt wrote twice");
    for row in all.iter().filter(|row| row.status == "succeeded") {
        let attempt = i32::try_from(row.attempt).unwrap();
        assert!(
            unique.contains(&(row.due, attempt)),
            "{} was not written",
            row.due
        );
    }
}

/// A node that stands still for longer than a lease, as in a paused virtual machine, and goes on as if
/// nothing had happened.
#[tokio::test]
async fn a_node_that_was_stopped_for_longer_than_its_lease_writes_nothing_when_it_wakes() {
    let launch = Launch::serve()
        .await
        .set("KOYALITE_SCHEDULER_LEASE_S", LEASE);
    let sleeper = TestApp::launch(launch).await;
    let project = sleeper.project_named("sleepy").await;
    project.schema(&steps()).await;
    let lines =
        "[config]\nwait_ms = \"2500\"\n[[schedules]]\nname = \"waits\"\ncron = \"0 0 1 1 *\"\n";
    project.deploy_as("clock", "cron-only", lines).await;
    let other = second(&sleeper.launch).await;
    let project = other.existing("sleepy");
    caught_running(&sleeper, &project).await;
    begun(&project, 1).await;
    send(sleeper.process.id(), libc::SIGSTOP);
    let again = eventually("the run is tried again elsewhere", PATIENCE, async || {
        let again = runs(&project, "clock.waits").await.pop()?;
        (again["attempt"] == 2 && again["finished_at"].is_string()).then_some(again)
    })
    .await;
    assert_eq!(again["status"], "succeeded", "{again}");
    send(sleeper.process.id(), libc::SIGCONT);
    // What it was in the middle of is broken off; a write on its way is refused by its fence.
    eventually("the sleeper knows that it is late", PATIENCE, async || {
        let log = sleeper.process.log();
        let late = log.contains("its lease was lost") || log.contains("ended after its lease");
        late.then_some(())
    })
    .await;
    let written = written(&project).await;
    assert_eq!(written[&1], ["began"]);
    assert_eq!(
        json!(written[&2]),
        json!(["batched", "began", "in a transaction", "inserted"])
    );
}
