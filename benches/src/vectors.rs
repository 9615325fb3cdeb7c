//! The nearest ten of many rows, for callers who see all of them, a tenth, a hundredth, a thousandth: does
//! anything leak, are there always ten, are they the right ones, how soon. pgvector under native row security
//! does the same beside it, on the same Postgres and the same rows.
//!
//! Searches are asked of the host's own interface, without HTTP and WebAssembly in front: those are measured
//! by other benches. A tenant's rows are those of its clusters; a search is near to them or far from them. All of
//! it on rows that a generator makes, and on words that people have written, where their vectors are at hand.

mod data;
mod plain;
mod words;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use koyalite_host_api::Project;
use koyalite_host_api::db::{Databases, NodeLimits};
use koyalite_host_api::vectors::{SearchQuery, search};
use koyalite_policy::{Identity, User};
use koyalite_runtime::keys::KeyRing;
use koyalite_runtime::postgres::{Connection, Consent, Options, Supervised};
use koyalite_runtime::registry::vectors::build::build_next;
use koyalite_runtime::registry::{Environment, Registry, policies, projects, tables, vectors};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::{Client, NoTls};

use crate::machine::Machine;
use data::{Asked, Band, Set};
use words::Words;

/// How many rows a search asks for.
const K: usize = 10;
/// Searches of each kind before those that count: the graph is measured by then.
const WARM: usize = 24;
/// The recall that a band should reach.
const RECALL: f64 = 0.95;

/// How much, and where.
#[derive(Args, Clone)]
pub(crate) struct Sizes {
    /// Rows of the table
    #[arg(long, default_value_t = 100_000)]
    vectors: u32,
    /// Searches of each kind
    #[arg(long, default_value_t = 200)]
    searches: u32,
    /// The folder of the programs of a Postgres with pgvector
    #[arg(long, value_name = "FOLDER")]
    postgres: Option<PathBuf>,
    /// The vectors of real words
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,
}

/// What was seen of one kind of search.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Seen {
    who: &'static str,
    visible: String,
    asked: &'static str,
    leaks: usize,
    fill: f64,
    recall: f64,
    p50_micros: f64,
    p99_micros: f64,
    /// How often each way was taken.
    plans: HashMap<&'static str, usize>,
}

/// One answer: ids, how it was found, how long it took.
pub(crate) struct Answer {
    pub(crate) ids: Vec<i64>,
    pub(crate) plan: &'static str,
    pub(crate) took: Duration,
}

/// What was seen of one set of rows.
#[derive(Serialize)]
struct Measured {
    set: &'static str,
    dimensions: usize,
    build_seconds: f64,
    rows: Vec<Seen>,
}

#[derive(Serialize)]
struct Report {
    bench: &'static str,
    machine: Machine,
    vectors: u32,
    sets: Vec<Measured>,
}

/// Measures and prints.
///
/// # Errors
/// Where something does not start, or a search fails.
pub(crate) async fn run(sizes: Sizes, json: bool) -> anyhow::Result<()> {
    let machine = Machine::look();
    let mut sets = vec![measure(&sizes, &Set::Made).await?];
    if let Some(file) = &sizes.words {
        let words = Words::read(file, sizes.vectors)?;
        sets.push(measure(&sizes, &Set::Words(words)).await?);
    }
    let report = Report {
        bench: "vectors",
        machine,
        vectors: sizes.vectors,
        sets,
    };
    report.print(json)
}

async fn measure(sizes: &Sizes, set: &Set) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let options = Options {
        data_dir: folder.path().join("pg"),
        bin_dir: sizes.postgres.clone(),
        cache_dir: folder.path().join("cache"),
        path: None,
        consent: Consent::Refuse,
    };
    let postgres = Supervised::start(options, |_| {}).await?;
    let ring = Arc::new(KeyRing::create(&folder.path().join("keys.json"))?);
    let connection = postgres.connection();
    let registry = Registry::connect(connection.sqlx_options(), ring).await?;
    let client = connect(&connection).await?;
    let schema = make(&registry, set).await?;
    data::fill(&client, &schema, (set, sizes.vectors)).await?;
    let began = Instant::now();
    while build_next(&registry).await? {}
    let build_seconds = began.elapsed().as_secs_f64();
    let databases = Databases::new(connection.url().parse()?, NodeLimits::default())?;
    let name = "bench".parse()?;
    let snapshot = registry.snapshot();
    let project = snapshot.project(&name).context("no project")?;
    let project = project.for_host(&databases);
    let plain = plain::Plain::make(&client, &connection, &schema).await?;
    let mut rows = Vec::new();
    for (band, far) in data::kinds() {
        let asked = set.asked((band, far), sizes.vectors, sizes.searches)?;
        let truth = data::truth(&client, &schema, band, &asked).await?;
        let look = |who, answers: &[Answer]| Seen {
            who,
            visible: set.share(band, sizes.vectors),
            asked: far.word(),
            ..seen((set, band), answers, &truth)
        };
        rows.push(look(
            "koyalite",
            &by_koyalite(&project, band, &asked).await?,
        ));
        for (who, iterative) in [("pgvector + RLS", false), ("the same, iterative", true)] {
            rows.push(look(who, &plain.search(band, &asked, iterative).await?));
        }
    }
    Ok(Measured {
        set: set.word(),
        dimensions: set.dimensions(),
        build_seconds,
        rows,
    })
}

async fn connect(connection: &Connection) -> anyhow::Result<Client> {
    let mut config = tokio_postgres::Config::new();
    config
        .host_path(connection.socket_dir())
        .port(connection.port());
    config.user(connection.user()).dbname(connection.database());
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The project with its table, policies and index; the schema that its rows are in.
async fn make(registry: &Registry, set: &Set) -> anyhow::Result<String> {
    let name: koyalite_policy::ProjectName = "bench".parse()?;
    let new = projects::NewProject {
        name: name.clone(),
        environment: Environment::Dev,
        owner: registry.admin(),
    };
    projects::create(registry, new).await?;
    let table = serde_json::from_value(data::table(set.dimensions()))?;
    tables::create(registry, &name, &table).await?;
    for policy in data::policies() {
        let policy = serde_json::from_value(policy)?;
        policies::create(registry, &name, &policy, registry.admin()).await?;
    }
    let new = serde_json::from_value(json!({
        "table": "documents", "embedding_column": "embedding", "name": "near", "metric": "cosine",
    }))?;
    vectors::create(registry, &name, (&new, registry.admin())).await?;
    let snapshot = registry.snapshot();
    let project = snapshot.project(&name).context("no project")?;
    Ok(project.database.schema.clone())
}

#[derive(Deserialize)]
struct Row {
    id: i64,
}

async fn by_koyalite(
    project: &Project,
    band: Band,
    asked: &[Asked],
) -> anyhow::Result<Vec<Answer>> {
    let claims = serde_json::Map::from_iter([(band.claim().to_owned(), json!("0"))]);
    let caller = Identity::User(User::new("bench".to_owned(), claims));
    for asked in asked.iter().cycle().take(WARM) {
        ask(project, &caller, asked).await?;
        // The graph is measured in the background, one search at a time.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut answers = Vec::with_capacity(asked.len());
    for asked in asked {
        answers.push(ask(project, &caller, asked).await?);
    }
    Ok(answers)
}

async fn ask(project: &Project, caller: &Identity, asked: &Asked) -> anyhow::Result<Answer> {
    let query = SearchQuery {
        index: "near".to_owned(),
        vector: asked.clone(),
        k: u32::try_from(K)?,
        columns: vec!["id".to_owned()],
        ..SearchQuery::default()
    };
    let began = Instant::now();
    let found = search(project, caller, &query).await?;
    let took = began.elapsed();
    let rows: Vec<Row> = serde_json::from_str(&found.rows)?;
    Ok(Answer {
        ids: rows.into_iter().map(|row| row.id).collect(),
        plan: found.plan.as_str(),
        took,
    })
}

/// What the answers come to. `truth` has, for each, all ids that are among the nearest ten, ties included.
fn seen((set, band): (&Set, Band), answers: &[Answer], truth: &[BTreeSet<i64>]) -> Seen {
    let mut seen = Seen::default();
    let mut times: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
    times.sort_unstable();
    let (mut filled, mut right, mut wanted) = (0, 0, 0);
    for (answer, truth) in answers.iter().zip(truth) {
        let enough = truth.len().min(K);
        wanted += enough;
        filled += answer.ids.len().min(enough);
        right += answer.ids.iter().filter(|id| truth.contains(id)).count();
        seen.leaks += answer
            .ids
            .iter()
            .filter(|id| !set.shows(band, **id))
            .count();
        *seen.plans.entry(answer.plan).or_default() += 1;
    }
    let share = |part: usize| part as f64 / wanted.max(1) as f64;
    (seen.fill, seen.recall) = (share(filled), share(right));
    let at = |percent: usize| {
        let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times
            .get(place)
            .map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    (seen.p50_micros, seen.p99_micros) = (at(50), at(99));
    seen
}

impl Report {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        println!("{}: {}", self.bench, self.machine.line());
        for measured in &self.sets {
            println!();
            measured.print(self.vectors);
        }
        if let Some(warning) = self.machine.warning() {
            println!("\n{warning}");
        }
        Ok(())
    }
}

impl Measured {
    fn print(&self, vectors: u32) {
        println!(
            "{}: {vectors} vectors of {} numbers, graph built in {:.0} s",
            self.set, self.dimensions, self.build_seconds,
        );
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header([
            "", "visible", "asked", "leaks", "fill", "recall", "p50 µs", "p99 µs", "plans",
        ]);
        for row in &self.rows {
            let plans = row
                .plans
                .iter()
                .map(|(plan, times)| format!("{plan} {times}"));
            table.add_row([
                row.who.to_owned(),
                row.visible.clone(),
                row.asked.to_owned(),
                row.leaks.to_string(),
                format!("{:.2}", row.fill),
                format!("{:.3}", row.recall),
                format!("{:.0}", row.p50_micros),
                format!("{:.0}", row.p99_micros),
                plans.collect::<Vec<_>>().join(", "),
            ]);
        }
        println!("{table}");
        let ours = self.rows.iter().filter(|row| row.who == "koyalite");
        let good = |row: &Seen| row.leaks == 0 && row.fill >= 1.0 && row.recall >= RECALL;
        let missed = ours.filter(|row| !good(row)).count();
        let verdict = if missed == 0 { "reached" } else { "missed" };
        println!("  no leak, fill 1.00, recall ≥ {RECALL} in every band: {verdict}");
    }
}
