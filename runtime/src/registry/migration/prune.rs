//! What a file does not mention: left alone and named, or dropped where the terms say so.

use koyalite_policy::{ColumnName, PolicySource, TableName};

use super::super::columns::{Column, StoredTable};
use super::super::ddl;
use super::super::ddl::alter::{At, count_rows};
use super::super::definition::TableDefinition;
use super::super::error::{RegistryError, Standing};
use super::super::indexes::{self, Index};
use super::super::{policies, references, vectors};
use super::plan::{Action, Loss, Lost};
use super::work::Work;
use super::{SchemaFile, Wanted};

/// Names what stays beside the file.
pub(super) async fn keep(work: &mut Work<'_>, wanted: Wanted<'_>) -> Result<(), RegistryError> {
    let (mut tables, mut parts) = (Vec::new(), Vec::new());
    for stored in wanted.existing {
        match wanted.definition(stored) {
            None => tables.push(stored.name.to_string()),
            Some(definition) => {
                let (columns, indexes) = unmentioned(stored, definition);
                let columns = columns.map(|column| format!("{}.{}", stored.name, column.name));
                parts.extend(columns);
                parts.extend(indexes.map(|index| format!("{}: index {}", stored.name, index.name)));
            }
        }
    }
    work.plan.kept.extend(tables.into_iter().chain(parts));
    let existing = policies::sources(work.change.conn(), work.project.id).await?;
    let kept = existing.iter().filter(|p| !mentions(wanted.file, p));
    let kept = kept.map(|policy| format!("{}: {}", policy.table, policy.name));
    work.plan.kept.extend(kept);
    Ok(())
}

/// Drops policies, before others are judged beside them.
pub(super) async fn policies(work: &mut Work<'_>, file: &SchemaFile) -> Result<(), RegistryError> {
    let existing = policies::sources(work.change.conn(), work.project.id).await?;
    for policy in existing.iter().filter(|p| !mentions(file, p)) {
        policies::delete_in(&mut work.change, policy.id).await?;
        let target = format!("{}: {}", policy.table, policy.name);
        work.done(Action::DropPolicy, target);
    }
    Ok(())
}

/// Drops tables, columns and indexes, after everything else has been brought about.
pub(super) async fn tables(work: &mut Work<'_>, wanted: Wanted<'_>) -> Result<(), RegistryError> {
    let doomed = Doomed::of(wanted);
    for (stored, found) in &doomed.indexes {
        index(work, stored, found).await?;
    }
    // Before what they refer to: references may point both ways.
    for (stored, found) in doomed.all_columns() {
        forget_reference(work, (stored, found), &doomed).await?;
    }
    for (stored, found) in &doomed.columns {
        column(work, stored, found).await?;
    }
    for stored in &doomed.tables {
        table(work, stored).await?;
    }
    Ok(())
}

/// All that goes.
struct Doomed<'a> {
    tables: Vec<&'a StoredTable>,
    columns: Vec<(&'a StoredTable, &'a Column)>,
    indexes: Vec<(&'a StoredTable, &'a Index)>,
}

impl<'a> Doomed<'a> {
    fn of(wanted: Wanted<'a>) -> Self {
        let mut doomed = Self {
            tables: Vec::new(),
            columns: Vec::new(),
            indexes: Vec::new(),
        };
        for stored in wanted.existing {
            match wanted.definition(stored) {
                None => doomed.tables.push(stored),
                Some(definition) => {
                    let (columns, indexes) = unmentioned(stored, definition);
                    doomed
                        .columns
                        .extend(columns.map(|column| (stored, column)));
                    doomed.indexes.extend(indexes.map(|index| (stored, index)));
                }
            }
        }
        doomed
    }

    fn all_columns(&self) -> impl Iterator<Item = (&'a StoredTable, &'a Column)> {
        let of_tables = self.tables.iter();
        let of_tables = of_tables.flat_map(|table| table.columns.iter().map(|c| (*table, c)));
        self.columns.iter().copied().chain(of_tables)
    }

    fn has(&self, table: &TableName, column: &ColumnName) -> bool {
        self.all_columns()
            .any(|(stored, found)| &stored.name == table && &found.name == column)
    }
}

/// Takes a reference away from a column that goes, with its constraint where what it refers to goes too
/// and would otherwise be held by it.
async fn forget_reference(
    work: &mut Work<'_>,
    (stored, column): (&StoredTable, &Column),
    doomed: &Doomed<'_>,
) -> Result<(), RegistryError> {
    let Some(reference) = &column.references else {
        return Ok(());
    };
    references::forget(work.change.conn(), column.id).await?;
    if reference.table == stored.name || !doomed.has(&reference.table, &reference.column) {
        return Ok(());
    }
    let at = At {
        project: &work.project,
        table: &stored.name,
        column: &column.name,
    };
    let drop = at.drop_constraint(&reference.constraint);
    work.change.run(drop).await?;
    let path = format!("{}.{}", stored.name, column.name);
    work.did(
        Action::AlterColumn,
        path,
        "refers to nothing any more",
        None,
    );
    Ok(())
}

/// Drops one index.
pub(super) async fn index(
    work: &mut Work<'_>,
    stored: &StoredTable,
    index: &Index,
) -> Result<(), RegistryError> {
    for column in stored.columns.iter().filter(|c| index.is_key(&c.name)) {
        let referring = work.references_to(&stored.name, &column.name).await?;
        let own_key = column.unique || column.primary_key;
        if !referring.is_empty() && !own_key {
            let reason = format!(
                "{} need the index {}, for they refer to {}.{}",
                referring.join(", "),
                index.name,
                stored.name,
                column.name
            );
            work.refuse(Standing::InUse, reason);
        }
    }
    indexes::drop_in(&mut work.change, &work.project, index).await?;
    work.done(Action::DropIndex, format!("{}.{}", stored.name, index.name));
    Ok(())
}

async fn column(
    work: &mut Work<'_>,
    stored: &StoredTable,
    column: &Column,
) -> Result<(), RegistryError> {
    let path = format!("{}.{}", stored.name, column.name);
    if column.primary_key {
        let reason = format!("{path} is part of the primary key, which is not dropped");
        work.refuse(Standing::State, reason);
        return Ok(());
    }
    let indexes = indexes::load(work.change.conn(), Some(work.project.id)).await?;
    let on_it = indexes.get(&stored.id).into_iter().flatten();
    let on_it = on_it.filter(|index| index.columns.contains(&column.name));
    let mut needed_by: Vec<String> = on_it.map(|i| format!("the index {}", i.name)).collect();
    let searched = vectors::on_column(work.change.conn(), column.id).await?;
    needed_by.extend(searched.map(|index| format!("the vector index {index}")));
    needed_by.extend(work.references_to(&stored.name, &column.name).await?);
    if !needed_by.is_empty() {
        let reason = format!("{path} is needed by {}", needed_by.join(", "));
        work.refuse(Standing::InUse, reason);
        return Ok(());
    }
    work.lift_mirror(&stored.name).await?;
    let at = At {
        project: &work.project,
        table: &stored.name,
        column: &column.name,
    };
    let question = at.count_values();
    let count = work.count(&stored.name, question).await?;
    sqlx::query!("DELETE FROM koyalite.columns WHERE id = $1", column.id)
        .execute(work.change.conn())
        .await?;
    let drop = ddl::drop_column(&work.project, &stored.name, &column.name);
    work.change.run(drop).await?;
    let of = Lost::Values;
    work.did(Action::DropColumn, path, "", Some(Loss { of, count }));
    Ok(())
}

async fn table(work: &mut Work<'_>, stored: &StoredTable) -> Result<(), RegistryError> {
    let mut needed_by = Vec::new();
    for column in &stored.columns {
        needed_by.extend(work.references_to(&stored.name, &column.name).await?);
    }
    if !needed_by.is_empty() {
        let reason = format!("{} is needed by {}", stored.name, needed_by.join(", "));
        work.refuse(Standing::InUse, reason);
        return Ok(());
    }
    let question = count_rows(&work.project, &stored.name);
    let count = work.count(&stored.name, question).await?;
    sqlx::query!("DELETE FROM koyalite.tables WHERE id = $1", stored.id)
        .execute(work.change.conn())
        .await?;
    let drop = ddl::drop_table(&work.project, &stored.name);
    work.change.run(drop).await?;
    let of = Lost::Rows;
    let name = stored.name.to_string();
    work.did(Action::DropTable, name, "", Some(Loss { of, count }));
    Ok(())
}

impl Wanted<'_> {
    fn definition(&self, stored: &StoredTable) -> Option<&TableDefinition> {
        self.definitions.iter().find(|d| d.name == stored.name)
    }
}

/// The columns and indexes of a table that its definition does not mention.
fn unmentioned<'a>(
    stored: &'a StoredTable,
    definition: &TableDefinition,
) -> (
    impl Iterator<Item = &'a Column>,
    impl Iterator<Item = &'a Index>,
) {
    let columns = stored.columns.iter();
    let columns = columns.filter(|c| !definition.columns.iter().any(|d| d.name == c.name));
    let indexes = stored.indexes.iter();
    let indexes = indexes.filter(|found| !definition.indexes.iter().any(|i| i.means(found)));
    let (columns, indexes): (Vec<_>, Vec<_>) = (columns.collect(), indexes.collect());
    (columns.into_iter(), indexes.into_iter())
}

fn mentions(file: &SchemaFile, policy: &PolicySource) -> bool {
    let mut mentioned = file.policies.iter();
    mentioned.any(|new| new.name == policy.name && new.table == policy.table)
}
