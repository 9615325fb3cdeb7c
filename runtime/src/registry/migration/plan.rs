//! What a migration does, step by step, as it is told before and remembered afterwards.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::error::{RegistryError, Standing};

/// One thing that a migration does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// What it is done to: `table`, `table.column`, `table.index` or `table: policy`.
    pub target: String,
    /// What changes there, in words; empty where the action says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What would be gone for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loses: Option<Loss>,
    /// The statements on the project's tables, as they run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sql: Vec<String>,
}

/// The kinds of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Action {
    CreateTable,
    DropTable,
    AddColumn,
    AlterColumn,
    DropColumn,
    CreateIndex,
    DropIndex,
    CreatePolicy,
    ChangePolicy,
    DropPolicy,
    DeclareClaims,
    LiftMirror,
    RenewMirror,
}

/// Data that a step would destroy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Loss {
    /// Rows of a table, or values of a column that are not NULL.
    pub of: Lost,
    /// How many of them.
    pub count: i64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Lost {
    Rows,
    Values,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.of {
            Lost::Rows => "row(s)",
            Lost::Values => "value(s)",
        };
        write!(f, "{} {word}", self.count)
    }
}

/// What applying a file would do.
#[derive(Debug, Default)]
pub struct Plan {
    /// A digest of the project's tables, policies and claims as they are. Applying with it is refused
    /// once they are others.
    pub state: String,
    /// In the order in which they are done.
    pub steps: Vec<Step>,
    /// What the project has and the file does not mention. It is left alone.
    pub kept: Vec<String>,
    /// What the policies' authors should know.
    pub warnings: Vec<String>,
    /// Why applying would be refused. Empty: it would not be.
    pub refusals: Vec<RegistryError>,
}

impl Plan {
    /// The refusal of all that would lose data, if anything would.
    pub(super) fn loses(&self) -> Option<RegistryError> {
        let losing = self.steps.iter().filter_map(|step| {
            let loss = step.loses?;
            Some(format!("{} has {loss}", step.target))
        });
        let losing: Vec<String> = losing.collect();
        (!losing.is_empty()).then(|| {
            let reason = format!(
                "data would be gone: {}; repeat it with `lose_data=true` if that is meant",
                losing.join(", ")
            );
            RegistryError::conflict(Standing::WouldLoseData, reason)
        })
    }

    /// The targets of all steps with these actions, each once.
    fn targets(&self, actions: &[Action]) -> Vec<String> {
        let mut targets: Vec<String> = Vec::new();
        for step in self.steps.iter().filter(|s| actions.contains(&s.action)) {
            if !targets.contains(&step.target) {
                targets.push(step.target.clone());
            }
        }
        targets
    }
}

/// What applying a file did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Applied {
    /// Tables that were made.
    pub created_tables: Vec<String>,
    /// Columns that were added to tables that existed, as `table.column`.
    pub added_columns: Vec<String>,
    /// Columns that are others now, as `table.column`.
    pub changed_columns: Vec<String>,
    /// Indexes that were made, or made anew with other columns, as `table.index`.
    pub created_indexes: Vec<String>,
    /// Policies that were made, as `table: name`.
    pub created_policies: Vec<String>,
    /// Policies that were changed, as `table: name`.
    pub changed_policies: Vec<String>,
    /// Whether other claims are declared now.
    pub changed_claims: bool,
    /// Tables, columns, indexes and policies that are gone.
    pub dropped: Vec<String>,
    /// What the project has and the file does not mention. It was left alone.
    pub kept: Vec<String>,
    /// What the policies' authors should know.
    pub warnings: Vec<String>,
    /// The number of the change; none where nothing was done.
    pub seq: Option<i64>,
}

impl Applied {
    /// A plan that was carried out.
    pub(super) fn from_plan(plan: Plan, seq: Option<i64>) -> Self {
        use Action as A;
        let drops = [A::DropTable, A::DropColumn, A::DropIndex, A::DropPolicy];
        let created_indexes = plan.targets(&[A::CreateIndex]);
        // One that is made anew is not gone.
        let mut dropped = plan.targets(&drops);
        dropped.retain(|target| !created_indexes.contains(target));
        Self {
            created_tables: plan.targets(&[A::CreateTable]),
            added_columns: plan.targets(&[A::AddColumn]),
            changed_columns: plan.targets(&[A::AlterColumn]),
            created_indexes,
            created_policies: plan.targets(&[A::CreatePolicy]),
            changed_policies: plan.targets(&[A::ChangePolicy]),
            changed_claims: !plan.targets(&[A::DeclareClaims]).is_empty(),
            dropped,
            kept: plan.kept,
            warnings: plan.warnings,
            seq,
        }
    }

    /// Whether the project was already as the file says.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.seq.is_none()
    }
}
