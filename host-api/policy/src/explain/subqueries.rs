//! How the tables inside policies' subqueries are read: with the caller's own select policies, or past
//! them.

use std::collections::BTreeSet;

use serde::Serialize;

use super::asked::{Question, clauses};
use crate::decide::bypasses;
use crate::names::TableName;
use crate::policy::{CheckedPolicy, Command, Schema, TableRules};

/// A table that a subquery reads, and under which policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SubqueryView {
    /// The table.
    pub table: TableName,
    /// The names of its select policies, which apply inside.
    pub policies: Vec<String>,
    /// Whether they are bypassed by right of the function's manifest.
    pub bypassed: bool,
    /// Whether policies read it past its own, which then do not apply inside.
    pub policy_readable: bool,
}

/// The tables that the asked policies read, and those that these read in turn.
pub(super) fn read_by(
    schema: &Schema,
    rules: &TableRules,
    question: &Question,
) -> Vec<SubqueryView> {
    let mut found = BTreeSet::new();
    for (command, clause) in clauses(question.command) {
        let policies = rules.policies().iter();
        for policy in policies.filter(|policy| policy.source().commands.contains(&command)) {
            found.extend(
                policy
                    .condition(clause)
                    .iter()
                    .flat_map(|expr| expr.0.tables()),
            );
        }
    }
    let mut waiting: Vec<TableName> = found.iter().cloned().collect();
    while let Some(table) = waiting.pop() {
        for policy in applying(schema, &table) {
            let using = policy.using.iter();
            for expr in using.filter(|_| policy.source().commands.contains(&Command::Select)) {
                for inner in expr.0.tables() {
                    if found.insert(inner.clone()) {
                        waiting.push(inner);
                    }
                }
            }
        }
    }
    let view = |table: TableName| {
        let policies = applying(schema, &table).iter();
        let rules = schema.table(&table);
        SubqueryView {
            policies: policies
                .filter(|policy| policy.source().commands.contains(&Command::Select))
                .map(|policy| policy.source().name.clone())
                .collect(),
            bypassed: bypasses(&question.identity, &table),
            policy_readable: rules.is_some_and(TableRules::policy_readable),
            table,
        }
    };
    found.into_iter().map(view).collect()
}

/// The policies of a table that a subquery over it is under.
fn applying<'a>(schema: &'a Schema, table: &TableName) -> &'a [CheckedPolicy] {
    match schema.table(table) {
        Some(rules) if !rules.policy_readable() => rules.policies(),
        Some(_) | None => &[],
    }
}
