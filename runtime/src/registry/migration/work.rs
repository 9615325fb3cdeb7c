//! A migration in the making: the change, what has been decided so far, and why it cannot be.
//!
//! Planning and applying go through the same steps here. They differ in what becomes of the change at
//! the end, and in that tables are held while they are asked when it is to be made.

use koyalite_policy::{ColumnName, TableName};

use super::super::change::{Change, LockedProject};
use super::super::columns;
use super::super::ddl::Ddl;
use super::super::error::{RegistryError, Standing};
use super::super::mirror;
use super::plan::{Action, Loss, Plan, Step};

pub(super) struct Work<'a> {
    pub(super) change: Change<'a>,
    pub(super) project: LockedProject,
    /// The tables that there were before.
    existing: Vec<TableName>,
    pub(super) plan: Plan,
    /// How many of the gathered statements belong to steps already.
    told: usize,
    /// Tables whose mirror is taken away until the end.
    lifted: Vec<TableName>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        change: Change<'a>,
        project: LockedProject,
        existing: Vec<TableName>,
        state: String,
    ) -> Self {
        let plan = Plan {
            state,
            ..Plan::default()
        };
        Self {
            change,
            project,
            existing,
            plan,
            told: 0,
            lifted: Vec::new(),
        }
    }

    /// Notes what was just done, with the statements that were gathered for it.
    pub(super) fn done(&mut self, action: Action, target: impl Into<String>) {
        self.did(action, target, "", None);
    }

    /// The same, in words and with what goes.
    pub(super) fn did(
        &mut self,
        action: Action,
        target: impl Into<String>,
        detail: &str,
        loses: Option<Loss>,
    ) {
        let sql = self.change.gathered().get(self.told..).unwrap_or_default();
        let sql = sql.iter().map(|statement| tidy(statement)).collect();
        self.told = self.change.gathered().len();
        self.plan.steps.push(Step {
            action,
            target: target.into(),
            detail: detail.to_owned(),
            loses: loses.filter(|loss| loss.count > 0),
            sql,
        });
    }

    /// Notes why it cannot be, and goes on: one refusal should name all that is in the way.
    pub(super) fn refuse(&mut self, kind: Standing, reason: impl std::fmt::Display) {
        self.plan
            .refusals
            .push(RegistryError::conflict(kind, reason));
    }

    /// The one number that a question about a table has, which stays true until the change ends.
    pub(super) async fn count(
        &mut self,
        table: &TableName,
        question: Ddl,
    ) -> Result<i64, RegistryError> {
        self.change.hold(&self.project, table).await?;
        self.change.counts(question).await
    }

    /// Whether the table is one that the change makes, so that it has no rows to ask for.
    pub(super) fn is_new(&self, table: &TableName) -> bool {
        !self.existing.contains(table)
    }

    /// Lets a mirrored table's columns be altered.
    pub(super) async fn lift_mirror(&mut self, table: &TableName) -> Result<(), RegistryError> {
        if !self.project.mirrored || self.lifted.contains(table) {
            return Ok(());
        }
        let mirror = mirror::stored(&mut self.change, &self.project).await?;
        if !mirror.covers(table) {
            return Ok(());
        }
        self.lifted.push(table.clone());
        mirror::lift(&mut self.change, &self.project, table).await?;
        self.done(Action::LiftMirror, table.to_string());
        Ok(())
    }

    /// The references that other columns have to this one, as `table.column`.
    pub(super) async fn references_to(
        &mut self,
        table: &TableName,
        column: &ColumnName,
    ) -> Result<Vec<String>, RegistryError> {
        let (conn, project) = (self.change.conn(), self.project.id);
        let tables = columns::load(conn, Some(project)).await?;
        let mut found = Vec::new();
        for from in &tables {
            let columns = from.columns.iter().filter(|c| {
                c.references
                    .as_ref()
                    .is_some_and(|r| &r.table == table && &r.column == column)
            });
            found.extend(columns.map(|c| format!("{}.{}", from.name, c.name)));
        }
        Ok(found)
    }
}

/// A statement on one line: they are written over several.
fn tidy(statement: &str) -> String {
    let lines: Vec<&str> = statement.lines().map(str::trim).collect();
    lines.join(" ")
}
