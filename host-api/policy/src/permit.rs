//! The permit: proof that a decision was made, and what it allows.
//!
//! The data layer accepts nothing else. Its fields are private and only [`crate::decide`] makes
//! one, so a statement that reaches Postgres has passed the policies by construction. A permit is
//! for one identity, one command and one table, for the time of one host call.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::decide::Denied;
use crate::expr::{Expr, Node};
use crate::identity::Identity;
use crate::names::ColumnName;
use crate::policy::Command;
use crate::shape::TableShape;
use crate::time::Timestamp;
use crate::types::ColumnType;
use crate::value::Value;
use crate::weigh::{Mentioned, Parts};

/// What is left of the policies once the caller's claims are known.
///
/// There is no "false" here: a decision that can never pass is a [`Denied`], not a permit.
#[derive(Debug, Clone, PartialEq)]
pub enum Residual {
    /// Every row passes: no predicate is needed.
    True,
    /// Rows pass where the condition is true.
    When(Expr),
}

impl Residual {
    /// Both this and `other`.
    pub(crate) fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::True, residual) | (residual, Self::True) => residual.clone(),
            (Self::When(a), Self::When(b)) => {
                Self::When(Expr(Node::And(vec![a.0.clone(), b.0.clone()])))
            }
        }
    }

    /// No row: what a permit answers for a question that its command does not ask.
    fn never() -> Self {
        Self::When(Expr(Node::FALSE))
    }
}

/// What the host writes into a column by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Preset {
    /// A value of the column's type, as in [`Value::coerce`].
    Value(Value, ColumnType),
    /// The database's clock.
    Now,
}

/// The conditions that one command leaves, after Postgres' command matrix.
#[derive(Debug, Clone)]
pub(crate) enum Grant {
    Select {
        using: Residual,
    },
    Insert {
        check: Residual,
        returning: Result<Residual, Denied>,
    },
    Update {
        using: Residual,
        check: Residual,
    },
    Delete {
        using: Residual,
    },
}

/// Permission for one identity to run one command on one table.
#[derive(Debug, Clone)]
pub struct Permit {
    table: Arc<TableShape>,
    identity: Identity,
    now: Timestamp,
    grant: Grant,
    never: Residual,
    presets: Arc<[(ColumnName, Preset)]>,
    /// What it was made of, where policies have masks.
    parts: Option<Arc<Parts>>,
}

impl Permit {
    pub(crate) fn new(
        table: Arc<TableShape>,
        identity: Identity,
        now: Timestamp,
        grant: Grant,
    ) -> Self {
        Self {
            table,
            identity,
            now,
            grant,
            never: Residual::never(),
            presets: Arc::default(),
            parts: None,
        }
    }

    pub(crate) fn with_presets(mut self, presets: Vec<(ColumnName, Preset)>) -> Self {
        if !presets.is_empty() {
            self.presets = presets.into();
        }
        self
    }

    pub(crate) fn with_parts(mut self, parts: Parts) -> Self {
        self.parts = Some(Arc::new(parts));
        self
    }

    /// The permit for a request that mentions these columns, and no others: `read` are selected,
    /// filtered, ordered by, grouped by, embedded on or returned, `write` are inserted or changed
    /// (without presets). Only policies that cover all of them count. Without masks it is the
    /// permit itself.
    ///
    /// # Errors
    /// [`Denied::Columns`] where no policy covers all of them together.
    pub fn for_columns(
        &self,
        read: &BTreeSet<ColumnName>,
        write: &BTreeSet<ColumnName>,
    ) -> Result<Cow<'_, Self>, Denied> {
        let Some(parts) = &self.parts else {
            return Ok(Cow::Borrowed(self));
        };
        let mentioned = Mentioned {
            read: Some(read),
            written: Some(write),
        };
        let grant = Parts::clone(parts).grant(self.command(), mentioned)?;
        Ok(Cow::Owned(Self {
            grant,
            ..self.clone()
        }))
    }

    /// Whether [`for_columns`](Self::for_columns) depends on the columns: some policy has a mask.
    pub fn has_masks(&self) -> bool {
        self.parts.is_some()
    }

    /// What the host writes by itself into each row of an insert or update, by column. A request
    /// that names such a column is refused: it is not [`writable`](Self::writable).
    pub fn presets(&self) -> &[(ColumnName, Preset)] {
        &self.presets
    }

    /// Whether [`check`](Self::check) compares with rows as they were before the update, which
    /// [`SqlWriter::with_old_row`](crate::SqlWriter::with_old_row) names.
    pub fn check_needs_old(&self) -> bool {
        match self.check() {
            Residual::True => false,
            Residual::When(expr) => expr.needs_old(),
        }
    }

    /// The table's shape.
    pub fn table(&self) -> &TableShape {
        &self.table
    }

    /// The command that was permitted.
    pub fn command(&self) -> Command {
        match self.grant {
            Grant::Select { .. } => Command::Select,
            Grant::Insert { .. } => Command::Insert,
            Grant::Update { .. } => Command::Update,
            Grant::Delete { .. } => Command::Delete,
        }
    }

    /// Who the permit is for.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// When the decision was made.
    pub fn decided_at(&self) -> Timestamp {
        self.now
    }

    /// Whether the column may be mentioned: selected, filtered, ordered by or returned. Some policy
    /// that this caller may pass covers it; whether one covers all of a request's columns is for
    /// [`for_columns`](Self::for_columns) to say.
    pub fn readable(&self, column: &ColumnName) -> bool {
        let covered = |parts: &Arc<Parts>| parts.readable(column);
        self.table.column(column.as_str()).is_some() && self.parts.as_ref().is_none_or(covered)
    }

    /// Whether the column may be written. What the host writes by itself may not.
    pub fn writable(&self, column: &ColumnName) -> bool {
        match self.grant {
            Grant::Insert { .. } | Grant::Update { .. } => {
                let covered = |parts: &Arc<Parts>| parts.writable(column);
                self.table.column(column.as_str()).is_some()
                    && self.parts.as_ref().is_none_or(covered)
                    && self.presets.iter().all(|(preset, _)| preset != column)
            }
            Grant::Select { .. } | Grant::Delete { .. } => false,
        }
    }

    /// What existing rows must meet to be read, changed or deleted. For update and delete it holds
    /// the select policy too, because both read rows to find them. For insert: never true.
    pub fn using(&self) -> &Residual {
        match &self.grant {
            Grant::Select { using } | Grant::Update { using, .. } | Grant::Delete { using } => {
                using
            }
            Grant::Insert { .. } => &self.never,
        }
    }

    /// What every row must meet as it was written, defaults and all. For update it holds the select
    /// policy too: a row cannot be moved out of its writer's sight. For select and delete: never
    /// true.
    pub fn check(&self) -> &Residual {
        match &self.grant {
            Grant::Insert { check, .. } | Grant::Update { check, .. } => check,
            Grant::Select { .. } | Grant::Delete { .. } => &self.never,
        }
    }

    /// What rows must meet, beyond [`using`](Self::using) and [`check`](Self::check), to be
    /// returned. It matters for insert, whose check does not hold the select policy; an inserted
    /// row that fails this while columns are returned fails the whole insert, as in Postgres.
    ///
    /// # Errors
    /// [`Denied`] where the caller may insert but can never read what was inserted.
    pub fn returning(&self) -> Result<&Residual, &Denied> {
        match &self.grant {
            Grant::Insert { returning, .. } => returning.as_ref(),
            Grant::Select { .. } | Grant::Update { .. } | Grant::Delete { .. } => {
                Ok(&Residual::True)
            }
        }
    }
}
