//! Why a decision is what it is: each policy, what became of it, and what a row has to do with it.
//!
//! It decides nothing itself: the outcome is that of [`decide`], and the rest says how it came
//! about. For authors and operators: it names policies and claims.

mod atoms;
mod coverage;
mod subqueries;
mod views;

use std::collections::BTreeSet;

use crate::decide::{Denied, bypasses, decide};
use crate::eval::{Row, evaluate, evaluate_change};
use crate::expr::Node;
use crate::fold::{Caller, Unknown, fold_under};
use crate::identity::Identity;
use crate::names::{ColumnName, TableName};
use crate::permit::{Permit, Residual};
use crate::policy::{CheckedPolicy, Clause, Command, Effect, Schema, TableRules};
use crate::print;
use crate::sql::SqlWriter;
use crate::time::Timestamp;
use crate::weigh::Weighing;

use atoms::{Outline, Rows};
pub use coverage::{AtomCoverage, Coverage};
pub use subqueries::SubqueryView;
pub use views::{AtomView, ConditionView, DenialView, Explanation, PolicyView};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Who asks.
    pub identity: &'a Identity,
    /// What for.
    pub command: Command,
    /// On which table.
    pub table: &'a TableName,
    /// When.
    pub now: Timestamp,
    /// On which row, if on one: as it is for select and delete, as written for insert and update.
    pub row: Option<&'a Row>,
    /// The row before an update.
    pub old: Option<&'a Row>,
    /// The columns that the request reads and those that it writes; none mentioned: whichever
    /// policies there are count.
    pub columns: (BTreeSet<ColumnName>, BTreeSet<ColumnName>),
}

/// Explains the decision on a question.
pub fn explain(schema: &Schema, question: &Question<'_>) -> Explanation {
    let identity = question.identity;
    let decided = decide(
        schema,
        identity,
        question.command,
        question.table,
        question.now,
    );
    let (read, written) = &question.columns;
    let decided = match &decided {
        Ok(permit) => permit
            .for_columns(read, written)
            .map_err(|denied| (denied, Some(permit))),
        Err(denied) => Err((denied.clone(), None)),
    };
    let rules = schema.table(question.table);
    let conditions = match &decided {
        Ok(permit) => conditions(permit, question),
        Err(_) => Vec::new(),
    };
    let explainer = rules.map(|rules| Explainer {
        schema,
        rules,
        question,
    });
    Explanation {
        table: question.table.clone(),
        command: question.command,
        role: identity.role().as_str(),
        uid: identity.subject().map(str::to_owned),
        allowed: match &decided {
            Ok(_) => allowed(&conditions, question),
            Err(_) => Some(false),
        },
        denied: decided.as_ref().err().map(|(denied, _)| denial(denied)),
        bypassed: bypasses(identity, question.table),
        conditions,
        policies: explainer
            .as_ref()
            .map_or_else(Vec::new, Explainer::policies),
        subqueries: rules.map_or_else(Vec::new, |rules| {
            subqueries::read_by(schema, rules, question)
        }),
    }
}

fn denial(denied: &Denied) -> DenialView {
    DenialView {
        code: denied.code(),
        message: denied.message(),
    }
}

/// All conditions that the row has to meet; without a row, whether nothing is left to meet.
fn allowed(conditions: &[ConditionView], question: &Question<'_>) -> Option<bool> {
    let asked = conditions
        .iter()
        .filter(|condition| condition.on != "returning");
    let mut sure = true;
    for condition in asked {
        match condition.passes {
            Some(false) => return Some(false),
            Some(true) => {}
            None if condition.text == "true" => {}
            None => sure = false,
        }
    }
    (sure || question.row.is_none()).then_some(true)
}

fn conditions(permit: &Permit, question: &Question<'_>) -> Vec<ConditionView> {
    let returning = permit.returning().ok();
    let parts = match permit.command() {
        Command::Select | Command::Delete => vec![("using", Some(permit.using()))],
        Command::Insert => vec![("check", Some(permit.check())), ("returning", returning)],
        Command::Update => vec![
            ("using", Some(permit.using())),
            ("check", Some(permit.check())),
        ],
    };
    let table = permit.table().name.as_str();
    let view = |on: &'static str, residual: &Residual| {
        let (text, passes) = match residual {
            Residual::True => ("true".to_owned(), None),
            Residual::When(expr) => {
                let existing = question.old.or(question.row);
                let passes = match (on, existing, question.row) {
                    // NULL by the row is a no; NULL by other tables' rows is no answer.
                    _ if expr.0.any(&|node| node.relation().is_some()) => None,
                    ("using", Some(row), _) => Some(evaluate(expr, row) == Some(true)),
                    ("check", Some(old), Some(new)) => {
                        Some(evaluate_change(expr, old, new) == Some(true))
                    }
                    (_, _, Some(row)) => Some(evaluate(expr, row) == Some(true)),
                    (_, _, None) => None,
                };
                (print::policy_text(&expr.0, table), passes)
            }
        };
        ConditionView {
            on,
            text,
            sql: SqlWriter::new().with_old_row("old").residual(residual, "t"),
            passes,
        }
    };
    parts
        .into_iter()
        .filter_map(|(on, residual)| residual.map(|residual| view(on, residual)))
        .collect()
}

struct Explainer<'a> {
    schema: &'a Schema,
    rules: &'a TableRules,
    question: &'a Question<'a>,
}

/// What a command asks of policies: its own conditions, and those of select.
pub(crate) fn asked(command: Command) -> Vec<(Command, Clause)> {
    let select = (Command::Select, Clause::Using);
    match command {
        Command::Select => vec![select],
        Command::Insert => vec![(Command::Insert, Clause::Check), select],
        Command::Update => vec![
            (Command::Update, Clause::Using),
            (Command::Update, Clause::Check),
            select,
        ],
        Command::Delete => vec![(Command::Delete, Clause::Using), select],
    }
}

/// The row that a clause tests, of those that were given.
pub(crate) fn tested<'a>(question: &Question<'a>, clause: Clause) -> Option<Rows<'a>> {
    let row = match clause {
        Clause::Using => question.old.or(question.row),
        Clause::Check => question.row,
    };
    row.map(|row| Rows {
        row,
        old: question.old,
    })
}

impl Explainer<'_> {
    fn policies(&self) -> Vec<PolicyView> {
        let of = |(command, clause): (Command, Clause)| {
            let policies = self.rules.policies().iter();
            policies
                .filter(move |policy| policy.source().commands.contains(&command))
                .map(move |policy| self.policy(policy, command, clause))
        };
        asked(self.question.command)
            .into_iter()
            .flat_map(of)
            .collect()
    }

    fn caller(&self) -> Caller<'_> {
        Caller {
            identity: self.question.identity,
            now: self.question.now,
            schema: Some(self.schema),
        }
    }

    fn policy(&self, policy: &CheckedPolicy, command: Command, clause: Clause) -> PolicyView {
        let source = policy.source();
        let caller = self.caller();
        let unknown = match source.effect {
            Effect::Allow => Unknown::IsFalse,
            Effect::Deny => Unknown::IsTrue,
        };
        let condition = policy.condition(clause);
        let folded = condition.map_or(Node::FALSE, |expr| {
            fold_under(expr.0.clone(), caller, unknown)
        });
        let why_not = self.why_not(policy, command, &folded);
        let text = match clause {
            Clause::Using => source.using.clone(),
            Clause::Check => source.check.clone().or_else(|| source.using.clone()),
        };
        let text = text.unwrap_or_default();
        let (passes, failing) = match why_not {
            None => self.row(policy, clause, &text),
            Some(_) => (None, None),
        };
        PolicyView {
            id: source.id,
            name: source.name.clone(),
            effect: source.effect,
            command,
            clause,
            applies: why_not.is_none(),
            why_not,
            folded: print::policy_text(&folded, self.rules.shape().name.as_str()),
            text,
            passes,
            failing,
        }
    }

    fn why_not(&self, policy: &CheckedPolicy, command: Command, folded: &Node) -> Option<String> {
        let weighing = Weighing {
            rules: self.rules,
            caller: self.caller(),
        };
        if !weighing.applies(policy) {
            let roles = policy.source().roles.join(", ");
            let role = self.question.identity.role().as_str();
            return Some(format!("it is for {roles}; the caller is {role}"));
        }
        let (mask, mentioned) = match command {
            Command::Select => (&policy.columns.read, &self.question.columns.0),
            Command::Insert | Command::Update => (&policy.columns.write, &self.question.columns.1),
            Command::Delete => (&None, &self.question.columns.0),
        };
        if let Some(column) = mask
            .as_ref()
            .and_then(|mask| mentioned.difference(mask).next())
        {
            return Some(format!("it does not cover the column {column}"));
        }
        let settled = folded == &Node::FALSE;
        settled.then(|| "with the caller's claims it holds for no row".to_owned())
    }

    /// What the row says to a policy that applies.
    fn row(
        &self,
        policy: &CheckedPolicy,
        clause: Clause,
        text: &str,
    ) -> (Option<bool>, Option<AtomView>) {
        let Some(rows) = tested(self.question, clause) else {
            return (None, None);
        };
        let Ok(outline) = Outline::read(text, self.rules.shape(), self.schema) else {
            return (None, None);
        };
        let caller = self.caller();
        let see = |atom: &atoms::Atom| atom.truth(caller, rows);
        let wanted = policy.source().effect == Effect::Allow;
        let truth = outline.truth(&see);
        let failing = match truth {
            Some(truth) if truth == wanted => None,
            _ => outline.first_against(wanted, &see),
        };
        let view = failing.map(|atom| AtomView {
            text: atom.text.clone(),
            line: atom.at.line,
            column: atom.at.column,
        });
        (truth, view)
    }
}
