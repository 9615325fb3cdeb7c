//! The policies of one table, weighed for one caller: what they come to for each command.
//!
//! Each allowing policy is folded on its own and keeps its masks, so that a permit can be narrowed
//! once it is known which columns a request mentions. Without masks nothing is kept.

use std::collections::BTreeSet;

use crate::decide::Denied;
use crate::expr::{Expr, Node};
use crate::fold::{Caller, Unknown, all_of, any_of, fold, fold_under, negated};
use crate::names::ColumnName;
use crate::permit::{Grant, Preset, Residual};
use crate::policy::{CheckedPolicy, Clause, ColumnMask, Command, Effect, TableRules};
use crate::value::Value;

/// The columns that a request mentions, where that is known.
#[derive(Clone, Copy)]
pub(crate) struct Mentioned<'a> {
    pub(crate) read: Option<&'a BTreeSet<ColumnName>>,
    pub(crate) written: Option<&'a BTreeSet<ColumnName>>,
}

impl Mentioned<'_> {
    pub(crate) const NOTHING: Self = Self {
        read: None,
        written: None,
    };
}

/// The policies of one table, and for whom they are weighed.
#[derive(Clone, Copy)]
pub(crate) struct Weighing<'a> {
    pub(crate) rules: &'a TableRules,
    pub(crate) caller: Caller<'a>,
}

/// An allowing policy that this caller may pass.
#[derive(Debug, Clone)]
struct Allow {
    columns: ColumnMask,
    presets: Vec<(ColumnName, Preset)>,
    condition: Node,
}

impl Allow {
    fn covers(&self, columns: Option<&BTreeSet<ColumnName>>) -> bool {
        match (&self.columns, columns) {
            (Some(mask), Some(columns)) => columns.is_subset(mask),
            _ => true,
        }
    }
}

/// The policies for one command and clause, with the claims put in.
#[derive(Debug, Clone)]
pub(crate) struct Weighed {
    allows: Vec<Allow>,
    /// Not any deny.
    undenied: Node,
}

impl Weighed {
    /// What is left for a request that mentions these columns.
    pub(crate) fn residual(
        self,
        columns: Option<&BTreeSet<ColumnName>>,
    ) -> Result<Residual, Denied> {
        let covering = self
            .allows
            .into_iter()
            .filter(|allow| allow.covers(columns));
        let conditions: Vec<Node> = covering.map(|allow| allow.condition).collect();
        if conditions.is_empty() {
            return Err(Denied::Columns);
        }
        let whole = all_of(vec![any_of(conditions), self.undenied]);
        Ok(match whole.constant() {
            Some(Value::Boolean(true)) => Residual::True,
            _ => Residual::When(Expr(whole)),
        })
    }

    pub(crate) fn has_masks(&self) -> bool {
        self.allows.iter().any(|allow| allow.columns.is_some())
    }

    /// Whether some policy covers the column.
    fn covers(&self, column: &ColumnName) -> bool {
        self.allows.iter().any(|allow| {
            let mask = allow.columns.as_ref();
            mask.is_none_or(|mask| mask.contains(column))
        })
    }
}

/// All that one command needs.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// The select policies.
    visible: Result<Weighed, Denied>,
    /// The command's own `using`, for update and delete.
    existing: Option<Weighed>,
    /// The command's own `check`, for insert and update.
    written: Option<Weighed>,
}

impl Parts {
    pub(crate) fn has_masks(&self) -> bool {
        let parts = [self.visible.as_ref().ok(), self.written.as_ref()];
        parts.into_iter().flatten().any(Weighed::has_masks)
    }

    /// What the host writes by itself.
    pub(crate) fn presets(&self) -> Vec<(ColumnName, Preset)> {
        let allows = self.written.iter().flat_map(|written| &written.allows);
        let mut presets: Vec<(ColumnName, Preset)> = Vec::new();
        for (column, preset) in allows.flat_map(|allow| &allow.presets) {
            // Two that both apply are the same: a schema with others is not built.
            if presets.iter().all(|(known, _)| known != column) {
                presets.push((column.clone(), preset.clone()));
            }
        }
        presets
    }

    pub(crate) fn readable(&self, column: &ColumnName) -> bool {
        // Where nothing can be read, `returning` says why.
        self.visible
            .as_ref()
            .map_or(true, |visible| visible.covers(column))
    }

    pub(crate) fn writable(&self, column: &ColumnName) -> bool {
        self.written
            .as_ref()
            .is_none_or(|written| written.covers(column))
    }

    /// The conditions, after Postgres' command matrix.
    pub(crate) fn grant(self, command: Command, mentioned: Mentioned<'_>) -> Result<Grant, Denied> {
        let Parts {
            visible,
            existing,
            written,
        } = self;
        let residual = |part: Option<Weighed>| match part {
            Some(part) => part.residual(mentioned.written),
            None => Ok(Residual::True),
        };
        let visible = visible.and_then(|visible| visible.residual(mentioned.read));
        Ok(match command {
            Command::Select => Grant::Select { using: visible? },
            Command::Insert => Grant::Insert {
                check: residual(written)?,
                returning: visible,
            },
            Command::Update => {
                let (using, check) = (residual(existing)?, residual(written)?);
                let visible = visible?;
                Grant::Update {
                    using: visible.and(&using),
                    check: check.and(&visible),
                }
            }
            Command::Delete => Grant::Delete {
                using: visible?.and(&residual(existing)?),
            },
        })
    }
}

impl<'a> Weighing<'a> {
    pub(crate) fn parts(self, command: Command) -> Result<Parts, Denied> {
        let own = |clause| self.weigh(command, clause).map(Some);
        let (existing, written) = match command {
            Command::Select => (None, None),
            Command::Insert => (None, own(Clause::Check)?),
            Command::Update => (own(Clause::Using)?, own(Clause::Check)?),
            Command::Delete => (own(Clause::Using)?, None),
        };
        let visible = self.weigh(Command::Select, Clause::Using);
        match command {
            // An insert may be allowed to somebody who can read nothing.
            Command::Insert => {}
            Command::Select | Command::Update | Command::Delete => {
                visible.as_ref().map_err(Clone::clone)?;
            }
        }
        Ok(Parts {
            visible,
            existing,
            written,
        })
    }

    /// `(any allow) AND NOT (any deny)` over the policies for `command`, folded.
    pub(crate) fn weigh(self, command: Command, clause: Clause) -> Result<Weighed, Denied> {
        let for_command = |policy: &&CheckedPolicy| policy.source.commands.contains(&command);
        let with_effect = |effect| {
            let policies = self.rules.policies.iter().filter(for_command);
            policies.filter(move |policy| policy.source.effect == effect)
        };
        if with_effect(Effect::Allow).next().is_none() {
            return Err(Denied::NoPolicy);
        }
        let allows: Vec<Allow> = with_effect(Effect::Allow)
            .filter(|policy| policy.is_for(self.caller.identity))
            .filter_map(|policy| self.allow(policy, command, clause))
            .collect();
        let denies = with_effect(Effect::Deny)
            .filter(|policy| policy.is_for(self.caller.identity))
            .map(|policy| {
                let condition = condition(policy, clause, Effect::Deny);
                fold_under(condition, self.caller, Unknown::IsTrue)
            });
        let undenied = negated(any_of(denies.collect()));
        let lacks_preset = || {
            let mut presets = allows.iter().flat_map(|allow| &allow.presets);
            presets.any(|(column, preset)| self.cannot_be(column, preset))
        };
        if allows.is_empty() || undenied == Node::FALSE || lacks_preset() {
            return Err(Denied::DeniedByClaims);
        }
        Ok(Weighed { allows, undenied })
    }

    fn allow(self, policy: &CheckedPolicy, command: Command, clause: Clause) -> Option<Allow> {
        let condition = condition(policy, clause, Effect::Allow);
        let condition = fold_under(condition, self.caller, Unknown::IsFalse);
        if condition == Node::FALSE {
            return None;
        }
        let rules = &policy.columns;
        let (columns, presets) = match (command, clause) {
            (Command::Select, _) => (rules.read.clone(), Vec::new()),
            (Command::Delete, _) => (None, Vec::new()),
            (Command::Insert | Command::Update, Clause::Using) => (rules.write.clone(), Vec::new()),
            (Command::Insert | Command::Update, Clause::Check) => {
                let presets = rules.presets.iter();
                let presets = presets.map(|(column, node)| (column.clone(), self.preset(node)));
                (rules.write.clone(), presets.collect())
            }
        };
        Some(Allow {
            columns,
            presets,
            condition,
        })
    }

    fn preset(self, node: &Node) -> Preset {
        match fold(node.clone(), self.caller) {
            Node::Constant { value, ty } => Preset::Value(value, ty),
            Node::Now { .. } => Preset::Now,
            // Checked when the policy was saved.
            other => Preset::Value(Value::Null, other.ty()),
        }
    }

    /// Whether no row could be written, because the column must hold something and this is nothing.
    fn cannot_be(self, column: &ColumnName, preset: &Preset) -> bool {
        let shape = self.rules.shape.column(column.as_str());
        matches!(preset, Preset::Value(Value::Null, _)) && shape.is_none_or(|c| !c.nullable)
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
