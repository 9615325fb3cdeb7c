//! Partial evaluation: the caller's claims are put in and what follows from them is worked out.
//!
//! [`fold`] keeps the three-valued result of an expression on every row. [`fold_under`] may change
//! NULL into the value it counts as, where only that matters: at the top of a policy an unknown
//! row does not pass, so NULL is as good as false. `now()` is noted, never folded into a constant:
//! a prepared statement must ask the clock each time.

use std::collections::BTreeSet;

use crate::decide;
use crate::eval::{Row, Scene};
use crate::expr::{InnerPolicies, Node, Relation};
use crate::identity::Identity;
use crate::names::ColumnName;
use crate::policy::Schema;
use crate::time::Timestamp;
use crate::value::Value;

/// What is known when a decision is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) now: Timestamp,
    /// Whose policies apply inside subqueries; without it, no row of another table is visible.
    pub(crate) schema: Option<&'a Schema>,
}

/// What NULL counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    IsFalse,
    IsTrue,
}

impl Unknown {
    fn flipped(self) -> Self {
        match self {
            Self::IsFalse => Self::IsTrue,
            Self::IsTrue => Self::IsFalse,
        }
    }

    fn node(self) -> Node {
        Node::boolean(self == Self::IsTrue)
    }
}

/// Folds, with the same result as before on every row, NULL included.
pub(crate) fn fold(node: Node, caller: Caller<'_>) -> Node {
    let node = guarded(node, caller).map_children(&mut |child| fold(child, caller));
    simplify(node, caller)
}

/// Folds for a place where NULL counts as `unknown`.
pub(crate) fn fold_under(node: Node, caller: Caller<'_>, unknown: Unknown) -> Node {
    settle(fold(node, caller), caller, unknown)
}

fn settle(node: Node, caller: Caller<'_>, unknown: Unknown) -> Node {
    let settled = match node {
        // AND and OR pass the question on as it is: each is TRUE (or FALSE) by its parts being so.
        node @ (Node::And(_) | Node::Or(_)) => {
            node.map_children(&mut |child| settle(child, caller, unknown))
        }
        Node::Not(inner) => Node::Not(Box::new(settle(*inner, caller, unknown.flipped()))),
        node if node.is_null() => return unknown.node(),
        node => return node,
    };
    simplify(settled, caller)
}

/// Puts the select policies of a subquery's table into its condition, as Postgres does.
fn guarded(node: Node, caller: Caller<'_>) -> Node {
    let guard = |relation: Relation, condition: Box<Node>, output: Option<&Node>| {
        if relation.policies == InnerPolicies::Applied {
            return (relation, condition);
        }
        let mentioned = || mentioned(relation.level, &condition, output);
        let policies =
            decide::visible_rows(&relation.table, caller, &mentioned).shifted(relation.level);
        let relation = Relation {
            policies: InnerPolicies::Applied,
            ..relation
        };
        (relation, Box::new(Node::And(vec![*condition, policies])))
    };
    match node {
        Node::Exists {
            relation,
            condition,
        } => {
            let (relation, condition) = guard(relation, condition, None);
            Node::Exists {
                relation,
                condition,
            }
        }
        Node::InQuery {
            item,
            output,
            relation,
            condition,
        } => {
            let (relation, condition) = guard(relation, condition, Some(&output));
            Node::InQuery {
                item,
                output,
                relation,
                condition,
            }
        }
        node => node,
    }
}

/// The columns of a subquery's own rows that it mentions.
fn mentioned(level: usize, condition: &Node, output: Option<&Node>) -> BTreeSet<ColumnName> {
    let mut columns = BTreeSet::new();
    for part in output.into_iter().chain([condition]) {
        part.visit(&mut |node| match node {
            Node::Column { name, level: l, .. } if *l == level => {
                columns.insert(name.clone());
            }
            _ => {}
        });
    }
    columns
}

/// WHERE takes only rows for which its condition is true; where none can be, there is no row.
fn subquery(node: Node, caller: Caller<'_>) -> Node {
    let where_true = |condition: Box<Node>| Box::new(settle(*condition, caller, Unknown::IsFalse));
    let node = match node {
        Node::Exists {
            relation,
            condition,
        } => Node::Exists {
            relation,
            condition: where_true(condition),
        },
        Node::InQuery {
            item,
            output,
            relation,
            condition,
        } => Node::InQuery {
            item,
            output,
            relation,
            condition: where_true(condition),
        },
        node => node,
    };
    match &node {
        Node::Exists { condition, .. } | Node::InQuery { condition, .. }
            if **condition == Node::FALSE =>
        {
            Node::FALSE
        }
        _ => node,
    }
}

/// One step: the children are folded already.
fn simplify(node: Node, caller: Caller<'_>) -> Node {
    match node {
        Node::Claim { .. } => computed(node, caller),
        Node::Exists { .. } | Node::InQuery { .. } => subquery(node, caller),
        Node::Now { shift, .. } => Node::Now {
            at: Some(caller.now),
            shift,
        },
        Node::And(parts) => junction(parts, false),
        Node::Or(parts) => junction(parts, true),
        Node::Call {
            function: crate::expr::Function::Coalesce,
            args,
            ty,
        } => coalesce(args, ty),
        Node::Not(inner) => match *inner {
            Node::Not(twice) => *twice,
            inner => settled_if_constant(Node::Not(Box::new(inner)), caller),
        },
        node => settled_if_constant(node, caller),
    }
}

fn settled_if_constant(node: Node, caller: Caller<'_>) -> Node {
    let children = node.children();
    let all_constant = !children.is_empty() && children.iter().all(|c| c.constant().is_some());
    // These answer NULL as soon as a side is NULL, whatever the row holds on the other.
    let strict_and_null = match &node {
        Node::Compare { left, right, .. } => left.is_null() || right.is_null(),
        Node::Like { item, pattern, .. } => item.is_null() || pattern.is_null(),
        Node::In { item, list } => item.is_null() && !list.is_empty(),
        Node::InArray { item, array } => {
            array.is_null() || (item.is_null() && array.constant().is_some_and(has_items))
        }
        _ => false,
    };
    if strict_and_null {
        return Node::NULL;
    }
    let nothing_to_equal = match &node {
        Node::In { list, .. } => list.is_empty(),
        Node::InArray { array, .. } => array.constant().is_some_and(|array| !has_items(array)),
        _ => false,
    };
    if nothing_to_equal {
        return Node::FALSE;
    }
    if all_constant {
        computed(node, caller)
    } else {
        node
    }
}

fn has_items(array: &Value) -> bool {
    !matches!(array, Value::List(items) if items.is_empty())
}

/// All of folded parts.
pub(crate) fn all_of(parts: Vec<Node>) -> Node {
    junction(parts, false)
}

/// Any of folded parts.
pub(crate) fn any_of(parts: Vec<Node>) -> Node {
    junction(parts, true)
}

/// The opposite of a folded part.
pub(crate) fn negated(part: Node) -> Node {
    match part {
        Node::Not(inner) => *inner,
        part => match part.constant() {
            Some(Value::Boolean(value)) => Node::boolean(!value),
            Some(_) => Node::NULL,
            None => Node::Not(Box::new(part)),
        },
    }
}

/// The constant that a node without columns stands for.
fn computed(node: Node, caller: Caller<'_>) -> Node {
    let row = Row::new();
    let scene = Scene {
        row: &row,
        old: None,
        caller: Some(caller),
    };
    Node::Constant {
        value: scene.value(&node),
        ty: node.ty(),
    }
}

/// AND (`absorbing` false) or OR (`absorbing` true) of folded parts.
fn junction(parts: Vec<Node>, absorbing: bool) -> Node {
    let mut kept: Vec<Node> = Vec::with_capacity(parts.len());
    for part in flattened(parts, absorbing) {
        match part.constant() {
            Some(Value::Boolean(value)) if *value == absorbing => return Node::boolean(absorbing),
            Some(Value::Boolean(_)) => {}
            // One NULL says as much as several.
            Some(Value::Null) if kept.iter().any(Node::is_null) => {}
            _ => kept.push(part),
        }
    }
    if kept.len() > 1 {
        return if absorbing {
            Node::Or(kept)
        } else {
            Node::And(kept)
        };
    }
    kept.pop().unwrap_or(Node::boolean(!absorbing))
}

/// Parts that are themselves the same kind of junction are lifted. They are folded, so one level
/// is enough.
fn flattened(parts: Vec<Node>, absorbing: bool) -> Vec<Node> {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match (part, absorbing) {
            (Node::Or(inner), true) | (Node::And(inner), false) => flat.extend(inner),
            (part, _) => flat.push(part),
        }
    }
    flat
}

fn coalesce(args: Vec<Node>, ty: crate::types::ColumnType) -> Node {
    let mut kept: Vec<Node> = Vec::with_capacity(args.len());
    for arg in args {
        let is_value = arg.constant().is_some_and(|value| *value != Value::Null);
        if !arg.is_null() {
            kept.push(arg);
        }
        if is_value {
            break;
        }
    }
    match kept.len() {
        0 => Node::Constant {
            value: Value::Null,
            ty,
        },
        1 => kept.pop().unwrap_or(Node::Constant {
            value: Value::Null,
            ty,
        }),
        _ => Node::Call {
            function: crate::expr::Function::Coalesce,
            args: kept,
            ty,
        },
    }
}

#[cfg(test)]
mod tests;
