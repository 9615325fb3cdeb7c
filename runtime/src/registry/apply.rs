//! A project's `schema.json`: what is missing is made, policies are changed by name, and nothing
//! that holds data is altered or dropped; an enum only loses values that no row holds.
//!
//! One change for the whole file: either the project is as the file says, or it is as before.
//! Applying a file twice does nothing the second time and says so.

use koyalite_policy::{Claims, ProjectName, TableName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Registry;
use super::change::{Change, LockedProject};
use super::columns::{self, Column, StoredTable};
use super::definition::{ColumnDefinition, NewTable, TableDefinition};
use super::error::{Mistake, RegistryError, Standing, refuse_if_any};
use super::indexes::{self, Index};
use super::listed_values::NewValues;
use super::policies::{self, NewPolicy};
use super::{claims, mirror, tables};

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
    #[serde(default)]
    pub claims: Option<Claims>,
}

/// What applying a file did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Tables that were made.
    pub created_tables: Vec<String>,
    /// Columns that were added to tables that existed, as `table.column`.
    pub added_columns: Vec<String>,
    /// Columns that list other values now, as `table.column`.
    pub changed_columns: Vec<String>,
    /// Indexes that were made, or made anew with other columns, as `table.index`.
    pub created_indexes: Vec<String>,
    /// Policies that were made, as `table: name`.
    pub created_policies: Vec<String>,
    /// Policies that were changed, as `table: name`.
    pub changed_policies: Vec<String>,
    /// Whether other claims are declared now.
    pub changed_claims: bool,
    /// What the project has and the file does not mention. It was left alone.
    pub kept: Vec<String>,
    /// What the policies' authors should know.
    pub warnings: Vec<String>,
}

impl Applied {
    /// Whether the project was already as the file says.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let Self {
            created_tables,
            added_columns,
            changed_columns,
            created_indexes,
            created_policies,
            changed_policies,
            changed_claims,
            ..
        } = self;
        let done = [
            created_tables,
            added_columns,
            changed_columns,
            created_indexes,
            created_policies,
            changed_policies,
        ]
        .iter()
        .any(|done| !done.is_empty());
        !done && !changed_claims
    }
}

/// Makes the project what the file says.
///
/// # Errors
/// `Invalid` with every mistake of the file; `Conflict` where the project has something that the
/// file would have to alter with its data.
pub async fn apply_schema(
    registry: &Registry,
    project: &ProjectName,
    file: &SchemaFile,
    by: Uuid,
) -> Result<Applied, RegistryError> {
    let definitions = read(file)?;
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let existing = columns::load(change.conn(), Some(locked.id)).await?;
    let mut applied = Applied {
        kept: kept_tables(&existing, &definitions),
        ..Applied::default()
    };

    let (mut missing, mut relisted) = (Vec::new(), Vec::new());
    for (place, (definition, new)) in definitions.iter().zip(&file.tables).enumerate() {
        match existing.iter().find(|table| table.name == definition.name) {
            None => missing.push(definition),
            Some(stored) => {
                let keyed = new.columns.iter().any(|column| column.primary_key);
                let plan = compare(stored, definition, keyed)?;
                for column in plan.missing {
                    tables::add_column_in(&mut change, &locked, stored, column).await?;
                    applied
                        .added_columns
                        .push(format!("{}.{}", stored.name, column.name));
                }
                for new in plan.relisted {
                    new.widen(&mut change).await?;
                    applied
                        .changed_columns
                        .push(format!("{}.{}", stored.name, new.column.name));
                    relisted.push(new);
                }
                applied.kept.extend(plan.kept);
                apply_indexes(&mut change, &locked, (stored, definition), &mut applied)
                    .await
                    .map_err(|error| error.under(&format!("tables[{place}]")))?;
            }
        }
    }
    let have = existing.iter().map(|table| table.name.clone()).collect();
    for definition in in_order(missing, have)? {
        tables::create_in(&mut change, &locked, definition).await?;
        applied.created_tables.push(definition.name.to_string());
    }
    let before = claims::load(change.conn(), locked.id).await?;
    let declared = file.claims.as_ref().unwrap_or(&before);
    applied.changed_claims = *declared != before;
    // While policies change one by one, some read what was declared and some what will be.
    claims::replace_in(&mut change, &locked, &claims::either(&before, declared)).await?;
    apply_policies(&mut change, &locked, file, by, &mut applied).await?;
    claims::replace_in(&mut change, &locked, declared).await?;
    for new in relisted {
        new.settle(&mut change, &locked).await?;
    }
    tables::check_policies(&mut change, &locked).await?;
    if !applied.is_nothing() {
        mirror::commit(change, &locked).await?;
    }
    Ok(applied)
}

/// Makes the indexes that a table lacks; one of the same name that is on other columns is made anew,
/// since it holds no data of its own.
async fn apply_indexes(
    change: &mut Change<'_>,
    project: &LockedProject,
    (stored, wanted): (&StoredTable, &TableDefinition),
    applied: &mut Applied,
) -> Result<(), RegistryError> {
    for (place, index) in wanted.indexes.iter().enumerate() {
        let found = stored.indexes.iter().find(|found| index.means(found));
        if let Some(found) = found {
            if index.is_like(found) {
                continue;
            }
            indexes::drop_in(change, project, found).await?;
        }
        let name = indexes::create_in(change, project, &stored.name, index)
            .await
            .map_err(|error| error.under(&format!("indexes[{place}]")))?;
        applied
            .created_indexes
            .push(format!("{}.{name}", stored.name));
    }
    let mentioned = |found: &Index| wanted.indexes.iter().any(|index| index.means(found));
    let kept = stored.indexes.iter().filter(|found| !mentioned(found));
    applied
        .kept
        .extend(kept.map(|index| format!("{}: index {}", stored.name, index.name)));
    Ok(())
}

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

fn kept_tables(existing: &[StoredTable], definitions: &[TableDefinition]) -> Vec<String> {
    let unmentioned = |table: &&StoredTable| !definitions.iter().any(|d| d.name == table.name);
    existing
        .iter()
        .filter(unmentioned)
        .map(|table| table.name.to_string())
        .collect()
}

/// What a table that exists lacks, and what it has beyond the file.
struct Plan<'a> {
    missing: Vec<&'a ColumnDefinition>,
    relisted: Vec<NewValues<'a>>,
    kept: Vec<String>,
}

/// Compares a table with the file. `keyed`: the file itself names the primary key.
fn compare<'a>(
    stored: &'a StoredTable,
    wanted: &'a TableDefinition,
    keyed: bool,
) -> Result<Plan<'a>, RegistryError> {
    let mut plan = Plan {
        missing: Vec::new(),
        relisted: Vec::new(),
        kept: Vec::new(),
    };
    let mut differences = Vec::new();
    for column in &wanted.columns {
        match stored.column(&column.name) {
            None if column.primary_key && !keyed => {}
            None => plan.missing.push(column),
            Some(found) => {
                differences.extend(difference(stored, found, column));
                plan.relisted.extend(relisted(stored, found, column));
            }
        }
    }
    for column in &stored.columns {
        if !wanted
            .columns
            .iter()
            .any(|wanted| wanted.name == column.name)
        {
            plan.kept.push(format!("{}.{}", stored.name, column.name));
        }
    }
    match differences.is_empty() {
        true => Ok(plan),
        false => Err(RegistryError::conflict(
            Standing::WouldLoseData,
            format!(
                "columns that exist are not altered, for their data could be lost: {}; add a \
                 column of another name, or drop the old one first",
                differences.join("; ")
            ),
        )),
    }
}

/// The list of values of a column, where it has one and is to have another.
fn relisted<'a>(
    table: &'a StoredTable,
    column: &'a Column,
    wanted: &'a ColumnDefinition,
) -> Option<NewValues<'a>> {
    let (old, values) = (column.ty.values.as_ref()?, wanted.ty.values.as_ref()?);
    (old != values).then_some(NewValues {
        table: &table.name,
        column,
        values,
    })
}

fn difference(table: &StoredTable, found: &Column, wanted: &ColumnDefinition) -> Option<String> {
    let reference = |table: &TableName, column: &dyn std::fmt::Display| format!("{table}.{column}");
    let found_target = found
        .references
        .as_ref()
        .map(|r| (reference(&r.table, &r.column), r.on_delete));
    let wanted_target = wanted
        .references
        .as_ref()
        .map(|r| (reference(&r.table, &r.column), r.on_delete));
    let listed = found.ty.values.is_some() && wanted.ty.values.is_some();
    let what = if found.ty != wanted.ty && !listed {
        format!("is {} and would be {}", found.ty, wanted.ty)
    } else if found.nullable != wanted.nullable {
        "would change whether it may be NULL".to_owned()
    } else if found.unique != wanted.unique || found.primary_key != wanted.primary_key {
        "would change whether it is unique or a key".to_owned()
    } else if found.default != wanted.default_json {
        "would change its default".to_owned()
    } else if found_target != wanted_target {
        "would change what it refers to".to_owned()
    } else {
        return None;
    };
    Some(format!("{}.{} {what}", table.name, found.name))
}

/// Tables so that each comes after those that it refers to.
fn in_order(
    mut missing: Vec<&TableDefinition>,
    mut have: Vec<TableName>,
) -> Result<Vec<&TableDefinition>, RegistryError> {
    let mut ordered = Vec::new();
    while !missing.is_empty() {
        let named: Vec<TableName> = missing.iter().map(|table| table.name.clone()).collect();
        // What neither exists nor is in the file is reported when the table is made.
        let ready = |table: &TableDefinition| {
            let targets = table
                .columns
                .iter()
                .filter_map(|column| column.references.as_ref());
            targets.map(|reference| &reference.table).all(|target| {
                target == &table.name || have.contains(target) || !named.contains(target)
            })
        };
        let (now, later): (Vec<_>, Vec<_>) = missing.into_iter().partition(|table| ready(table));
        if now.is_empty() {
            let names: Vec<&str> = named.iter().map(TableName::as_str).collect();
            let reason = format!(
                "the tables {} refer to each other in a circle; leave one reference out and add \
                 its column afterwards",
                names.join(", ")
            );
            return Err(RegistryError::conflict(Standing::State, reason));
        }
        have.extend(now.iter().map(|table| table.name.clone()));
        ordered.extend(now);
        missing = later;
    }
    Ok(ordered)
}

async fn apply_policies(
    change: &mut Change<'_>,
    project: &LockedProject,
    file: &SchemaFile,
    by: Uuid,
    applied: &mut Applied,
) -> Result<(), RegistryError> {
    let existing = policies::sources(change.conn(), project.id).await?;
    for (index, new) in file.policies.iter().enumerate() {
        let label = format!("{}: {}", new.table, new.name);
        let found = existing
            .iter()
            .find(|p| p.table == new.table && p.name == new.name);
        let wanted = new.source(found.map_or_else(Uuid::nil, |found| found.id));
        let saved = match found {
            Some(found) if *found == wanted => continue,
            Some(_) => {
                applied.changed_policies.push(label.clone());
                policies::update_in(change, project, &wanted).await
            }
            None => {
                applied.created_policies.push(label.clone());
                policies::create_in(change, project, new, by)
                    .await
                    .map(|(_, warnings)| warnings)
            }
        };
        let warnings = saved.map_err(|error| error.under(&format!("policies[{index}]")))?;
        applied.warnings.extend(
            warnings
                .into_iter()
                .map(|warning| format!("{label}: {warning}")),
        );
    }
    let mentioned = |name: &str, table: &TableName| {
        file.policies
            .iter()
            .any(|new| new.name == name && &new.table == table)
    };
    let kept = existing
        .iter()
        .filter(|policy| !mentioned(&policy.name, &policy.table));
    applied
        .kept
        .extend(kept.map(|policy| format!("{}: {}", policy.table, policy.name)));
    Ok(())
}
