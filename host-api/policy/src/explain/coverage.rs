//! Which tests of which policies a set of questions has seen true, and which false.
//!
//! A test that was never seen to fail may as well not be there: nobody would notice.

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::Uuid;

use super::asked::{Asked, Question, clauses};
use super::atoms::{Atom, Outline};
use crate::names::TableName;
use crate::policy::{Clause, Command, Schema};
use crate::time::Timestamp;

/// What was seen so far.
#[derive(Debug, Clone)]
pub struct Coverage {
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone)]
struct Condition {
    policy: Uuid,
    name: String,
    table: TableName,
    clause: Clause,
    commands: BTreeSet<Command>,
    outline: Outline,
    seen: Vec<Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    holds: bool,
    fails: bool,
}

/// One test of one policy, and what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AtomCoverage {
    /// The policy's id.
    pub policy: Uuid,
    /// The policy's name.
    pub name: String,
    /// The policy's table.
    pub table: TableName,
    /// Which of its conditions.
    pub clause: Clause,
    /// The test, as it is understood.
    pub text: String,
    /// Its line in the condition, counted from 1.
    pub line: u64,
    /// Its column in that line.
    pub column: u64,
    /// Whether it was seen true.
    pub seen_true: bool,
    /// Whether it was seen false, or NULL, which passes no more.
    pub seen_false: bool,
    /// Whether it reads another table, whose rows a question does not hold: then it may never be
    /// seen either way.
    pub reads_elsewhere: bool,
}

impl Coverage {
    /// Nothing of a schema's policies seen yet.
    pub fn of(schema: &Schema) -> Self {
        let mut conditions = Vec::new();
        for rules in schema.tables().chain(schema.resources()) {
            for policy in rules.policies() {
                let source = policy.source();
                let texts = [
                    (Clause::Using, &source.using),
                    (Clause::Check, &source.check),
                ];
                for (clause, text) in texts {
                    let outline = text
                        .as_ref()
                        .and_then(|text| Outline::read(text, rules.shape(), schema).ok());
                    conditions.extend(outline.map(|outline| Condition {
                        policy: source.id,
                        name: source.name.clone(),
                        table: source.table.clone(),
                        clause,
                        commands: source.commands.clone(),
                        seen: vec![Seen::default(); outline.atoms().len()],
                        outline,
                    }));
                }
            }
        }
        Self { conditions }
    }

    /// Notes what a question with a row shows of each test that is asked.
    pub fn see(&mut self, schema: &Schema, question: &Question, now: Timestamp) {
        let Some(rules) = schema.table(&question.table) else {
            return;
        };
        let asked = Asked::of(schema, question, now);
        let policies = rules.policies().iter();
        for policy in policies.filter(|policy| policy.is_for(&question.identity)) {
            let has_check = policy.source().check.is_some();
            for (command, clause) in clauses(question.command) {
                let own = match clause {
                    Clause::Check if !has_check => Clause::Using,
                    clause => clause,
                };
                let Some(rows) = asked.tested(clause) else {
                    continue;
                };
                let conditions = self.conditions.iter_mut();
                for condition in conditions.filter(|condition| {
                    condition.policy == policy.source().id
                        && condition.name == policy.source().name
                        && condition.clause == own
                        && condition.commands.contains(&command)
                }) {
                    condition.note(&|atom| atom.truth(asked.caller, rows));
                }
            }
        }
    }

    /// Every test and what was seen of it, by table and policy.
    pub fn report(&self) -> Vec<AtomCoverage> {
        self.conditions.iter().flat_map(Condition::report).collect()
    }
}

impl Condition {
    fn note(&mut self, see: &dyn Fn(&Atom) -> Option<bool>) {
        for (atom, seen) in self.outline.atoms().into_iter().zip(&mut self.seen) {
            match see(atom) {
                Some(true) => seen.holds = true,
                Some(false) => seen.fails = true,
                None => seen.fails |= !atom.reads_elsewhere(),
            }
        }
    }

    fn report(&self) -> Vec<AtomCoverage> {
        let atoms = self.outline.atoms().into_iter().zip(&self.seen);
        let view = |(atom, seen): (&Atom, &Seen)| AtomCoverage {
            policy: self.policy,
            name: self.name.clone(),
            table: self.table.clone(),
            clause: self.clause,
            text: atom.text.clone(),
            line: atom.at.line,
            column: atom.at.column,
            seen_true: seen.holds,
            seen_false: seen.fails,
            reads_elsewhere: atom.reads_elsewhere(),
        };
        atoms.map(view).collect()
    }
}
