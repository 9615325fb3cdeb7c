//! What becomes of cases: one explained, on live rows if the asker may, or many held against what their
//! author expects.
//!
//! Being told no is a successful answer here: 200.

use std::time::SystemTime;

use axum::extract::State;
use koyalite_policy::{AtomCoverage, Coverage, Explanation, Timestamp};
use serde::{Deserialize, Serialize};

use crate::http::Mistake;
use crate::registry::RegistryError;

use super::Shared;
use super::answer::{Answer, ok};
use super::auth::Operator;
use super::case::Case;
use super::dry_run::{self, Explained};
use super::error::ApiError;
use super::extract::InProject;
use super::json::Json;
use super::permission::Permission;

/// What becomes of one case.
pub(super) async fn explain(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Json(mut case): Json<Case>,
) -> Result<Answer<Explained>, ApiError> {
    if project.schema.table(&case.table).is_none() {
        return Err(RegistryError::not_found("table", &case.table).into());
    }
    let schema = &project.schema;
    let live = case.live().map_err(ApiError::Invalid)?;
    if live.is_some() {
        operator.demand(Permission::PolicyWrite)?;
    }
    let question = case.read(schema, project.id).map_err(ApiError::Invalid)?;
    let now = Timestamp::from(SystemTime::now());
    let Some((live, set)) = live else {
        return Ok(ok(Explained {
            explanation: koyalite_policy::explain(schema, &question, now),
            dry_run: None,
        }));
    };
    tracing::info!(
        operator = operator.subject, project = %project.name, table = %question.table,
        command = %question.command, "explains live rows"
    );
    let host = project.for_host(&control.databases);
    Ok(ok(dry_run::run(&host, question, (live, &set), now).await?))
}

/// As many as a person will write, and few enough for one answer.
const CASES_MAX: usize = 1000;

/// Cases that are weighed together.
#[derive(Deserialize, utoipa::ToSchema)]
pub(super) struct Cases {
    cases: Vec<Case>,
}

/// What became of each, in their order, and which tests of policies they showed.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Tested {
    results: Vec<Explanation>,
    coverage: Vec<AtomCoverage>,
}

pub(super) async fn test(
    State(_control): State<Shared>,
    InProject(project): InProject,
    Json(wanted): Json<Cases>,
) -> Result<Answer<Tested>, ApiError> {
    if wanted.cases.len() > CASES_MAX {
        let message = format!("send at most {CASES_MAX} at once");
        return Err(ApiError::Invalid(vec![Mistake::at("cases", message)]));
    }
    let schema = &project.schema;
    let (mut questions, mut mistakes) = (Vec::new(), Vec::new());
    for (index, case) in wanted.cases.into_iter().enumerate() {
        match case.read_alone(schema, project.id) {
            Ok(question) => questions.push(question),
            Err(errors) => mistakes.extend(errors.into_iter().map(|mistake| {
                let field = mistake.field.clone().unwrap_or_default();
                Mistake {
                    field: Some(format!("cases[{index}].{field}")),
                    ..mistake
                }
            })),
        }
    }
    if !mistakes.is_empty() {
        return Err(ApiError::Invalid(mistakes));
    }
    let now = Timestamp::from(SystemTime::now());
    let mut coverage = Coverage::of(schema);
    let explained = questions.iter().map(|question| {
        coverage.see(schema, question, now);
        koyalite_policy::explain(schema, question, now)
    });
    let results = explained.collect();
    Ok(ok(Tested {
        results,
        coverage: coverage.report(),
    }))
}
