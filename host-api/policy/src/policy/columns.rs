//! Masks and presets: which columns a policy speaks of, and what the host writes by itself.
//!
//! A mask belongs to the whole policy: an allowing policy counts only for requests all of whose
//! columns it covers, so a row is answered because one policy allows both the row and the columns.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fault::{ColumnsField, PolicyFault};
use super::{Claims, Command, Effect, PolicySource};
use crate::check::Checker;
use crate::expr::Node;
use crate::identity::AuthRole;
use crate::names::ColumnName;
use crate::parse;
use crate::resource::Resource;
use crate::shape::TableShape;

/// The columns that a policy covers; none means all.
pub(crate) type ColumnMask = Option<Arc<BTreeSet<ColumnName>>>;

/// What a checked policy says about columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnRules {
    pub(crate) read: ColumnMask,
    pub(crate) write: ColumnMask,
    pub(crate) presets: Vec<(ColumnName, Node)>,
}

pub(super) fn check(
    source: &PolicySource,
    shape: &TableShape,
    claims: &Claims,
) -> Result<ColumnRules, PolicyFault> {
    let has = |command| source.commands.contains(&command);
    let writes = has(Command::Insert) || has(Command::Update);
    let fields = [
        (
            ColumnsField::Read,
            source.read.is_some(),
            has(Command::Select),
        ),
        (ColumnsField::Write, source.write.is_some(), writes),
        (ColumnsField::Set, !source.set.is_empty(), writes),
    ];
    let resource = Resource::of(&source.table).is_some();
    for (field, is_there, is_heeded) in fields {
        // Mail, events and files are let through whole or not at all: a mask there would hold nothing back.
        if is_there && resource {
            let name = source.table.clone();
            return Err(PolicyFault::ColumnsOnResource(field, name));
        }
        match (is_there, source.effect, is_heeded) {
            (false, _, _) | (true, Effect::Allow, true) => {}
            (true, Effect::Deny, _) => return Err(PolicyFault::ColumnsOnDeny(field)),
            (true, Effect::Allow, false) => return Err(PolicyFault::UnusedColumns(field)),
        }
    }
    // Writing no column at all makes sense: presets and defaults may fill a row.
    if source.read.as_ref().is_some_and(Vec::is_empty) {
        return Err(PolicyFault::EmptyRead);
    }
    Ok(ColumnRules {
        read: mask(source.read.as_deref(), ColumnsField::Read, shape)?,
        write: mask(source.write.as_deref(), ColumnsField::Write, shape)?,
        presets: presets(source, shape, claims)?,
    })
}

fn mask(
    columns: Option<&[ColumnName]>,
    field: ColumnsField,
    shape: &TableShape,
) -> Result<ColumnMask, PolicyFault> {
    let Some(columns) = columns else {
        return Ok(None);
    };
    if let Some(column) = columns
        .iter()
        .find(|column| shape.column(column.as_str()).is_none())
    {
        let column = column.clone();
        return Err(PolicyFault::UnknownColumn { field, column });
    }
    Ok(Some(Arc::new(columns.iter().cloned().collect())))
}

fn presets(
    source: &PolicySource,
    shape: &TableShape,
    claims: &Claims,
) -> Result<Vec<(ColumnName, Node)>, PolicyFault> {
    let preset = |(name, text): (&ColumnName, &String)| {
        let column = shape
            .column(name.as_str())
            .ok_or_else(|| PolicyFault::UnknownColumn {
                field: ColumnsField::Set,
                column: name.clone(),
            })?;
        let node = parse::parse(text)
            .and_then(|syntax| Checker::for_preset(claims).preset(&syntax, column))
            .map_err(|error| PolicyFault::Preset {
                column: name.clone(),
                source: Box::new(error),
            })?;
        Ok((name.clone(), node))
    };
    source.set.iter().map(preset).collect()
}

/// A column that two policies set to different things, for callers that may meet both.
pub(super) fn clash<'a>(
    a: (&PolicySource, &'a ColumnRules),
    b: (&PolicySource, &ColumnRules),
) -> Option<&'a ColumnName> {
    let together = [Command::Insert, Command::Update]
        .iter()
        .any(|command| a.0.commands.contains(command) && b.0.commands.contains(command));
    if !together || !may_both_apply(&a.0.roles, &b.0.roles) {
        return None;
    }
    let differs = |(column, node): &&(ColumnName, Node)| {
        let other = b.1.presets.iter().find(|(name, _)| name == column);
        other.is_some_and(|(_, other)| other != node)
    };
    a.1.presets.iter().find(differs).map(|(column, _)| column)
}

/// Whether one caller may have a role of both lists. A caller has one of the reserved roles, and a
/// user one role of the project beside it.
fn may_both_apply(a: &[String], b: &[String]) -> bool {
    let meet = |a: &String, b: &String| {
        let anyone = |role: &String| role == "public";
        let reserved = |role: &String| AuthRole::ALL.iter().any(|r| r.as_str() == role);
        let signed_in = |role: &String| role == AuthRole::Authenticated.as_str();
        a == b
            || anyone(a)
            || anyone(b)
            || (signed_in(a) && !reserved(b))
            || (signed_in(b) && !reserved(a))
    };
    a.is_empty() || b.is_empty() || a.iter().any(|a| b.iter().any(|b| meet(a, b)))
}
