//! Tests of the crate from outside: decisions, conditions, filters.

mod changes;
mod columns;
mod comparing;
mod conditions;
mod decisions;
mod explain;
mod filters;
pub(crate) mod fixtures;
mod guide;
mod masks;
mod native;
mod promises;
mod reach;
mod refusals;
mod subqueries;
mod verdicts;
mod warnings;
