//! Expressions as text for people, in the language that policies are written in.
//!
//! What is printed reads back as the same expression. It is never sent to a database: values stand
//! in it as literals. [`crate::SqlWriter`] writes what is run, `native` what Postgres keeps.

mod policy;

use policy::Policy;

use crate::expr::{Claim, LetterCase, Node};
use crate::sql::shifted_now;
use crate::types::ColumnType;
use crate::value::{Value, float_text};

/// The text of any node on rows of `table`.
pub(crate) fn policy_text(printed: &Node, table: &str) -> String {
    node(printed, &Policy { table })
}

/// What differs between the languages that an expression is printed in.
pub(crate) trait Dialect {
    /// A column of the decided row (level 0) or of a subquery's.
    fn column(&self, name: &str, level: usize, inside: usize) -> String;
    /// A column of the row before an update.
    fn old(&self, name: &str) -> String;
    /// The table of a subquery, without its alias.
    fn table(&self, name: &str) -> String;
    fn constant(&self, value: &Value, ty: ColumnType) -> String;
    fn claim(&self, claim: &Claim, ty: ColumnType) -> String;
    /// `item = any (claim)`, where the claim is a list.
    fn in_claim(&self, item: &str, claim: &Claim, ty: ColumnType) -> String;
}

/// The text of a node.
pub(crate) fn node(node: &Node, dialect: &dyn Dialect) -> String {
    let printer = Printer { dialect, inside: 0 };
    printer.print(node, Binding::Or)
}

/// How tightly a text holds together; what is looser than its place needs parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Test,
    Operand,
}

struct Printer<'a> {
    dialect: &'a dyn Dialect,
    /// In how many subqueries this is.
    inside: usize,
}

impl Printer<'_> {
    fn print(&self, node: &Node, place: Binding) -> String {
        let (text, binding) = self.bare(node);
        if binding < place {
            format!("({text})")
        } else {
            text
        }
    }

    fn operand(&self, node: &Node) -> String {
        self.print(node, Binding::Operand)
    }

    fn joined(&self, nodes: &[Node], separator: &str, place: Binding) -> String {
        let parts: Vec<String> = nodes.iter().map(|node| self.print(node, place)).collect();
        parts.join(separator)
    }

    fn bare(&self, node: &Node) -> (String, Binding) {
        match node {
            Node::Column { name, level, .. } => {
                let text = self.dialect.column(name.as_str(), *level, self.inside);
                (text, Binding::Operand)
            }
            Node::Old { name, .. } => (self.dialect.old(name.as_str()), Binding::Operand),
            Node::Constant { value, ty } => (self.dialect.constant(value, *ty), Binding::Operand),
            Node::Claim { claim, ty } => (self.dialect.claim(claim, *ty), Binding::Operand),
            Node::Now { shift: 0, .. } => ("now()".to_owned(), Binding::Operand),
            Node::Now { shift, .. } => (shifted_now(*shift), Binding::Operand),
            Node::Call { function, args, .. } => {
                let args = self.joined(args, ", ", Binding::Test);
                (format!("{}({args})", function.name()), Binding::Operand)
            }
            Node::And(nodes) => (self.joined(nodes, " and ", Binding::Not), Binding::And),
            Node::Or(nodes) => (self.joined(nodes, " or ", Binding::And), Binding::Or),
            Node::Not(inner) => match self.test(inner, Sense::Negated) {
                Some(text) => (text, Binding::Test),
                None => (
                    format!("not {}", self.print(inner, Binding::Operand)),
                    Binding::Not,
                ),
            },
            test => {
                let text = self.test(test, Sense::Plain).unwrap_or_default();
                (text, Binding::Test)
            }
        }
    }

    /// A test, or its opposite where SQL has a word for that.
    fn test(&self, node: &Node, sense: Sense) -> Option<String> {
        let not = sense.word();
        Some(match node {
            Node::Compare { op, left, right } if sense == Sense::Plain => {
                format!(
                    "{} {} {}",
                    self.operand(left),
                    op.symbol(),
                    self.operand(right)
                )
            }
            Node::Distinct { left, right } => {
                let (left, right) = (self.operand(left), self.operand(right));
                format!("{left} is {not}distinct from {right}")
            }
            Node::In { item, list } => {
                let list = self.joined(list, ", ", Binding::Operand);
                format!("{} {not}in ({list})", self.operand(item))
            }
            Node::InArray { item, array } => self.in_array(item, array, sense)?,
            Node::Exists { .. } => format!("{not}exists ({})", self.query("1", node)?),
            Node::InQuery { item, output, .. } => {
                let inner = self.deeper();
                let query = self.query(&inner.operand(output), node)?;
                format!("{} {not}in ({query})", self.operand(item))
            }
            Node::Like {
                item,
                pattern,
                case,
            } => {
                let like = match case {
                    LetterCase::Matters => "like",
                    LetterCase::Ignored => "ilike",
                };
                let (item, pattern) = (self.operand(item), self.operand(pattern));
                format!("{item} {not}{like} {pattern}")
            }
            Node::IsNull(inner) => format!("{} is {not}null", self.operand(inner)),
            Node::Is { node, value } => format!("{} is {not}{value}", self.operand(node)),
            _ => return None,
        })
    }

    fn in_array(&self, item: &Node, array: &Node, sense: Sense) -> Option<String> {
        let item = self.operand(item);
        match (array, sense) {
            (Node::Claim { claim, ty }, Sense::Plain) => {
                Some(self.dialect.in_claim(&item, claim, *ty))
            }
            (Node::Claim { .. }, Sense::Negated) => None,
            (array, Sense::Plain) => Some(format!("{item} = any ({})", self.operand(array))),
            (array, Sense::Negated) => Some(format!("{item} <> all ({})", self.operand(array))),
        }
    }

    fn deeper(&self) -> Self {
        Printer {
            dialect: self.dialect,
            inside: self.inside + 1,
        }
    }

    /// `select output from table as alias where condition`
    fn query(&self, output: &str, node: &Node) -> Option<String> {
        let (Node::Exists {
            relation,
            condition,
        }
        | Node::InQuery {
            relation,
            condition,
            ..
        }) = node
        else {
            return None;
        };
        let table = self.dialect.table(relation.table.as_str());
        let condition = self.deeper().print(condition, Binding::Or);
        let alias = format!("inner_{}", relation.level);
        Some(format!(
            "select {output} from {table} as {alias} where {condition}"
        ))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sense {
    Plain,
    Negated,
}

impl Sense {
    fn word(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Negated => "not ",
        }
    }
}

/// A quoted text.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// An array in Postgres' own form, as a text.
pub(crate) fn array_text(items: &[Value]) -> String {
    let item = |item: &Value| match plain_text(item) {
        None => "NULL".to_owned(),
        Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    let items: Vec<String> = items.iter().map(item).collect();
    format!("{{{}}}", items.join(","))
}

/// A value as the text that reads back as it; none for NULL.
pub(crate) fn plain_text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => float_text(*value),
        Value::Numeric(text)
        | Value::Text(text)
        | Value::Timestamptz(text)
        | Value::Date(text)
        | Value::Time(text) => text.clone(),
        Value::Uuid(uuid) => uuid.to_string(),
        Value::List(items) => array_text(items),
        Value::Bytes(_) => value.to_json().as_str().unwrap_or_default().to_owned(),
        Value::Json(json) => json.to_string(),
        Value::Vector(_) => value.to_json().to_string(),
    })
}

#[cfg(test)]
mod tests;
