//! Rows through a guest: one by its key, under an owner's policy, the same with Postgres enforcing it
//! too, and under a policy that lets everything through; a list with what belongs to each row; many
//! inserted at once. A program that somebody would write by hand does the same without any policy; all
//! on the same Postgres.

use std::collections::BTreeMap;

use anyhow::ensure;
use http::Method;
use serde_json::Value;

use crate::Setting;
use crate::bulk::{self, Bulk};
use crate::fixture::{NOTES, OWNER, ROWS, Rows, schema};
use crate::handwritten::Database;
use crate::koyalite::KoyaLite;
use crate::load::Target;
use crate::machine::Machine;
use crate::opponent::Opponent;
use crate::report::{Goal, Report};
use crate::requests::send;
use crate::rounds::{self, Subject};

const HANDWRITTEN: &str = "by hand, no policy";
const OWNED: &str = "guest, owner's policy";
const SHARED: &str = "guest, owner's policy, shared instance";
const MIRRORED: &str = "guest, owner's policy, mirror on";
const OPEN: &str = "guest, policy true";
const LIST: &str = "guest, owner's policy, list of 20 with embed";
const LIST_BY_HAND: &str = "by hand, list of 20 with embed";
const BULK: &str = "guest, owner's policy, bulk insert of 10 000";
const BULK_MIRRORED: &str = "guest, mirror on, bulk insert of 10 000";
const BULK_BY_HAND: &str = "by hand, bulk insert of 10 000";

const OWNERS: &str = "owner_id = auth.uid()";
/// Name, condition of its policies.
const PROJECTS: [(&str, &str); 3] = [("owned", OWNERS), ("mirrored", OWNERS), ("open", "true")];
/// Name of the row, project, guest, isolation.
const SELECTS: [(&str, &str, &str, &str); 5] = [
    (OWNED, "owned", "lookup", "request"),
    (SHARED, "owned", "lookup", "shared"),
    (MIRRORED, "mirrored", "lookup", "request"),
    (OPEN, "open", "lookup", "request"),
    (LIST, "owned", "listing", "request"),
];
/// Name of the row, project.
const BULKS: [(&str, &str); 2] = [(BULK, "owned"), (BULK_MIRRORED, "mirrored")];

const CONNECTIONS: u32 = 32;
/// Rows of a list; no list begins so late that it has fewer.
const PAGE: u32 = 20;

/// Measures and prints.
///
/// # Errors
/// Where a subject cannot be started or answers wrongly.
pub(crate) async fn run(setting: &Setting) -> anyhow::Result<()> {
    let machine = Machine::look();
    let koyalite = KoyaLite::start(setting).await?;
    for (project, condition) in PROJECTS {
        koyalite.project(project).await?;
        koyalite.schema(project, &schema(condition)).await?;
    }
    let rows = Rows::fill(&koyalite).await?;
    koyalite.mirror("mirrored").await?;
    let by_hand = Opponent::start(&database(&koyalite, &rows)?.arguments()).await?;
    let mut subjects = guests(&koyalite).await?;
    subjects.extend(handwritten(&by_hand));
    for list in subjects.iter().filter(|subject| is_list(subject.name)) {
        check_list(&list.target).await?;
    }
    let mut measured = rounds::measure(&subjects, setting.rounds, setting.time).await?;
    let bulks = bulks(&koyalite, &by_hand).await?;
    measured.extend(bulk::measure(&bulks, &rows, setting.rounds).await?);
    koyalite.process.stop().await?;
    let report = Report {
        bench: "tables",
        machine,
        rows: measured,
        ratios: BTreeMap::new(),
        goals: BTreeMap::new(),
    };
    compared(report).print(setting.json)
}

fn database(koyalite: &KoyaLite, rows: &Rows) -> anyhow::Result<Database> {
    Ok(Database {
        socket: koyalite.database.socket_dir().to_owned(),
        schema: rows.schema()?.to_owned(),
    })
}

async fn guests(koyalite: &KoyaLite) -> anyhow::Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    for (name, project, guest, isolation) in SELECTS {
        let function = format!("{guest}-{isolation}");
        let manifest = format!("isolation = \"{isolation}\"\n");
        let url = koyalite
            .deploy((project, &function), guest, &manifest)
            .await?;
        subjects.push(Subject {
            name,
            target: Target {
                headers: bearer(koyalite, project).await?,
                ..target(name, format!("{url}/"))
            },
            process: koyalite.process.id(),
        });
    }
    Ok(subjects)
}

fn handwritten(opponent: &Opponent) -> impl Iterator<Item = Subject> {
    let subjects = [(HANDWRITTEN, "/"), (LIST_BY_HAND, "/list/")];
    subjects.into_iter().map(|(name, path)| Subject {
        name,
        target: target(name, format!("{}{path}", opponent.base)),
        process: opponent.process.id(),
    })
}

async fn bulks(koyalite: &KoyaLite, opponent: &Opponent) -> anyhow::Result<Vec<Bulk>> {
    let mut bulks = Vec::new();
    for (name, project) in BULKS {
        bulks.push(Bulk {
            name,
            url: koyalite.deploy((project, "bulk"), "bulk", "").await?,
            headers: bearer(koyalite, project).await?,
            process: koyalite.process.id(),
        });
    }
    bulks.push(Bulk {
        name: BULK_BY_HAND,
        url: format!("{}/bulk", opponent.base),
        headers: Vec::new(),
        process: opponent.process.id(),
    });
    Ok(bulks)
}

async fn bearer(koyalite: &KoyaLite, project: &str) -> anyhow::Result<Vec<(String, String)>> {
    let token = koyalite.token(project, OWNER).await?;
    Ok(vec![(
        "authorization".to_owned(),
        format!("Bearer {token}"),
    )])
}

fn target(name: &str, url: String) -> Target {
    let keys = if is_list(name) { ROWS - PAGE } else { ROWS };
    Target {
        url,
        keys: Some(keys),
        connections: CONNECTIONS,
        ..Target::default()
    }
}

fn is_list(name: &str) -> bool {
    matches!(name, LIST | LIST_BY_HAND)
}

/// An empty list is a success too, and quick: the last one must be as long as the others.
async fn check_list(target: &Target) -> anyhow::Result<()> {
    let headers = target.headers.iter();
    let headers: Vec<_> = headers.map(|(name, value)| (&**name, &**value)).collect();
    let url = format!("{}{}", target.url, ROWS - PAGE);
    let answer = send(Method::GET, &url, &headers, "").await?;
    let items: Vec<Value> = serde_json::from_slice(&answer)?;
    let notes = |item: &Value| item.get("notes")?.as_array().map(Vec::len);
    let whole = items.iter().all(|item| notes(item) == Some(NOTES as usize));
    ensure!(whole && items.len() == PAGE as usize, "{url}: not the list");
    Ok(())
}

fn compared(mut report: Report) -> Report {
    let by_hand = (OWNED, HANDWRITTEN);
    report.ratio("select_vs_handwritten", by_hand, Goal::AtLeast(0.8));
    report.ratio("shared_select_vs_handwritten", (SHARED, HANDWRITTEN), None);
    report.ratio("list_vs_handwritten", (LIST, LIST_BY_HAND), None);
    report.ratio("bulk_vs_handwritten", (BULK, BULK_BY_HAND), None);
    report.cost("policy_cost", (OWNED, OPEN), Goal::AtMost(0.05));
    report.cost("mirror_cost", (MIRRORED, OWNED), None);
    report.cost("bulk_mirror_cost", (BULK_MIRRORED, BULK), None);
    report
}
