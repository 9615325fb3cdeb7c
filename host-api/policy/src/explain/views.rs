//! What an explanation consists of, as it is answered.

use serde::Serialize;
use uuid::Uuid;

use super::SubqueryView;
use crate::names::TableName;
use crate::policy::{Clause, Command, Effect};

/// How a decision came about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The table.
    pub table: TableName,
    /// The command.
    pub command: Command,
    /// The caller's `auth.role()`.
    pub role: &'static str,
    /// The caller's `auth.uid()`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Whether the request, or the row, passes; none where that depends on rows that were not given.
    pub allowed: Option<bool>,
    /// Why no row can pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied: Option<DenialView>,
    /// Whether policies are bypassed by right of the function's manifest.
    pub bypassed: bool,
    /// What is left of the policies.
    pub conditions: Vec<ConditionView>,
    /// Each policy, for each of its parts that the command asks.
    pub policies: Vec<PolicyView>,
    /// How the tables of subqueries are read.
    pub subqueries: Vec<SubqueryView>,
}

/// A denial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DenialView {
    /// Its stable word.
    pub code: &'static str,
    /// Its sentence.
    pub message: String,
}

/// What is left of all policies for one kind of row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConditionView {
    /// `using`, `check` or `returning`.
    pub on: &'static str,
    /// In the language of policies; `true` where every row passes.
    pub text: String,
    /// As it is sent to Postgres, values as binds.
    pub sql: String,
    /// Whether the row passes, where one was given and nothing else decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passes: Option<bool>,
}

/// One policy and what became of one of its conditions.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
pub struct AtomView {
    /// As it is understood.
    pub text: String,
    /// Its line in the condition, counted from 1.
    pub line: u64,
    /// Its column in that line.
    pub column: u64,
}
