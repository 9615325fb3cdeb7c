//! The decision: identity, command and table in, a permit or a denial out.
//!
//! Per command `P = (any allow) AND NOT (any deny)`, default closed. The caller's claims are
//! constants, so everything that depends on them alone is settled here, without a database. A
//! condition that is NULL once claims are known counts as not met; a deny that is NULL counts as
//! met. What is left goes into the [`Permit`].

use uuid::Uuid;

use crate::expr::{Expr, Node};
use crate::fold::{Caller, Unknown, fold_under};
use crate::identity::Identity;
use crate::names::TableName;
use crate::permit::{Grant, Permit, Residual};
use crate::policy::{CheckedPolicy, Clause, Command, Effect, Schema, TableRules};
use crate::time::Timestamp;
use crate::value::Value;

/// Why a command is refused before any row is looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The project has no such table.
    #[error("there is no such table")]
    UnknownTable,
    /// No enabled policy allows the command to anybody.
    #[error("no policy allows this command on this table; add one that does")]
    NoPolicy,
    /// Policies allow it to somebody, but with these claims no row can pass.
    #[error("the caller's claims pass no policy for this command on this table")]
    DeniedByClaims {
        /// The policies that were weighed. For the host's log, not for outsiders.
        policies: Vec<Uuid>,
    },
}

impl Denied {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownTable => "unknown_table",
            Self::NoPolicy => "no_policy",
            Self::DeniedByClaims { .. } => "denied_by_claims",
        }
    }

    /// One sentence for outsiders; it names no policy.
    pub fn message(&self) -> String {
        self.to_string()
    }
}

/// Decides whether `identity` may run `command` on `table`, and on which rows.
///
/// # Errors
/// [`Denied`] where no row could pass, whatever the table holds.
pub fn decide(
    schema: &Schema,
    identity: &Identity,
    command: Command,
    table: &TableName,
    now: Timestamp,
) -> Result<Permit, Denied> {
    let rules = schema.table(table).ok_or(Denied::UnknownTable)?;
    let caller = Caller {
        identity,
        now,
        schema: Some(schema),
    };
    let grant = if bypasses(identity, table) {
        everything(command)
    } else {
        Weighing { rules, caller }.grant(command)?
    };
    Ok(Permit::new(
        rules.shape.clone(),
        identity.clone(),
        now,
        grant,
    ))
}

/// The rows of another table that the caller may read, as a condition on that table's row.
pub(crate) fn visible_rows(table: &TableName, caller: Caller<'_>) -> Node {
    let Some(rules) = caller.schema.and_then(|schema| schema.table(table)) else {
        return Node::FALSE;
    };
    if bypasses(caller.identity, table) {
        return Node::TRUE;
    }
    match (Weighing { rules, caller }).combine(Command::Select, Clause::Using) {
        Ok(Residual::True) => Node::TRUE,
        Ok(Residual::When(expr)) => expr.0,
        Err(_) => Node::FALSE,
    }
}

fn bypasses(identity: &Identity, table: &TableName) -> bool {
    match identity {
        Identity::Service(service) => service.bypass.contains(table),
        Identity::Anonymous | Identity::User(_) => false,
    }
}

fn everything(command: Command) -> Grant {
    let all = Residual::True;
    match command {
        Command::Select => Grant::Select { using: all },
        Command::Insert => Grant::Insert {
            check: all,
            returning: Ok(Residual::True),
        },
        Command::Update => Grant::Update {
            using: all,
            check: Residual::True,
        },
        Command::Delete => Grant::Delete { using: all },
    }
}

/// The policies of one table, weighed for one caller.
struct Weighing<'a> {
    rules: &'a TableRules,
    caller: Caller<'a>,
}

impl Weighing<'_> {
    fn grant(&self, command: Command) -> Result<Grant, Denied> {
        let existing = |command| self.combine(command, Clause::Using);
        let written = |command| self.combine(command, Clause::Check);
        Ok(match command {
            Command::Select => Grant::Select {
                using: existing(Command::Select)?,
            },
            Command::Insert => Grant::Insert {
                check: written(Command::Insert)?,
                returning: existing(Command::Select),
            },
            Command::Update => {
                let (using, check) = (existing(Command::Update)?, written(Command::Update)?);
                let visible = existing(Command::Select)?;
                Grant::Update {
                    using: visible.and(&using),
                    check: check.and(&visible),
                }
            }
            Command::Delete => {
                let using = existing(Command::Delete)?;
                Grant::Delete {
                    using: existing(Command::Select)?.and(&using),
                }
            }
        })
    }

    /// `(any allow) AND NOT (any deny)` over the policies for `command`, folded.
    fn combine(&self, command: Command, clause: Clause) -> Result<Residual, Denied> {
        let with_effect = |effect: Effect| {
            self.rules.policies.iter().filter(move |policy| {
                policy.source.effect == effect && policy.source.commands.contains(&command)
            })
        };
        if with_effect(Effect::Allow).next().is_none() {
            return Err(Denied::NoPolicy);
        }
        let any = |effect| {
            let applying = with_effect(effect).filter(|policy| self.applies(policy));
            Node::Or(
                applying
                    .map(|policy| condition(policy, clause, effect))
                    .collect(),
            )
        };
        let whole = Node::And(vec![
            any(Effect::Allow),
            Node::Not(Box::new(any(Effect::Deny))),
        ]);
        match fold_under(whole, self.caller, Unknown::IsFalse) {
            Node::Constant {
                value: Value::Boolean(true),
                ..
            } => Ok(Residual::True),
            Node::Constant { .. } => {
                let weighed = with_effect(Effect::Allow).chain(with_effect(Effect::Deny));
                Err(Denied::DeniedByClaims {
                    policies: weighed.map(|policy| policy.source.id).collect(),
                })
            }
            residual => Ok(Residual::When(Expr(residual))),
        }
    }

    fn applies(&self, policy: &CheckedPolicy) -> bool {
        let roles = &policy.source.roles;
        roles.is_empty() || roles.iter().any(|role| self.caller.identity.has_role(role))
    }
}

/// A policy's condition. Checking makes sure that there is one for each of its commands; should
/// that ever fail, an allow lets nothing through and a deny holds everything back.
fn condition(policy: &CheckedPolicy, clause: Clause, effect: Effect) -> Node {
    match (policy.condition(clause), effect) {
        (Some(expr), _) => expr.0.clone(),
        (None, Effect::Allow) => Node::FALSE,
        (None, Effect::Deny) => Node::TRUE,
    }
}
