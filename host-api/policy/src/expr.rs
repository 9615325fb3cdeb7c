//! The typed expression that policies and guest filters become once they are checked.
//!
//! An [`Expr`] is only made by the checker and by folding, so every column in it exists, every
//! comparison is between types that compare, and no operator can raise an error on any row.
//! [`crate::evaluate`] runs it on a row; [`crate::SqlWriter`] writes it as SQL.

mod parts;

use std::collections::BTreeSet;

use crate::names::{ColumnName, TableName};
use crate::time::Timestamp;
use crate::types::ColumnType;
use crate::value::Value;

pub(crate) use parts::{Claim, CompareOp, Function, InnerPolicies, JsonRead, LetterCase, Relation};

/// A checked condition on one row: true, false or, as in SQL, NULL.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr(pub(crate) Node);

impl Expr {
    /// The columns of the row itself that the condition mentions.
    pub fn columns(&self) -> BTreeSet<ColumnName> {
        let mut columns = BTreeSet::new();
        self.0.visit(&mut |node| {
            if let Node::Column { name, level: 0, .. } = node {
                columns.insert(name.clone());
            }
        });
        columns
    }

    /// Whether the condition asks for rows of other tables, which [`evaluate`](crate::evaluate)
    /// does not know.
    pub fn reads_tables(&self) -> bool {
        self.0.any(&|node| node.relation().is_some())
    }

    /// Whether the condition compares with the row as it was before an update.
    pub(crate) fn needs_old(&self) -> bool {
        self.0.any(&|node| matches!(node, Node::Old { .. }))
    }
}

/// One node of an expression. Conditions are nodes of type boolean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// `level` says whose column: 0 is the row that is decided about, 1 the row of a subquery over
    /// it, and so on inwards.
    Column {
        name: ColumnName,
        ty: ColumnType,
        level: usize,
    },
    /// A column of the decided row as it was before an update.
    Old {
        name: ColumnName,
        ty: ColumnType,
    },
    Constant {
        value: Value,
        ty: ColumnType,
    },
    Claim {
        claim: Claim,
        ty: ColumnType,
    },
    /// `now()`, and that many microseconds later. Folding notes the time of the decision for the host's evaluator; SQL always asks
    /// the database, whose clock the rows were written by.
    Now {
        at: Option<Timestamp>,
        shift: i64,
    },
    Call {
        function: Function,
        args: Vec<Node>,
        ty: ColumnType,
    },
    Compare {
        op: CompareOp,
        left: Box<Node>,
        right: Box<Node>,
    },
    /// `IS DISTINCT FROM`: never NULL.
    Distinct {
        left: Box<Node>,
        right: Box<Node>,
    },
    /// `item = list[0] OR item = list[1] OR …`
    In {
        item: Box<Node>,
        list: Vec<Node>,
    },
    /// `item = ANY (array)`, where the array is a column or a claim.
    InArray {
        item: Box<Node>,
        array: Box<Node>,
    },
    /// Whether the relation has a row that meets the condition.
    Exists {
        relation: Relation,
        condition: Box<Node>,
    },
    /// `item IN (SELECT output FROM relation WHERE condition)`
    InQuery {
        item: Box<Node>,
        output: Box<Node>,
        relation: Relation,
        condition: Box<Node>,
    },
    /// The pattern is a constant text (or NULL).
    Like {
        item: Box<Node>,
        pattern: Box<Node>,
        case: LetterCase,
    },
    IsNull(Box<Node>),
    /// `IS TRUE` or `IS FALSE`: never NULL.
    Is {
        node: Box<Node>,
        value: bool,
    },
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
}

impl Node {
    pub(crate) const NULL: Self = Self::Constant {
        value: Value::Null,
        ty: ColumnType::Boolean,
    };
    pub(crate) const TRUE: Self = Self::boolean(true);
    pub(crate) const FALSE: Self = Self::boolean(false);

    pub(crate) const fn boolean(value: bool) -> Self {
        Self::Constant {
            value: Value::Boolean(value),
            ty: ColumnType::Boolean,
        }
    }

    /// The type of what the node answers.
    pub(crate) fn ty(&self) -> ColumnType {
        match self {
            Self::Column { ty, .. }
            | Self::Old { ty, .. }
            | Self::Constant { ty, .. }
            | Self::Claim { ty, .. }
            | Self::Call { ty, .. } => *ty,
            Self::Now { .. } => ColumnType::Timestamptz,
            Self::Compare { .. }
            | Self::Distinct { .. }
            | Self::In { .. }
            | Self::InArray { .. }
            | Self::Exists { .. }
            | Self::InQuery { .. }
            | Self::Like { .. }
            | Self::IsNull(_)
            | Self::Is { .. }
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_) => ColumnType::Boolean,
        }
    }

    /// The value of a constant.
    pub(crate) fn constant(&self) -> Option<&Value> {
        match self {
            Self::Constant { value, .. } => Some(value),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.constant() == Some(&Value::Null)
    }

    /// The nodes directly below this one.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Column { .. }
            | Self::Old { .. }
            | Self::Constant { .. }
            | Self::Claim { .. }
            | Self::Now { .. } => Vec::new(),
            Self::Compare { left, right, .. } | Self::Distinct { left, right } => vec![left, right],
            Self::In { item, list } => std::iter::once(&**item).chain(list).collect(),
            Self::InArray { item, array } => vec![item, array],
            Self::Like { item, pattern, .. } => vec![item, pattern],
            Self::Exists { condition, .. } => vec![condition],
            Self::InQuery {
                item,
                output,
                condition,
                ..
            } => vec![item, output, condition],
            Self::IsNull(node) | Self::Is { node, .. } | Self::Not(node) => vec![node],
            Self::Call { args: nodes, .. } | Self::And(nodes) | Self::Or(nodes) => {
                nodes.iter().collect()
            }
        }
    }

    /// The same node over changed children.
    pub(crate) fn map_children(self, change: &mut dyn FnMut(Self) -> Self) -> Self {
        let boxed = |node: Box<Self>, change: &mut dyn FnMut(Self) -> Self| Box::new(change(*node));
        match self {
            leaf @ (Self::Column { .. }
            | Self::Old { .. }
            | Self::Constant { .. }
            | Self::Claim { .. }
            | Self::Now { .. }) => leaf,
            Self::Call { function, args, ty } => Self::Call {
                function,
                args: args.into_iter().map(change).collect(),
                ty,
            },
            Self::Compare { op, left, right } => Self::Compare {
                op,
                left: boxed(left, change),
                right: boxed(right, change),
            },
            Self::Distinct { left, right } => Self::Distinct {
                left: boxed(left, change),
                right: boxed(right, change),
            },
            Self::In { item, list } => {
                let item = boxed(item, change);
                Self::In {
                    item,
                    list: list.into_iter().map(change).collect(),
                }
            }
            Self::InArray { item, array } => Self::InArray {
                item: boxed(item, change),
                array: boxed(array, change),
            },
            Self::Like {
                item,
                pattern,
                case,
            } => Self::Like {
                item: boxed(item, change),
                pattern: boxed(pattern, change),
                case,
            },
            Self::Exists {
                relation,
                condition,
            } => Self::Exists {
                relation,
                condition: boxed(condition, change),
            },
            Self::InQuery {
                item,
                output,
                relation,
                condition,
            } => Self::InQuery {
                item: boxed(item, change),
                output: boxed(output, change),
                relation,
                condition: boxed(condition, change),
            },
            Self::IsNull(node) => Self::IsNull(boxed(node, change)),
            Self::Is { node, value } => Self::Is {
                node: boxed(node, change),
                value,
            },
            Self::Not(node) => Self::Not(boxed(node, change)),
            Self::And(nodes) => Self::And(nodes.into_iter().map(change).collect()),
            Self::Or(nodes) => Self::Or(nodes.into_iter().map(change).collect()),
        }
    }

    /// The same node with every row `by` levels further in: a policy of a subquery's table, put
    /// into that subquery.
    pub(crate) fn shifted(self, by: usize) -> Self {
        let mut node = self.map_children(&mut |child| child.shifted(by));
        match &mut node {
            Self::Column { level, .. }
            | Self::Exists {
                relation: Relation { level, .. },
                ..
            }
            | Self::InQuery {
                relation: Relation { level, .. },
                ..
            } => *level += by,
            _ => {}
        }
        node
    }

    /// The relation of a subquery.
    pub(crate) fn relation(&self) -> Option<&Relation> {
        match self {
            Self::Exists { relation, .. } | Self::InQuery { relation, .. } => Some(relation),
            _ => None,
        }
    }

    /// The tables that its subqueries read.
    pub(crate) fn tables(&self) -> BTreeSet<TableName> {
        let mut found = BTreeSet::new();
        self.visit(&mut |node| {
            found.extend(node.relation().map(|relation| relation.table.clone()))
        });
        found
    }

    /// Shows every node to `see`, parents first.
    pub(crate) fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Self)) {
        see(self);
        for child in self.children() {
            child.visit(see);
        }
    }

    /// Whether the node or one below it is as `wanted` says.
    pub(crate) fn any(&self, wanted: &dyn Fn(&Self) -> bool) -> bool {
        wanted(self) || self.children().into_iter().any(|child| child.any(wanted))
    }
}
