//! How far policies reach into other tables: cycles, and how large a condition can become.
//!
//! The select policies of a table apply inside every subquery over it, so a policy pulls in those
//! of the tables it reads, and they theirs; not those of a table that policies read past its own.
//! That must end, and must stay small. It is settled once, when a [`Schema`](crate::Schema) is built, so deciding needs no limits of its own.

use std::collections::BTreeMap;

use crate::expr::Node;
use crate::names::TableName;
use crate::policy::{
    CheckedPolicy, Clause, Command, PolicyError, PolicyFault, PolicyReach, TableRules,
};

/// How many levels of tables a policy may reach through. Each is a subquery inside the last.
pub const REACH_LEVELS_MAX: usize = 8;

/// How large a condition may become with every policy it pulls in, in columns, claims and
/// operators. Each caller's decision walks all of it.
pub const REACH_NODES_MAX: usize = 10_000;

/// What the select policies of a table pull in, themselves included.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    levels: usize,
}

type Sized = Result<Size, PolicyReach>;

/// Finds the policies that reach too far.
pub(crate) fn check(tables: &BTreeMap<TableName, TableRules>) -> Vec<PolicyError> {
    let mut walk = Walk {
        tables,
        path: Vec::new(),
        known: BTreeMap::new(),
    };
    let mut errors = Vec::new();
    for policy in tables.values().flat_map(|rules| &rules.policies) {
        if let Err(reach) = walk
            .policy(policy, Clause::Using)
            .and(walk.policy(policy, Clause::Check))
        {
            errors.push(PolicyError {
                id: policy.source.id,
                name: policy.source.name.clone(),
                fault: PolicyFault::Reach(reach),
            });
        }
    }
    errors
}

struct Walk<'a> {
    tables: &'a BTreeMap<TableName, TableRules>,
    /// The tables whose select policies are being looked at, outermost first.
    path: Vec<TableName>,
    known: BTreeMap<TableName, Sized>,
}

impl Walk<'_> {
    /// The select policies of one table.
    fn table(&mut self, table: &TableName) -> Sized {
        let rules = self.tables.get(table);
        if rules.is_some_and(|rules| rules.policy_readable) {
            return Ok(Size::default());
        }
        if let Some(known) = self.known.get(table) {
            return known.clone();
        }
        if let Some(start) = self.path.iter().position(|seen| seen == table) {
            let cycle = self.path.iter().skip(start).chain([table]);
            return Err(PolicyReach::Cycle(cycle.cloned().collect()));
        }
        if self.path.len() >= REACH_LEVELS_MAX {
            return Err(PolicyReach::TooDeep);
        }
        self.path.push(table.clone());
        let size = self.select_policies(table);
        self.path.pop();
        self.known.insert(table.clone(), size.clone());
        size
    }

    fn select_policies(&mut self, table: &TableName) -> Sized {
        let tables = self.tables;
        let policies = tables
            .get(table)
            .map(|rules| rules.policies.as_slice())
            .unwrap_or_default();
        let mut sum = Size::default();
        for policy in policies
            .iter()
            .filter(|p| p.source.commands.contains(&Command::Select))
        {
            let size = self.policy(policy, Clause::Using)?;
            sum.nodes = sum.nodes.saturating_add(size.nodes);
            sum.levels = sum.levels.max(size.levels);
        }
        sum.checked()
    }

    /// One condition of a policy, with all that it pulls in.
    fn policy(&mut self, policy: &CheckedPolicy, clause: Clause) -> Sized {
        let Some(expr) = policy.condition(clause) else {
            return Ok(Size::default());
        };
        let mut size = Size::default();
        let mut inner = Vec::new();
        expr.0.visit(&mut |node| {
            // Constants are bounded by the text's length, and cost next to nothing.
            size.nodes += usize::from(!matches!(node, Node::Constant { .. }));
            inner.extend(node.relation().map(|relation| &relation.table));
        });
        for table in inner {
            let pulled = self.table(table)?;
            size.nodes = size.nodes.saturating_add(pulled.nodes);
            size.levels = size.levels.max(pulled.levels + 1);
        }
        size.checked()
    }
}

impl Size {
    fn checked(self) -> Sized {
        if self.levels > REACH_LEVELS_MAX {
            return Err(PolicyReach::TooDeep);
        }
        if self.nodes > REACH_NODES_MAX {
            return Err(PolicyReach::TooLarge);
        }
        Ok(self)
    }
}
