//! One policy, checked against the tables of its project.

use super::columns::{self, ColumnRules};
use super::fault::{PolicyError, PolicyFault};
use super::{Claims, Clause, Command, PolicySource};
use crate::check::{Checker, OldRow, Project};
use crate::expr::Expr;
use crate::identity::Identity;
use crate::lint::{self, Warning};
use crate::parse;
use crate::resource::Resource;
use crate::shape::TableShape;

/// A policy whose conditions are parsed and fit their table.
#[derive(Debug, Clone)]
pub struct CheckedPolicy {
    pub(crate) source: PolicySource,
    pub(crate) using: Option<Expr>,
    pub(crate) check: Option<Expr>,
    pub(crate) columns: ColumnRules,
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

    /// Whether it speaks about this caller.
    pub fn is_for(&self, identity: &Identity) -> bool {
        let roles = &self.source.roles;
        roles.is_empty() || roles.iter().any(|role| identity.has_role(role))
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
/// goes with the other policies (no cycle, no two presets) is known only once a
/// [`Schema`](crate::Schema) is built from all.
///
/// # Errors
/// [`PolicyError`] with the place, the reason and what to write instead.
pub fn check_policy(
    source: &PolicySource,
    tables: &[TableShape],
) -> Result<CheckedPolicy, PolicyError> {
    check_policy_with_claims(source, tables, &Claims::default())
}

/// The same, where the project declares its claims.
///
/// # Errors
/// [`PolicyError`], also for a claim that is not declared.
pub fn check_policy_with_claims(
    source: &PolicySource,
    tables: &[TableShape],
    claims: &Claims,
) -> Result<CheckedPolicy, PolicyError> {
    check_on_table(source, tables, claims).map_err(|fault| PolicyError {
        id: source.id,
        name: source.name.clone(),
        fault,
    })
}

fn check_on_table(
    source: &PolicySource,
    tables: &[TableShape],
    claims: &Claims,
) -> Result<CheckedPolicy, PolicyFault> {
    let resource = Resource::of(&source.table).map(Resource::shape);
    let shape = tables
        .iter()
        .find(|table| table.name == source.table)
        .or(resource.as_ref())
        .ok_or_else(|| PolicyFault::UnknownTable(source.table.clone()))?;
    check_clauses(source)?;
    let project = Project { tables, claims };
    let old = |clause| match clause {
        Clause::Using => OldRow::IsUsing,
        Clause::Check if source.commands.contains(&Command::Insert) => OldRow::IsMissing,
        Clause::Check => OldRow::Seen,
    };
    let condition = |clause, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => parse::parse(text)
            .and_then(|syntax| Checker::for_policy(shape, project, old(clause)).check(&syntax))
            .map(Some)
            .map_err(|error| PolicyFault::Condition {
                clause,
                source: Box::new(error),
            }),
    };
    let using = condition(Clause::Using, &source.using)?;
    let check = condition(Clause::Check, &source.check)?;
    if check.as_ref().is_some_and(Expr::needs_old) && !shape.has_primary_key() {
        return Err(PolicyFault::OldWithoutKey);
    }
    let columns = columns::check(source, shape, claims)?;
    let warnings = [(Clause::Using, &using), (Clause::Check, &check)]
        .into_iter()
        .filter_map(|(clause, expr)| expr.as_ref().map(|expr| (clause, expr)))
        .flat_map(|(clause, expr)| lint::lint(expr, shape, source.effect, clause))
        .collect();
    Ok(CheckedPolicy {
        source: source.clone(),
        using,
        check,
        columns,
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
