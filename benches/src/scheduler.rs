//! Many tasks that are due at the same moment, on two nodes: each is enqueued once and run once, how soon;
//! and what as many tasks as one likes cost while none is due. graphile-worker does the same work beside
//! it, on the same Postgres, with two workers.
//!
//! Lateness is by the database's clock, from the time that a task was due: until its row was written, and
//! until its run was over. Rows are made past the control API, which would take longer than the bench.

mod graphile;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use tokio_postgres::{Client, NoTls};

use self::graphile::Graphile;
use crate::Setting;
use crate::koyalite::KoyaLite;
use crate::load::Numbers;
use crate::machine::Machine;
use crate::process;
use crate::report::{Goal, Report};
use crate::rounds::{Round, Row, row};

/// The smallest guest that there is: what is measured is what surrounds it.
const GUEST: &str = "hello-02";
/// The tasks are spread over so many projects with a function each.
const PROJECTS: usize = 10;
/// From the moment that the rows are there until they are due: both nodes have noticed.
const AHEAD_S: i64 = 3;
/// What done tasks are compared with: as many jobs, which are in its table before they are due.
const GRAPHILE_JOBS: &str = "graphile jobs done";
/// How long all may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(1800);

/// How much.
#[derive(Args, Clone, Copy)]
pub(crate) struct Sizes {
    /// Tasks that are due at the same moment
    #[arg(long, default_value_t = 100_000)]
    tasks: u32,
    /// Tasks that are there and not due, while the nodes idle
    #[arg(long, default_value_t = 1_000_000)]
    stored: u32,
}

/// What was seen of one thing that happened to every task.
pub(crate) struct Seen {
    count: u64,
    p50: Duration,
    p99: Duration,
    last: Duration,
}

/// Measures and prints.
///
/// # Errors
/// Where something does not start, or a task is enqueued twice or never.
pub(crate) async fn run(setting: &Setting, sizes: Sizes) -> anyhow::Result<()> {
    let machine = Machine::look();
    let koyalite = KoyaLite::start(setting).await?;
    let beside = koyalite.neighbour().await?.process;
    let nodes = [koyalite.process.id(), beside.id()];
    for number in 0..PROJECTS {
        let project = format!("p{number}");
        koyalite.project(&project).await?;
        koyalite.deploy((&project, "job"), GUEST, "").await?;
    }
    let client = connect(&koyalite).await?;
    let (enqueued, done, used) = herd(&client, nodes, sizes.tasks).await?;
    let idle = idle(&client, nodes, (sizes.stored, setting.time)).await?;
    let mut rows = vec![
        as_row(("enqueued", nodes[0]), &enqueued, used)?,
        as_row(("done", nodes[0]), &done, used)?,
    ];
    match graphile::measure(setting, &koyalite.database, sizes.tasks).await {
        Ok(Graphile { cron, jobs }) => {
            for (name, seen) in [
                ("graphile crontab enqueued", &cron.0),
                ("graphile crontab done", &cron.1),
                (GRAPHILE_JOBS, &jobs),
            ] {
                rows.push(as_row((name, nodes[0]), seen, Duration::ZERO)?);
            }
        }
        Err(error) => eprintln!("graphile-worker was not measured: {error:#}"),
    }
    let mut report = Report {
        bench: "scheduler",
        machine,
        rows,
        ratios: BTreeMap::new(),
        goals: BTreeMap::new(),
    };
    report.ratio("done_vs_graphile", ("done", GRAPHILE_JOBS), None);
    report.value("idle_cpu_share", idle, Goal::AtMost(0.02));
    drop(beside);
    koyalite.process.stop().await?;
    report.print(setting.json)
}

/// A connection to the node's database, as its owner.
///
/// # Errors
/// Where it is away.
pub(crate) async fn connect(koyalite: &KoyaLite) -> anyhow::Result<Client> {
    let database = &koyalite.database;
    let mut config = tokio_postgres::Config::new();
    config
        .host_path(database.socket_dir())
        .port(database.port());
    config.user(database.user()).dbname(database.database());
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Makes tasks, due at once or in a year, spread over the projects.
async fn make(client: &Client, (name, tasks): (&str, u32), due: &str) -> anyhow::Result<()> {
    let sql = format!(
        "INSERT INTO koyalite.scheduled_tasks
             (id, project_id, function_id, name, cron_schedule, timezone, status, next_run)
         SELECT gen_random_uuid(), f.project_id, f.id, '{name}' || n, '0 0 1 1 *', 'UTC', 'active',
             date_trunc('second', now()) + {due}
         FROM generate_series(1, {tasks}) n
         JOIN (SELECT id, project_id, row_number() OVER (ORDER BY id) AS nth
               FROM koyalite.functions) f ON f.nth = 1 + n % {PROJECTS}"
    );
    client.batch_execute(&sql).await?;
    client
        .batch_execute("ANALYZE koyalite.scheduled_tasks")
        .await?;
    Ok(())
}

/// All due at one moment: when they were enqueued, when they were done, and the nodes' CPU time for it.
async fn herd(
    client: &Client,
    nodes: [u32; 2],
    tasks: u32,
) -> anyhow::Result<(Seen, Seen, Duration)> {
    // Filled while they are far from due, then all moved to one moment.
    make(client, ("due", tasks), "interval '1 year'").await?;
    let before = cpu(nodes)?;
    let move_them = format!(
        "UPDATE koyalite.scheduled_tasks
         SET next_run = date_trunc('second', clock_timestamp()) + interval '{AHEAD_S} seconds'"
    );
    client.batch_execute(&move_them).await?;
    let deadline = Instant::now() + PATIENCE;
    let over = "SELECT count(*) FROM koyalite.runs WHERE finished_at IS NOT NULL";
    while client.query_one(over, &[]).await?.get::<_, i64>(0) < i64::from(tasks) {
        ensure!(Instant::now() < deadline, "not all were run in time");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let used = cpu(nodes)?.saturating_sub(before);
    let once =
        "SELECT count(*), count(DISTINCT task_id), count(*) FILTER (WHERE status = 'succeeded')
                FROM koyalite.runs";
    let counts = client.query_one(once, &[]).await?;
    let counts: [i64; 3] = [counts.get(0), counts.get(1), counts.get(2)];
    ensure!(
        counts == [i64::from(tasks); 3],
        "{tasks} tasks were due, and runs, tasks that ran and runs that succeeded are {counts:?}"
    );
    let enqueued = seen(client, "created_at").await?;
    Ok((enqueued, seen(client, "finished_at").await?, used))
}

async fn seen(client: &Client, column: &str) -> anyhow::Result<Seen> {
    let sql = format!(
        "SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY late),
             percentile_cont(0.99) WITHIN GROUP (ORDER BY late), max(late)
         FROM (SELECT extract(epoch FROM {column} - scheduled_for)::float8 AS late
               FROM koyalite.runs) lateness"
    );
    let row = client.query_one(&sql, &[]).await?;
    let seconds = |column| Duration::from_secs_f64(row.get::<_, f64>(column).max(0.0));
    Ok(Seen {
        count: row.get::<_, i64>(0).try_into()?,
        p50: seconds(1),
        p99: seconds(2),
        last: seconds(3),
    })
}

/// The share of one core that both nodes take together while so many tasks are stored and none is due.
async fn idle(
    client: &Client,
    nodes: [u32; 2],
    (stored, time): (u32, Duration),
) -> anyhow::Result<f64> {
    make(client, ("stored", stored), "interval '1 year'").await?;
    // What the herd has left behind settles first.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = cpu(nodes)?;
    tokio::time::sleep(time).await;
    let used = cpu(nodes)?.saturating_sub(before);
    Ok(used.as_secs_f64() / time.as_secs_f64())
}

fn cpu(nodes: [u32; 2]) -> anyhow::Result<Duration> {
    let mut sum = Duration::ZERO;
    for node in nodes {
        sum += process::cpu(node).context("a node has ended")?;
    }
    Ok(sum)
}

fn as_row(
    (name, process): (&'static str, u32),
    seen: &Seen,
    used: Duration,
) -> anyhow::Result<Row> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = seen.count as f64;
    let numbers = Numbers {
        requests: seen.count,
        per_second: count / seen.last.as_secs_f64().max(1e-6),
        p50: seen.p50,
        p99: seen.p99,
        p999: seen.last,
    };
    row((name, "tasks/s"), process, &[Round::new(numbers, used)])
}
