//! What the audit record adds to a write of control data: the same writes through the real route, with the
//! record and without, in interleaved rounds.
//!
//! The server has no switch for it, and shall have none. It is the bench's own database that throws the
//! row away, by a trigger: what is left out is the row, its indexes, its place in the write-ahead log, and
//! the sealing of it. What stays in both is that the record is put into words, and sent with the statement
//! that ends every change.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use http::Method;
use serde_json::json;
use tokio_postgres::Client;

use crate::Setting;
use crate::koyalite::KoyaLite;
use crate::load::{Load, Target};
use crate::machine::Machine;
use crate::process;
use crate::report::{Goal, Report};
use crate::rounds::{Round, Row, row};
use crate::scheduler::connect;

const PROJECT: &str = "audit";

/// A tenth of a write: a record shall be no reason to do without it.
const SHARE_MAX: f64 = 0.1;

/// Throws records away where it is switched on.
const TRIGGER: &str = "
    CREATE FUNCTION public.none() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER none BEFORE INSERT ON koyalite.audit_logs FOR EACH ROW
        EXECUTE FUNCTION public.none();
    ALTER TABLE koyalite.audit_logs DISABLE TRIGGER none";

/// How long what was written may wait to be sealed.
const SEALING_PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Writes that are measured: the names of both rows, the route, and how many do it at once.
struct Kind {
    with: &'static str,
    without: &'static str,
    method: Method,
    path: &'static str,
    body: serde_json::Value,
    connections: u32,
}

/// Two of the lightest writes there are, whose record weighs the most; and one of them by many at once,
/// where it is the processor that counts and not the disk.
fn kinds() -> [Kind; 3] {
    let secret = |with, without, connections| Kind {
        with,
        without,
        method: Method::PUT,
        path: "/secrets/KEY",
        body: json!({ "value": "not so secret" }),
        connections,
    };
    let settings = json!({ "settings": { "retention_days": 30 } });
    [
        secret("secret", "secret, no record", 1),
        secret("secret ×8", "secret ×8, no record", 8),
        Kind {
            with: "settings",
            without: "settings, no record",
            method: Method::PATCH,
            path: "",
            body: settings,
            connections: 1,
        },
    ]
}

/// Measures and prints.
///
/// # Errors
/// Where the server does not come up, or refuses.
pub(crate) async fn run(setting: &Setting) -> anyhow::Result<()> {
    let machine = Machine::look();
    let koyalite = KoyaLite::start(setting).await?;
    koyalite.project(PROJECT).await?;
    let client = connect(&koyalite).await?;
    client.batch_execute(TRIGGER).await?;
    let bench = Bench {
        postmaster: postmaster(&client).await?,
        load: Load::new()?,
        client,
        koyalite,
    };
    let mut report = Report {
        bench: "audit",
        machine,
        rows: Vec::new(),
        ratios: BTreeMap::new(),
        goals: BTreeMap::new(),
    };
    for kind in &kinds() {
        report.rows.extend(bench.measure(setting, kind).await?);
    }
    let goal = Goal::AtMost(SHARE_MAX);
    for (name, kind) in ["secret_cost", "secret_by_many_cost", "settings_cost"]
        .into_iter()
        .zip(&kinds())
    {
        report.cost(name, (kind.with, kind.without), goal);
    }
    bench.koyalite.process.stop().await?;
    report.print(setting.json)
}

/// The process whose children the connections of Postgres are.
async fn postmaster(client: &Client) -> anyhow::Result<u32> {
    let asked = "SELECT pg_read_file('postmaster.pid')";
    let file: String = client.query_one(asked, &[]).await?.try_get(0)?;
    let first = file.lines().next().context("an empty postmaster.pid")?;
    Ok(first.parse()?)
}

struct Bench {
    koyalite: KoyaLite,
    client: Client,
    load: Load,
    postmaster: u32,
}

impl Bench {
    async fn measure(&self, setting: &Setting, kind: &Kind) -> anyhow::Result<[Row; 2]> {
        let target = Target {
            url: self
                .koyalite
                .control_url(&format!("/v1/projects/{PROJECT}{}", kind.path)),
            headers: self.koyalite.control_headers(),
            method: Some(kind.method.clone()),
            body: Some(kind.body.to_string()),
            connections: kind.connections,
            ..Target::default()
        };
        let (mut with, mut without) = (Vec::new(), Vec::new());
        self.round(&target, "DISABLE", Duration::from_secs(1))
            .await?;
        for number in 1..=setting.rounds {
            eprintln!("  {}: round {number} of {}", kind.with, setting.rounds);
            // By turns, so that neither is always the second.
            let mut order = [("ENABLE", &mut without), ("DISABLE", &mut with)];
            if number % 2 == 0 {
                order.reverse();
            }
            for (trigger, seen) in order {
                seen.push(self.round(&target, trigger, setting.time).await?);
            }
        }
        let id = self.koyalite.process.id();
        let unit = "writes/s";
        Ok([
            row((kind.with, unit), id, &with)?,
            row((kind.without, unit), id, &without)?,
        ])
    }

    /// A round with the trigger switched so, in which everything of its own is sealed too. The
    /// processor's time is that of the server and of Postgres.
    async fn round(&self, target: &Target, trigger: &str, time: Duration) -> anyhow::Result<Round> {
        let switch = format!("ALTER TABLE koyalite.audit_logs {trigger} TRIGGER none");
        self.client.batch_execute(&switch).await?;
        let before = self.cpu()?;
        let numbers = self.load.drive(target, time).await?;
        self.all_sealed().await?;
        let used = self.cpu()?.saturating_sub(before);
        Ok(Round::new(numbers, used))
    }

    async fn all_sealed(&self) -> anyhow::Result<()> {
        let waiting = "SELECT EXISTS (SELECT FROM koyalite.audit_logs WHERE position IS NULL)";
        let sealed = async {
            while self.client.query_one(waiting, &[]).await?.try_get(0)? {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            anyhow::Ok(())
        };
        let sealed = tokio::time::timeout(SEALING_PATIENCE, sealed).await;
        sealed.context("the records are not sealed")?
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        let server = process::cpu(self.koyalite.process.id())?;
        Ok(server + process::cpu_of_children(self.postmaster)?)
    }
}
