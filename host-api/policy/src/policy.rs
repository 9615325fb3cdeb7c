//! Policies as they are stored, and as they are once checked; the rules of all tables together.
//!
//! Checking is all or nothing: a [`Schema`] exists only if every enabled policy in it makes sense
//! on its table. A table without policies is in the schema all the same, and answers nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::check::Checker;
use crate::expr::Expr;
use crate::lint::{self, Warning};
use crate::names::TableName;
use crate::parse::{self, ParseError};
use crate::reach::{self, REACH_LEVELS_MAX};
use crate::shape::TableShape;

/// What is done to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Read rows.
    Select,
    /// Add rows.
    Insert,
    /// Change rows.
    Update,
    /// Remove rows.
    Delete,
}

impl Command {
    /// The four commands: what `for all` means.
    pub const ALL: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// The command's word, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// Whether the command touches rows that exist, which `using` decides.
    pub(crate) fn reads_rows(self) -> bool {
        !matches!(self, Self::Insert)
    }

    /// Whether the command leaves new rows behind, which `check` decides.
    pub(crate) fn writes_rows(self) -> bool {
        matches!(self, Self::Insert | Self::Update)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether rows that meet a policy's condition are let through or held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// One allowing policy is enough…
    Allow,
    /// …unless one denies, or cannot tell because of a NULL.
    Deny,
}

/// A policy as it is written and stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySource {
    /// Its id, by which denials name it in the log.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// The table it guards.
    pub table: TableName,
    /// Allow or deny.
    pub effect: Effect,
    /// The commands it speaks about; at least one.
    pub commands: BTreeSet<Command>,
    /// Whom it applies to; empty means everyone. `public`, `anon`, `authenticated`,
    /// `service_role`, or a value of the claim `koya_role`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The condition on rows that exist: needed for select, update and delete.
    #[serde(default)]
    pub using: Option<String>,
    /// The condition on rows as written by insert and update. Left out, `using` stands in for it.
    #[serde(default)]
    pub check: Option<String>,
    /// A disabled policy is as if absent.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
}

fn enabled_by_default() -> bool {
    true
}

/// Which of a policy's two conditions is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    /// The condition on rows that exist.
    Using,
    /// The condition on rows as written.
    Check,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Using => "using",
            Self::Check => "check",
        })
    }
}

/// A policy that cannot be saved, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy {name:?}: {fault}")]
pub struct PolicyError {
    /// The policy's id.
    pub id: Uuid,
    /// The policy's name.
    pub name: String,
    /// What is wrong with it.
    #[source]
    pub fault: PolicyFault,
}

impl PolicyError {
    /// The condition that is wrong and the place in it, where it is one of the two conditions.
    pub fn place(&self) -> Option<(Clause, &ParseError)> {
        match &self.fault {
            PolicyFault::Condition { clause, source } => Some((*clause, source)),
            _ => None,
        }
    }
}

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// Its table does not exist.
    #[error("there is no table {0}; create it first")]
    UnknownTable(TableName),
    /// It speaks about no command.
    #[error("it names no command; write one or more of select, insert, update, delete")]
    NoCommands,
    /// It speaks about existing rows but has no `using`.
    #[error("{0} needs `using`; write `true` to mean every row")]
    MissingUsing(Command),
    /// It speaks about new rows but has neither condition.
    #[error("insert needs `check`; write `true` to mean every row")]
    MissingCheck,
    /// It has a `using` that no command of it would read.
    #[error("insert has no existing row for `using` to test; write the condition as `check`")]
    UnusedUsing,
    /// It has a `check` that no command of it would read.
    #[error("select and delete write no row for `check` to test; write the condition as `using`")]
    UnusedCheck,
    /// One of its roles is empty.
    #[error("a role may not be empty; leave `roles` out to mean everyone")]
    EmptyRole,
    /// It reads other tables, and they read others, too far.
    #[error("{0}")]
    Reach(PolicyReach),
    /// One of its conditions is wrong.
    #[error("{clause}: {source}")]
    Condition {
        /// Which condition.
        clause: Clause,
        /// Where and why.
        source: Box<ParseError>,
    },
}

/// How a policy reaches too far into other tables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyReach {
    /// The policies of the tables it reads come back to one of them.
    #[error("policies that read one another never end: {}", arrows(.0))]
    Cycle(Vec<TableName>),
    /// The tables it reads read others, and so on for too long.
    #[error("it reaches through more than {REACH_LEVELS_MAX} tables; copy what decides nearer")]
    TooDeep,
    /// With the policies of the tables it reads it becomes too large.
    #[error("with the policies of the tables it reads it becomes too large; simplify those")]
    TooLarge,
}

fn arrows(tables: &[TableName]) -> String {
    let names: Vec<&str> = tables.iter().map(TableName::as_str).collect();
    names.join(" → ")
}

/// A policy whose conditions are parsed and fit their table.
#[derive(Debug, Clone)]
pub struct CheckedPolicy {
    pub(crate) source: PolicySource,
    pub(crate) using: Option<Expr>,
    pub(crate) check: Option<Expr>,
    warnings: Vec<Warning>,
}

impl CheckedPolicy {
    /// The policy as written.
    pub fn source(&self) -> &PolicySource {
        &self.source
    }

    /// What its author should know before saving it.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The condition that `clause` means; a missing `check` is the `using`.
    pub(crate) fn condition(&self, clause: Clause) -> Option<&Expr> {
        match clause {
            Clause::Using => self.using.as_ref(),
            Clause::Check => self.check.as_ref().or(self.using.as_ref()),
        }
    }
}

/// Checks one policy against the tables of its project, as is done before it is saved. Whether it
/// goes with the other policies (no cycle) is known only once a [`Schema`] is built from all.
///
/// # Errors
/// [`PolicyError`] with the place, the reason and what to write instead.
pub fn check_policy(
    source: &PolicySource,
    tables: &[TableShape],
) -> Result<CheckedPolicy, PolicyError> {
    let shape = tables.iter().find(|table| table.name == source.table);
    check_on_table(source, shape, tables).map_err(|fault| PolicyError {
        id: source.id,
        name: source.name.clone(),
        fault,
    })
}

fn check_on_table(
    source: &PolicySource,
    shape: Option<&TableShape>,
    tables: &[TableShape],
) -> Result<CheckedPolicy, PolicyFault> {
    let shape = shape.ok_or_else(|| PolicyFault::UnknownTable(source.table.clone()))?;
    check_clauses(source)?;
    let condition = |clause, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => parse::parse(text)
            .and_then(|syntax| Checker::for_policy(shape, tables).check(&syntax))
            .map(Some)
            .map_err(|error| PolicyFault::Condition {
                clause,
                source: Box::new(error),
            }),
    };
    let using = condition(Clause::Using, &source.using)?;
    let check = condition(Clause::Check, &source.check)?;
    let warnings = [(Clause::Using, &using), (Clause::Check, &check)]
        .into_iter()
        .filter_map(|(clause, expr)| expr.as_ref().map(|expr| (clause, expr)))
        .flat_map(|(clause, expr)| lint::lint(expr, shape, source.effect, clause))
        .collect();
    Ok(CheckedPolicy {
        source: source.clone(),
        using,
        check,
        warnings,
    })
}

/// The pairing of commands and conditions, with the same refusals as Postgres' `CREATE POLICY`.
fn check_clauses(source: &PolicySource) -> Result<(), PolicyFault> {
    let reads = source
        .commands
        .iter()
        .copied()
        .find(|command| command.reads_rows());
    let writes = source.commands.iter().any(|command| command.writes_rows());
    if source.commands.is_empty() {
        return Err(PolicyFault::NoCommands);
    }
    if source.roles.iter().any(String::is_empty) {
        return Err(PolicyFault::EmptyRole);
    }
    match (reads, &source.using, &source.check) {
        (Some(command), None, _) => Err(PolicyFault::MissingUsing(command)),
        (None, Some(_), _) => Err(PolicyFault::UnusedUsing),
        (None, None, None) => Err(PolicyFault::MissingCheck),
        (_, _, Some(_)) if !writes => Err(PolicyFault::UnusedCheck),
        _ => Ok(()),
    }
}

/// One table and the policies that guard it.
#[derive(Debug, Clone)]
pub struct TableRules {
    pub(crate) shape: Arc<TableShape>,
    pub(crate) policies: Vec<CheckedPolicy>,
}

impl TableRules {
    /// The table's shape.
    pub fn shape(&self) -> &TableShape {
        &self.shape
    }

    /// The enabled policies of the table.
    pub fn policies(&self) -> &[CheckedPolicy] {
        &self.policies
    }
}

/// All tables of a project with all their policies, checked. Made once per change, then only read.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    tables: BTreeMap<TableName, TableRules>,
}

impl Schema {
    /// Checks every enabled policy. Disabled ones are left out.
    ///
    /// # Errors
    /// Every [`PolicyError`] there is, not only the first.
    pub fn build(
        tables: Vec<TableShape>,
        policies: Vec<PolicySource>,
    ) -> Result<Self, Vec<PolicyError>> {
        let mut errors = Vec::new();
        let mut checked: BTreeMap<TableName, Vec<CheckedPolicy>> = BTreeMap::new();
        for source in policies.iter().filter(|source| source.enabled) {
            match check_policy(source, &tables) {
                Ok(policy) => checked
                    .entry(source.table.clone())
                    .or_default()
                    .push(policy),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let with_rules = |shape: TableShape| {
            let policies = checked.remove(&shape.name).unwrap_or_default();
            (
                shape.name.clone(),
                TableRules {
                    shape: Arc::new(shape),
                    policies,
                },
            )
        };
        let tables = tables.into_iter().map(with_rules).collect();
        let errors = reach::check(&tables);
        if errors.is_empty() {
            Ok(Self { tables })
        } else {
            Err(errors)
        }
    }

    /// The rules of one table.
    pub fn table(&self, name: &TableName) -> Option<&TableRules> {
        self.tables.get(name)
    }

    /// All tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &TableRules> {
        self.tables.values()
    }
}
