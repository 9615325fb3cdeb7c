//! Columns that exist become what a file says, where no value changes by it.
//!
//! The catalogue first, then Postgres; before either, what the rows would have against it.

use super::super::columns::{self, Column, PlacedColumn, StoredTable};
use super::super::ddl::alter::{At, count_duplicates};
use super::super::ddl::{count_others, replace_checks};
use super::super::definition::ColumnDefinition;
use super::super::error::{RegistryError, Standing};
use super::super::references;
use super::compare::{Change, told};
use super::plan::Action;
use super::work::Work;

/// A column, and what it is to be.
#[derive(Clone, Copy)]
pub(super) struct Altered<'a> {
    pub(super) table: &'a StoredTable,
    pub(super) column: &'a Column,
    pub(super) wanted: &'a ColumnDefinition,
}

impl Altered<'_> {
    fn path(&self) -> String {
        format!("{}.{}", self.table.name, self.column.name)
    }
}

/// Makes one change. Lists of values are for [`super::super::listed_values`].
pub(super) async fn alter(
    work: &mut Work<'_>,
    altered: Altered<'_>,
    change: Change,
) -> Result<(), RegistryError> {
    work.lift_mirror(&altered.table.name).await?;
    match change {
        Change::Type => retype(work, altered).await?,
        Change::Values => {}
        Change::Default => {
            let project = work.project.clone();
            let at = altered.at(&project);
            work.change.run(at.set_default(altered.wanted)).await?;
        }
        Change::Nullable => set_nullable(work, altered).await?,
        Change::Unique => set_unique(work, altered).await?,
        Change::References => refer(work, altered).await?,
    }
    store(work, altered, change).await?;
    let detail = told(change, altered.column, altered.wanted);
    work.did(Action::AlterColumn, altered.path(), &detail, None);
    Ok(())
}

impl<'a> Altered<'a> {
    fn at(&self, project: &'a super::super::change::LockedProject) -> At<'a> {
        At {
            project,
            table: &self.table.name,
            column: &self.column.name,
        }
    }
}

/// The catalogue's row, in the one property that changed.
async fn store(
    work: &mut Work<'_>,
    altered: Altered<'_>,
    change: Change,
) -> Result<(), RegistryError> {
    let wanted = altered.wanted;
    let id = altered.column.id;
    let conn = work.change.conn();
    match change {
        Change::Type => {
            sqlx::query!(
                "UPDATE koyalite.columns SET type = $2, listed_values = $3 WHERE id = $1",
                id,
                &*&wanted.ty.ty.sql_name(),
                wanted.ty.values.as_deref(),
            )
            .execute(conn)
            .await?
        }
        Change::Default => {
            sqlx::query!(
                r#"UPDATE koyalite.columns SET "default" = $2 WHERE id = $1"#,
                id,
                wanted.default_json,
            )
            .execute(conn)
            .await?
        }
        Change::Nullable | Change::Unique => {
            sqlx::query!(
                "UPDATE koyalite.columns SET is_nullable = $2, is_unique = $3 WHERE id = $1",
                id,
                wanted.nullable,
                wanted.unique,
            )
            .execute(conn)
            .await?
        }
        // Stored where they are changed.
        Change::Values | Change::References => return Ok(()),
    };
    Ok(())
}

async fn retype(work: &mut Work<'_>, altered: Altered<'_>) -> Result<(), RegistryError> {
    let (found, wanted) = (altered.column, altered.wanted);
    let (table, column) = (&altered.table.name, &found.name);
    if found.ty.ty != wanted.ty.ty {
        let referring = work.references_to(table, column).await?;
        if found.references.is_some() || !referring.is_empty() {
            let reason = format!(
                "{} is part of a reference, whose two ends have one type; take the reference away \
                 first",
                altered.path()
            );
            work.refuse(Standing::InUse, reason);
        }
        let project = work.project.clone();
        return work.change.run(altered.at(&project).set_type(wanted)).await;
    }
    let project = work.project.clone();
    let checks = constraints(work, altered, "c").await?;
    let Some(values) = &wanted.ty.values else {
        for check in &checks {
            work.change
                .run(altered.at(&project).drop_constraint(check))
                .await?;
        }
        return Ok(());
    };
    let others = count_others(&project, table, column, values);
    let held = work.count(table, others).await?;
    if held > 0 {
        let reason = format!(
            "rows of {table} hold {held} other values in {column} than {}; change those rows first",
            wanted.ty
        );
        work.refuse(Standing::WouldLoseData, reason);
    }
    let replaced = replace_checks(&project, (table, column), &checks, values);
    work.change.run(replaced).await
}

async fn set_nullable(work: &mut Work<'_>, altered: Altered<'_>) -> Result<(), RegistryError> {
    let project = work.project.clone();
    let at = altered.at(&project);
    if !altered.wanted.nullable {
        let empty = work.count(&altered.table.name, at.count_nulls()).await?;
        if empty > 0 {
            let reason = format!(
                "{empty} row(s) hold no value in {}; give them one first",
                altered.path()
            );
            work.refuse(Standing::State, reason);
        }
    }
    work.change.run(at.set_nullable(altered.wanted)).await
}

async fn set_unique(work: &mut Work<'_>, altered: Altered<'_>) -> Result<(), RegistryError> {
    let (table, column) = (&altered.table.name, &altered.column.name);
    let project = work.project.clone();
    let at = altered.at(&project);
    let kind = match altered.wanted.unique {
        true => "1:1",
        false => "1:N",
    };
    sqlx::query!(
        "UPDATE koyalite.relationships SET type = $2 WHERE from_column_id = $1",
        altered.column.id,
        kind,
    )
    .execute(work.change.conn())
    .await?;
    if altered.wanted.unique {
        refuse_duplicates(work, altered.table, std::slice::from_ref(column)).await?;
        return work.change.run(at.add_unique()).await;
    }
    let referring = work.references_to(table, column).await?;
    if !referring.is_empty() {
        let reason = format!("{} refer to {}", referring.join(", "), altered.path());
        work.refuse(Standing::InUse, reason);
    }
    for name in constraints(work, altered, "u").await? {
        work.change.run(at.drop_constraint(&name)).await?;
    }
    Ok(())
}

/// Refuses what would be unique where rows agree.
pub(super) async fn refuse_duplicates(
    work: &mut Work<'_>,
    table: &StoredTable,
    columns: &[koyalite_policy::ColumnName],
) -> Result<(), RegistryError> {
    // A column that the change adds holds nothing yet.
    if columns.iter().any(|column| table.column(column).is_none()) {
        return Ok(());
    }
    let question = count_duplicates(&work.project, &table.name, columns);
    let agreeing = work.count(&table.name, question).await?;
    if agreeing > 0 {
        let names: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        let reason = format!(
            "rows of {} agree in {agreeing} value(s) of {}, which would be unique; change those \
             rows first",
            table.name,
            names.join(", ")
        );
        work.refuse(Standing::State, reason);
    }
    Ok(())
}

async fn refer(work: &mut Work<'_>, altered: Altered<'_>) -> Result<(), RegistryError> {
    let project = work.project.clone();
    let at = altered.at(&project);
    if let Some(old) = &altered.column.references {
        sqlx::query!(
            "DELETE FROM koyalite.relationships WHERE from_column_id = $1",
            altered.column.id,
        )
        .execute(work.change.conn())
        .await?;
        work.change.run(at.drop_constraint(&old.constraint)).await?;
    }
    let tables = columns::load(work.change.conn(), Some(project.id)).await?;
    let target = references::target(altered.wanted, altered.column.id, &tables, None)
        .map_err(|mistake| vec![mistake.under(&altered.path())])?;
    let placed = PlacedColumn {
        id: altered.column.id,
        definition: altered.wanted,
        target,
    };
    columns::insert_relationship(work.change.conn(), altered.table.id, &placed).await?;
    let Some(target) = &placed.target else {
        return Ok(());
    };
    let orphans = match (
        work.is_new(&altered.table.name),
        work.is_new(&target.key.table),
    ) {
        (true, _) => 0,
        (false, true) => work.count(&altered.table.name, at.count_values()).await?,
        (false, false) => {
            work.change.hold(&project, &target.key.table).await?;
            let question = at.count_orphans(&target.key);
            work.count(&altered.table.name, question).await?
        }
    };
    if orphans > 0 {
        let reason = format!(
            "{orphans} value(s) of {} name no row of {}; change those rows first",
            altered.path(),
            target.key.table
        );
        work.refuse(Standing::State, reason);
    }
    work.change.run(at.add_reference(&target.key)).await
}

/// What Postgres calls a column's own constraints of a kind.
async fn constraints(
    work: &mut Work<'_>,
    altered: Altered<'_>,
    kind: &str,
) -> Result<Vec<String>, RegistryError> {
    let names = sqlx::query_scalar(CONSTRAINTS_OF_COLUMN)
        .bind(&work.project.schema)
        .bind(altered.table.name.as_str())
        .bind(altered.column.name.as_str())
        .bind(kind)
        .fetch_all(work.change.conn())
        .await?;
    Ok(names)
}

const CONSTRAINTS_OF_COLUMN: &str = "SELECT c.conname::text
    FROM pg_constraint c
    JOIN pg_class r ON r.oid = c.conrelid
    JOIN pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_attribute a ON a.attrelid = r.oid AND c.conkey = ARRAY[a.attnum]
    WHERE n.nspname = $1 AND r.relname = $2 AND a.attname = $3 AND c.contype = $4::\"char\"";
