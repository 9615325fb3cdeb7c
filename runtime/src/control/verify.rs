//! The host's policies held against Postgres' own on the rows that are there, table by table and caller
//! by caller.
//!
//! It only reads, takes no lock on a table but that of a select, and works with the mirror on or off. Of
//! rows it says how many, and the keys of those on which the two disagree.

use std::collections::BTreeSet;

use axum::extract::State;
use koyalite_host_api::db::{Compared, Disagreement, Mirror};
use koyalite_host_api::invocation::Project;
use koyalite_host_api::tables::verify::{Verified, owners, verify};
use koyalite_host_api::{ErrorKind, HostError};
use koyalite_policy::{Identity, TableName};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::http::Mistake;

use super::Shared;
use super::answer::{Answer, ok};
use super::auth::Operator;
use super::case::Who;
use super::error::ApiError;
use super::extract::InProject;

/// Callers of one comparison: each costs a pass over every table.
const CALLERS_MAX: usize = 20;

/// Who is compared, beside nobody.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = Verification)]
pub(super) struct Wanted {
    #[serde(default)]
    identities: Vec<Who>,
    /// Whether some people who own rows are compared too.
    #[serde(default = "yes")]
    owners: bool,
}

fn yes() -> bool {
    true
}

/// How the two agree.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = VerificationReport)]
pub(super) struct Report {
    /// Whether row security was in force, and so asked itself.
    mirrored: bool,
    /// Rows that were compared, each as often as there are callers.
    rows: u64,
    disagreements: u64,
    /// Comparisons that failed.
    errors: u64,
    tables: Vec<TableReport>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct TableReport {
    table: TableName,
    /// Why there is nothing to compare: policies that row security cannot say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_mirrorable: Vec<String>,
    callers: Vec<CallerReport>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct CallerReport {
    caller: String,
    rows: u64,
    visible: u64,
    disagreements: u64,
    /// The first of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shown: Vec<Shown>,
    /// Whether the table has more rows than were compared.
    more: bool,
    /// Why the comparison failed, or this caller has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

/// A row that one of the two shows and the other does not.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Disagreement)]
struct Shown {
    key: Json,
    host: bool,
    postgres: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Failure {
    code: &'static str,
    message: String,
}

pub(super) async fn run(
    State(control): State<Shared>,
    InProject(entry): InProject,
    operator: Operator,
    super::json::Json(wanted): super::json::Json<Wanted>,
) -> Result<Answer<Report>, ApiError> {
    tracing::info!(operator = operator.subject, project = %entry.name, "verifies the policies");
    let project = entry.for_host(&control.databases);
    let tables = project.schema.tables();
    let tables: Vec<TableName> = tables.map(|rules| rules.shape().name.clone()).collect();
    let callers = callers(&project, &tables, wanted).await?;
    let mut report = Report {
        mirrored: project.mirror != Mirror::Off,
        rows: 0,
        disagreements: 0,
        errors: 0,
        tables: Vec::new(),
    };
    for table in tables {
        let found = compared(&project, table, &callers).await;
        for caller in &found.callers {
            report.rows += caller.rows;
            report.disagreements += caller.disagreements;
            // Whom the host alone refuses is no failure.
            let failed = |error: &Failure| error.code != HostError::MISSING_CLAIM;
            report.errors += u64::from(caller.error.as_ref().is_some_and(failed));
        }
        report.tables.push(found);
    }
    Ok(ok(report))
}

/// Nobody, those who were named, and some who own rows.
async fn callers(
    project: &Project,
    tables: &[TableName],
    wanted: Wanted,
) -> Result<Vec<(String, Identity)>, ApiError> {
    if wanted.identities.len() >= CALLERS_MAX {
        let message = format!("name fewer than {CALLERS_MAX}; nobody is compared in any case");
        return Err(ApiError::Invalid(vec![Mistake::at("identities", message)]));
    }
    let mut callers: Vec<(String, Identity)> = Vec::new();
    let nobody = [Who::Anonymous];
    let mut add = |who: Who| {
        let name = who.to_string();
        if callers.len() < CALLERS_MAX && callers.iter().all(|(known, _)| *known != name) {
            callers.push((name, who.of(project.id)));
        }
    };
    nobody
        .into_iter()
        .chain(wanted.identities)
        .for_each(&mut add);
    if wanted.owners {
        let mut found = BTreeSet::new();
        for table in tables {
            found.extend(owners(project, table).await?);
        }
        found.into_iter().map(Who::plain).for_each(&mut add);
    }
    Ok(callers)
}

async fn compared(
    project: &Project,
    table: TableName,
    callers: &[(String, Identity)],
) -> TableReport {
    let mut report = TableReport {
        table,
        not_mirrorable: Vec::new(),
        callers: Vec::new(),
    };
    for (name, identity) in callers {
        match verify(project, identity, &report.table).await {
            Ok(Verified::Compared(compared)) => {
                report.callers.push(CallerReport::of(name, compared));
            }
            Ok(Verified::NotMirrorable(policies)) => {
                report.not_mirrorable = policies.iter().map(ToString::to_string).collect();
                break;
            }
            Err(error) => report.callers.push(CallerReport::failed(name, &error)),
        }
    }
    report
}

impl CallerReport {
    fn of(caller: &str, compared: Compared) -> CallerReport {
        let Compared {
            rows,
            visible,
            disagreeing,
            shown,
            more,
        } = compared;
        CallerReport {
            caller: caller.to_owned(),
            rows,
            visible,
            disagreements: disagreeing,
            shown: shown.into_iter().map(Shown::of).collect(),
            more,
            error: None,
        }
    }

    fn failed(caller: &str, error: &HostError) -> CallerReport {
        if let (ErrorKind::Internal | ErrorKind::Unavailable, Some(inside)) =
            (error.kind(), error.inside())
        {
            tracing::error!(code = error.code(), inside, "a comparison failed");
        }
        CallerReport {
            error: Some(Failure {
                code: error.code(),
                message: error.message().to_owned(),
            }),
            ..CallerReport::of(caller, Compared::default())
        }
    }
}

impl Shown {
    fn of(row: Disagreement) -> Shown {
        Shown {
            key: serde_json::from_str(&row.key).unwrap_or(Json::String(row.key)),
            host: row.host,
            postgres: !row.host,
        }
    }
}
