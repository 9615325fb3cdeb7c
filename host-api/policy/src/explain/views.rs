//! What an explanation consists of, as it is answered.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;
use uuid::Uuid;

use super::{SubqueryView, Verdict};
use crate::names::ColumnName;
use crate::policy::{Clause, Command, Effect};

/// How a decision came about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// What becomes of the question.
    pub verdict: Verdict,
    /// Why not, where it is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What is left of the policies for Postgres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<SqlView>,
    /// What the host would write by itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub presets: BTreeMap<ColumnName, Json>,
    /// Each policy, for each of its parts that the command asks.
    pub policies: Vec<PolicyView>,
    /// How the tables of subqueries are read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subqueries: Vec<SubqueryView>,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reason {
    /// Its stable word.
    pub code: &'static str,
    /// Its sentence.
    pub message: String,
}

/// What is left of all policies, as it is sent to Postgres: over the row `t` and, in the check of
/// an update, `old`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SqlView {
    /// What rows that exist must meet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub using: Option<String>,
    /// What rows must meet as they are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The values of `$1`, `$2` and so on.
    pub binds: Vec<Json>,
}

/// One policy and what became of one of its conditions.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyView {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Allow or deny.
    pub effect: Effect,
    /// The command that asks it: an update asks select policies too.
    pub command: Command,
    /// Which of its conditions; a missing `check` is the `using`.
    pub clause: Clause,
    /// Whether it counts for this caller and this request.
    pub applies: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    /// The condition as written.
    pub text: String,
    /// The condition once the claims are known.
    pub folded: String,
    /// Whether the row meets the condition, where one was given and nothing else decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passes: Option<bool>,
    /// The first test that keeps an allowing policy from letting the row through, or a denying one
    /// from leaving it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<AtomView>,
}

/// One test of a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AtomView {
    /// As it is understood.
    pub text: String,
    /// Its line in the condition, counted from 1.
    pub line: u64,
    /// Its column in that line.
    pub column: u64,
}
