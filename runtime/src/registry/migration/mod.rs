//! Migrations: a project becomes what its `schema.json` says, or says first what that would take.
//!
//! One change for the whole file: either the project is as the file says, or it is as before. A plan
//! goes the same way up to the commit and is then dropped, so what it tells is what applying does. The
//! statements on tables are gathered meanwhile: applying runs those that the plan shows, and a plan runs
//! none.
//!
//! Nothing that holds data goes unless the terms say so. Reading order: `plan`, `work`, `compare`, then
//! one file for each kind of step; `history` last.

mod alter;
mod column;
mod compare;
mod guard;
mod history;
mod order;
mod plan;
mod prune;
mod shape;
mod work;

use koyalite_policy::{Claims, ProjectName};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::audit::{Action as Done, Deed};
use super::change::{Change, Entry, LockedProject};
use super::columns::{self, StoredTable};
use super::definition::{NewTable, TableDefinition};
use super::error::{Mistake, RegistryError, Standing, refuse_if_any};
use super::policies::NewPolicy;
use super::tables::{Data, Table};
use super::verdict::Rules;
use super::{Registry, mirror, tables};

use self::work::Work;

pub use self::column::{ColumnPatch, change_column};
pub use self::history::{MigrationEntry, history};
pub use self::plan::{Action, Applied, Loss, Lost, Plan, Step};

/// The file. Unknown fields are for the reader of the request to refuse.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SchemaFile {
    /// Tables that must exist, in any order.
    #[serde(default)]
    pub tables: Vec<NewTable>,
    /// Policies that must be in force as written.
    #[serde(default)]
    pub policies: Vec<NewPolicy>,
    /// The claims that the project declares; left out: as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims>,
}

/// How a file is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What becomes of what the file does not mention.
    pub unmentioned: Unmentioned,
    /// What becomes of rows and values that would be gone.
    pub data: Data,
    /// The state that a plan was made for; none: whatever it is.
    pub state: Option<String>,
    /// Who asks.
    pub by: Author,
}

/// Who applies a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The user that new policies are by.
    pub user: Uuid,
    /// The name in the history: the subject of an operator's token.
    pub name: String,
}

impl Terms {
    /// Nothing goes, and no plan was made.
    #[must_use]
    pub fn cautious(by: Author) -> Self {
        Self {
            unmentioned: Unmentioned::Kept,
            data: Data::Kept,
            state: None,
            by,
        }
    }
}

/// What becomes of tables, columns, indexes and policies that a file does not mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmentioned {
    /// They stay.
    Kept,
    /// They go.
    Dropped,
}

/// What applying a file would do. Changes nothing.
///
/// # Errors
/// `Invalid` with every mistake of the file. What stands in the way of applying it is in the plan.
pub async fn plan_schema(
    registry: &Registry,
    project: &ProjectName,
    file: &SchemaFile,
    terms: &Terms,
) -> Result<Plan, RegistryError> {
    let definitions = read(file)?;
    let change = Change::never(registry).await?;
    let work = migrate(change, project, (file, &definitions), terms).await?;
    Ok(work.plan)
}

/// Makes the project what the file says.
///
/// # Errors
/// `Invalid` with every mistake of the file; `Conflict` where something of the project stands in the
/// way, would lose data that may not go, or is no longer as it was when a plan was made.
pub async fn apply_schema(
    registry: &Registry,
    project: &ProjectName,
    file: &SchemaFile,
    terms: &Terms,
) -> Result<Applied, RegistryError> {
    let change = Change::at_the_end(registry).await?;
    let prepared = prepare(change, project, file, terms).await?;
    if !prepared.changes_anything() {
        return Ok(prepared.kept());
    }
    let steps = prepared.steps();
    let deed = Deed::new(Done::SchemaApply, prepared.project.id).with("steps", steps);
    prepared.commit(&terms.by.name, deed).await
}

/// A file that was judged and stands in a change that is to be committed.
pub(crate) struct Prepared<'a> {
    change: Change<'a>,
    plan: Plan,
    project: LockedProject,
}

impl Prepared<'_> {
    pub(crate) fn changes_anything(&self) -> bool {
        !self.plan.steps.is_empty()
    }

    /// How many steps it takes.
    pub(crate) fn steps(&self) -> u64 {
        u64::try_from(self.plan.steps.len()).unwrap_or(u64::MAX)
    }

    /// That all was as the file says already.
    pub(crate) fn kept(self) -> Applied {
        Applied::from_plan(self.plan, None)
    }

    /// Commits a change that leaves all tables and policies as they are.
    pub(crate) async fn commit_unchanged(self, deed: Deed) -> Result<Applied, RegistryError> {
        self.change.commit(deed).await?;
        Ok(Applied::from_plan(self.plan, None))
    }

    /// Commits the change, with its entry in the project's history.
    pub(crate) async fn commit(self, by: &str, deed: Deed) -> Result<Applied, RegistryError> {
        let entry = Entry {
            project: self.project.id,
            by,
            steps: history::remembered(&self.plan.steps)?,
        };
        let seq = self.change.commit_with(&entry, deed).await?;
        Ok(Applied::from_plan(self.plan, Some(seq)))
    }
}

/// Makes the file part of a change that runs its statements at the end.
pub(crate) async fn prepare<'a>(
    change: Change<'a>,
    project: &ProjectName,
    file: &SchemaFile,
    terms: &Terms,
) -> Result<Prepared<'a>, RegistryError> {
    let definitions = read(file)?;
    let work = migrate(change, project, (file, &definitions), terms).await?;
    let Work {
        change,
        mut plan,
        project,
        ..
    } = work;
    match plan.refusals.is_empty() {
        true => Ok(Prepared {
            change,
            plan,
            project,
        }),
        false => Err(plan.refusals.swap_remove(0)),
    }
}

/// What there is, and what there is to be.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    /// The tables before the migration.
    existing: &'a [StoredTable],
    file: &'a SchemaFile,
    /// Its tables, in its order.
    definitions: &'a [TableDefinition],
}

/// The way that plans and applications share: everything but the end of the change.
async fn migrate<'a>(
    mut change: Change<'a>,
    project: &ProjectName,
    (file, definitions): (&SchemaFile, &[TableDefinition]),
    terms: &Terms,
) -> Result<Work<'a>, RegistryError> {
    let locked = change.lock(project).await?;
    let existing = columns::load(change.conn(), Some(locked.id)).await?;
    let state = state(&mut change, &locked, &existing).await?;
    let names = existing.iter().map(|table| table.name.clone()).collect();
    let mut work = Work::new(change, locked, names, state);
    if let Some(planned) = terms.state.as_ref().filter(|s| **s != work.plan.state) {
        let reason = format!(
            "the project's tables or policies are not as they were when this was planned (state \
             {planned}, now {}); plan it again",
            work.plan.state
        );
        work.refuse(Standing::SchemaChanged, reason);
        return Ok(work);
    }
    let wanted = Wanted {
        existing: &existing,
        file,
        definitions,
    };
    let ended = steps(&mut work, wanted, terms).await;
    // What ends the way early stands in the way too; a mistake in the file is its author's to mend.
    match ended {
        Err(refusal @ RegistryError::Conflict { .. }) => work.plan.refusals.push(refusal),
        ended => ended?,
    }
    Ok(work)
}

/// Each kind of step after those that it builds on.
async fn steps(
    work: &mut Work<'_>,
    wanted: Wanted<'_>,
    terms: &Terms,
) -> Result<(), RegistryError> {
    if terms.unmentioned == Unmentioned::Dropped {
        prune::policies(work, wanted.file).await?;
    }
    let relisted = shape::apply(work, wanted).await?;
    guard::apply(work, wanted.file, terms.by.user).await?;
    for (new, detail) in relisted {
        new.settle(&mut work.change, &work.project).await?;
        let target = format!("{}.{}", new.table, new.column.name);
        work.did(Action::AlterColumn, target, &detail, None);
    }
    match terms.unmentioned {
        Unmentioned::Dropped => prune::tables(work, wanted).await?,
        Unmentioned::Kept => prune::keep(work, wanted).await?,
    }
    if let Some(refusal) = work.plan.loses().filter(|_| terms.data == Data::Kept) {
        work.plan.refusals.push(refusal);
    }
    // The rest judges tables as the steps leave them, so it comes last.
    tables::check_policies(&mut work.change, &work.project).await?;
    if work.project.mirrored && !work.plan.steps.is_empty() {
        mirror::renew(&mut work.change, &work.project).await?;
        work.done(Action::RenewMirror, "all tables");
    }
    Ok(())
}

/// A digest of all that a plan depends on.
async fn state(
    change: &mut Change<'_>,
    project: &LockedProject,
    existing: &[StoredTable],
) -> Result<String, RegistryError> {
    let tables: Vec<Table> = existing.iter().cloned().map(Table::from).collect();
    let rules = Rules::load(change.conn(), project.id).await?;
    let all = (tables, rules.policies, rules.claims, project.mirrored);
    let text = serde_json::to_vec(&all).map_err(RegistryError::internal)?;
    let digest = hex::encode(Sha256::digest(text));
    Ok(digest.chars().take(STATE_CHARS).collect())
}

/// Enough that two states never share a digest by chance; short enough to be typed.
const STATE_CHARS: usize = 24;

fn read(file: &SchemaFile) -> Result<Vec<TableDefinition>, RegistryError> {
    let (mut definitions, mut mistakes) = (Vec::<TableDefinition>::new(), Vec::new());
    for (index, table) in file.tables.iter().enumerate() {
        let field = format!("tables[{index}]");
        match table.read() {
            Ok(definition)
                if definitions
                    .iter()
                    .any(|other| other.name == definition.name) =>
            {
                mistakes.push(Mistake::new(
                    field,
                    format!("a second table {}", definition.name),
                ));
            }
            Ok(definition) => definitions.push(definition),
            Err(errors) => mistakes.extend(errors.into_iter().map(|m| m.under(&field))),
        }
    }
    refuse_if_any(mistakes)?;
    Ok(definitions)
}
