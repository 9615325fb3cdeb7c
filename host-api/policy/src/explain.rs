//! Why a decision is what it is: each policy, what became of it, and what a row has to do with it.
//!
//! It decides nothing itself: the outcome is that of [`decide`], and the rest says how it came
//! about. For authors and operators: it names policies and claims. What rows of other tables would
//! decide is not known here, and stays unknown.

mod asked;
mod atoms;
mod coverage;
mod subqueries;
mod verdict;
mod views;

use crate::expr::Node;
use crate::fold::{Unknown, fold_under};
use crate::policy::{CheckedPolicy, Clause, Command, Effect, Schema, TableRules};
use crate::print;
use crate::time::Timestamp;

pub use asked::Question;
use asked::{Asked, clauses};
use atoms::Outline;
pub use coverage::{AtomCoverage, Coverage};
pub use subqueries::SubqueryView;
pub use verdict::Verdict;
pub use views::{AtomView, Explanation, PolicyView, Reason, SqlView};

/// Explains the decision on a question.
pub fn explain(schema: &Schema, question: &Question, now: Timestamp) -> Explanation {
    let asked = Asked::of(schema, question, now);
    let mut explanation = verdict::of(&asked);
    if let Some(rules) = schema.table(&question.table) {
        let explainer = Explainer {
            schema,
            rules,
            asked: &asked,
        };
        explanation.policies = explainer.policies();
        explanation.subqueries = subqueries::read_by(schema, rules, question);
    }
    explanation
}

struct Explainer<'a> {
    schema: &'a Schema,
    rules: &'a TableRules,
    asked: &'a Asked<'a>,
}

impl Explainer<'_> {
    fn policies(&self) -> Vec<PolicyView> {
        let of = |(command, clause): (Command, Clause)| {
            let policies = self.rules.policies().iter();
            policies
                .filter(move |policy| policy.source().commands.contains(&command))
                .map(move |policy| self.policy(policy, command, clause))
        };
        clauses(self.asked.question.command)
            .into_iter()
            .flat_map(of)
            .collect()
    }

    fn policy(&self, policy: &CheckedPolicy, command: Command, clause: Clause) -> PolicyView {
        let source = policy.source();
        let caller = self.asked.caller;
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
        let question = self.asked.question;
        if !policy.is_for(&question.identity) {
            let roles = policy.source().roles.join(", ");
            let role = question.identity.role().as_str();
            return Some(format!("it is for {roles}; the caller is {role}"));
        }
        let (mask, mentioned) = match command {
            Command::Select => (&policy.columns.read, &question.columns.0),
            Command::Insert | Command::Update => (&policy.columns.write, &question.columns.1),
            Command::Delete => (&None, &question.columns.0),
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
        let Some(rows) = self.asked.tested(clause) else {
            return (None, None);
        };
        let Ok(outline) = Outline::read(text, self.rules.shape(), self.schema) else {
            return (None, None);
        };
        let caller = self.asked.caller;
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
