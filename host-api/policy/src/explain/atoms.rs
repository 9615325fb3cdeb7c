//! A condition taken apart into its tests, each with its place in the text.
//!
//! It is read again from the policy's text: what decides keeps no places, and explaining is rare.

use crate::check::{Checker, OldRow, Project};
use crate::eval::{Row, Scene};
use crate::expr::Node;
use crate::fold::{Caller, fold};
use crate::parse::{self, ParseError, Position, Spanned, Syntax};
use crate::policy::Schema;
use crate::print;
use crate::shape::TableShape;

/// One test of a condition.
#[derive(Debug, Clone)]
pub(crate) struct Atom {
    pub(crate) at: Position,
    pub(crate) text: String,
    node: Node,
}

impl Atom {
    /// Whether other tables' rows have a say in it.
    pub(crate) fn reads_elsewhere(&self) -> bool {
        self.node.any(&|node| node.relation().is_some())
    }

    /// Its result for a caller and a row; none where it is NULL, or depends on rows that are not
    /// known here.
    pub(crate) fn truth(&self, caller: Caller<'_>, rows: Rows<'_>) -> Option<bool> {
        let scene = Scene {
            row: rows.row,
            old: rows.old,
            caller: Some(caller),
        };
        scene.truth(&fold(self.node.clone(), caller))
    }
}

/// The row that is asked about, and what it was before.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) row: &'a Row,
    pub(crate) old: Option<&'a Row>,
}

/// How a condition is put together from its tests.
#[derive(Debug, Clone)]
pub(crate) enum Outline {
    All(Vec<Outline>),
    Any(Vec<Outline>),
    Not(Box<Outline>),
    Test(Atom),
}

impl Outline {
    /// Takes a policy's text apart.
    pub(crate) fn read(
        text: &str,
        shape: &TableShape,
        schema: &Schema,
    ) -> Result<Self, ParseError> {
        let tables: Vec<TableShape> = schema.tables().map(|rules| rules.shape().clone()).collect();
        let project = Project {
            tables: &tables,
            claims: schema.claims(),
        };
        // The policy was saved, so whatever old row it names is there.
        let checker = Checker::for_policy(shape, project, OldRow::Seen);
        Self::of(&parse::parse(text)?, &checker, shape)
    }

    fn of(syntax: &Spanned, checker: &Checker<'_>, shape: &TableShape) -> Result<Self, ParseError> {
        let each = |parts: &[Spanned]| -> Result<Vec<Self>, ParseError> {
            let parts = parts.iter();
            parts.map(|part| Self::of(part, checker, shape)).collect()
        };
        Ok(match &syntax.syntax {
            Syntax::And(parts) => Self::All(each(parts)?),
            Syntax::Or(parts) => Self::Any(each(parts)?),
            Syntax::Not(inner) => Self::Not(Box::new(Self::of(inner, checker, shape)?)),
            _ => {
                let node = checker.check(syntax)?.0;
                Self::Test(Atom {
                    at: syntax.at,
                    text: print::policy_text(&node, shape.name.as_str()),
                    node,
                })
            }
        })
    }

    /// Every test, in the order of the text.
    pub(crate) fn atoms(&self) -> Vec<&Atom> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::atoms).collect(),
            Self::Not(inner) => inner.atoms(),
            Self::Test(atom) => vec![atom],
        }
    }

    /// The whole's result: Kleene's, as everywhere.
    pub(crate) fn truth(&self, see: &dyn Fn(&Atom) -> Option<bool>) -> Option<bool> {
        let any = |parts: &[Self], wanted: bool| {
            let truths: Vec<_> = parts.iter().map(|part| part.truth(see)).collect();
            if truths.contains(&Some(wanted)) {
                Some(wanted)
            } else if truths.contains(&None) {
                None
            } else {
                Some(!wanted)
            }
        };
        match self {
            Self::All(parts) => any(parts, false),
            Self::Any(parts) => any(parts, true),
            Self::Not(inner) => inner.truth(see).map(|truth| !truth),
            Self::Test(atom) => see(atom),
        }
    }

    /// The first test because of which the whole is not what was wanted.
    pub(crate) fn first_against(
        &self,
        wanted: bool,
        see: &dyn Fn(&Atom) -> Option<bool>,
    ) -> Option<&Atom> {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                let against = |part: &&Self| part.truth(see) != Some(wanted);
                let part = parts.iter().find(against)?;
                part.first_against(wanted, see)
            }
            Self::Not(inner) => inner.first_against(!wanted, see),
            Self::Test(atom) => Some(atom),
        }
    }
}
