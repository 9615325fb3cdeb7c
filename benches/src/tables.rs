//! One row by its key: under an owner's policy, under a policy that lets everything through, and as
//! somebody would write it by hand, without any policy; all on the same Postgres and the same rows.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::Setting;
use crate::handwritten::Database;
use crate::koyalite::KoyaLite;
use crate::load::Target;
use crate::machine::Machine;
use crate::opponent::Opponent;
use crate::report::{Goal, Report};
use crate::rounds::{self, Subject};

const HANDWRITTEN: &str = "by hand, no policy";
const OWNED: &str = "guest, owner's policy";
const OPEN: &str = "guest, policy true";

const OWNER: &str = "6f1a0a52-3c51-4a5e-9a3f-0c8e8f5a2b10";
/// More rows than fit a page, few enough to be in memory: this is not about disks.
const ROWS: u32 = 10_000;
const CONNECTIONS: u32 = 32;

fn schema(condition: &str) -> Value {
    json!({ "tables": [{
        "name": "items",
        "columns": [
            { "name": "id", "type": "bigint", "primary_key": true },
            { "name": "owner_id", "type": "uuid" },
            { "name": "title", "type": "text" },
            { "name": "done", "type": "boolean", "default": false },
            { "name": "created_at", "type": "timestamptz", "default": "now()" },
        ],
        "policies": [{
            "name": "bench", "effect": "allow", "commands": ["select"], "using": condition,
        }],
    }]})
}

/// Measures and prints.
///
/// # Errors
/// Where a subject cannot be started or answers wrongly.
pub(crate) async fn run(setting: &Setting) -> anyhow::Result<()> {
    let machine = Machine::look();
    let koyalite = KoyaLite::start(setting).await?;
    let mut subjects = Vec::new();
    for (name, project, condition) in [
        (OWNED, "owned", "owner_id = auth.uid()"),
        (OPEN, "open", "true"),
    ] {
        koyalite.project(project).await?;
        koyalite.schema(project, &schema(condition)).await?;
        let url = koyalite.deploy((project, "lookup"), "lookup", "").await?;
        let token = koyalite.token(project, OWNER).await?;
        subjects.push(Subject {
            name,
            target: target(format!("{url}/"), Some(token)),
            process: koyalite.process.id(),
        });
    }
    let tables = fill(&koyalite).await?;
    let database = Database {
        socket: koyalite.database.socket_dir().to_owned(),
        table: tables,
    };
    let by_hand = Opponent::start(&database.arguments()).await?;
    subjects.push(Subject {
        name: HANDWRITTEN,
        target: target(format!("{}/", by_hand.base), None),
        process: by_hand.process.id(),
    });
    let rows = rounds::measure(&subjects, setting.rounds, setting.time).await?;
    koyalite.process.stop().await?;
    let mut report = Report {
        bench: "tables",
        machine,
        rows,
        ratios: BTreeMap::new(),
        goals: BTreeMap::new(),
    };
    report.ratio(
        "select_vs_handwritten",
        (OWNED, HANDWRITTEN),
        Goal::AtLeast(0.8),
    );
    if let (Some(owned), Some(open)) = (report.median(OWNED), report.median(OPEN)) {
        report.ratios.insert("policy_cost", 1.0 - owned / open);
        report.goals.insert("policy_cost", Goal::AtMost(0.05));
    }
    report.print(setting.json)
}

fn target(url: String, token: Option<String>) -> Target {
    let bearer = |token| ("authorization".to_owned(), format!("Bearer {token}"));
    Target {
        url,
        headers: token.map(bearer).into_iter().collect(),
        keys: Some(ROWS),
        connections: CONNECTIONS,
        ..Target::default()
    }
}

/// The same rows in both projects' tables; the name of the first one.
async fn fill(koyalite: &KoyaLite) -> anyhow::Result<String> {
    let mut config = tokio_postgres::Config::new();
    let database = &koyalite.database;
    config
        .host_path(database.socket_dir())
        .port(database.port());
    config.user(database.user()).dbname(database.database());
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    let found = client
        .query(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
             WHERE tablename = 'items' ORDER BY 1",
            &[],
        )
        .await?;
    let mut tables = Vec::new();
    for row in &found {
        let table: String = row.try_get(0)?;
        client
            .batch_execute(&format!(
                "INSERT INTO {table} (id, owner_id, title) \
                 SELECT n, '{OWNER}', 'item ' || n FROM generate_series(1, {ROWS}) AS n; \
                 ANALYZE {table};"
            ))
            .await?;
        tables.push(table);
    }
    tables
        .into_iter()
        .next()
        .ok_or_else(|| anyhow::anyhow!("no table was made"))
}
