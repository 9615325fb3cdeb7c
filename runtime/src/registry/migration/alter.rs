//! Columns that exist become what a file says, where no value changes by it.
//!
//! The catalogue first, then Postgres; before either, what the rows would have against it.

use super::super::change::LockedProject;
use super::super::columns::{self, Column, PlacedColumn, StoredTable};
use super::super::constraints::{self, Kind};
use super::super::ddl::alter::{At, count_duplicates};
use super::super::ddl::{count_others, replace_checks};
use super::super::definition::ColumnDefinition;
use super::super::error::{RegistryError, Standing};
use super::super::references;
use super::compare::{Property, told};
use super::plan::Action;
use super::work::Work;

/// A column, and what it is to be.
#[derive(Clone, Copy)]
pub(super) struct Altered<'a> {
    pub(super) table: &'a StoredTable,
    pub(super) column: &'a Column,
    pub(super) wanted: &'a ColumnDefinition,
}

impl<'a> Altered<'a> {
    fn path(&self) -> String {
        format!("{}.{}", self.table.name, self.column.name)
    }

    fn at(&self, project: &'a LockedProject) -> At<'a> {
        At {
            project,
            table: &self.table.name,
            column: &self.column.name,
        }
    }
}

/// Makes one property what it is to be. Lists of values are for [`super::super::listed_values`].
pub(super) async fn alter(
    work: &mut Work<'_>,
    altered: Altered<'_>,
    property: Property,
) -> Result<(), RegistryError> {
    work.lift_mirror(&altered.table.name).await?;
    match property {
        Property::Type => retype(work, altered).await?,
        Property::Values => {}
        Property::Default => {
            let ddl = altered.at(&work.project).set_default(altered.wanted);
            work.change.run(ddl).await?;
        }
        Property::Nullable => set_nullable(work, altered).await?,
        Property::Unique => set_unique(work, altered).await?,
        Property::References => refer(work, altered).await?,
    }
    store(work, altered, property).await?;
    let detail = told(property, altered.column, altered.wanted);
    work.did(Action::AlterColumn, altered.path(), &detail, None);
    Ok(())
}

/// The catalogue's row, in the one property that changed.
async fn store(
    work: &mut Work<'_>,
    altered: Altered<'_>,
    property: Property,
) -> Result<(), RegistryError> {
    let wanted = altered.wanted;
    let id = altered.column.id;
    let conn = work.change.conn();
    match property {
        Property::Type => {
            let name = wanted.ty.ty.sql_name();
            sqlx::query!(
                "UPDATE koyalite.columns SET type = $2, listed_values = $3 WHERE id = $1",
                id,
                name.as_ref(),
                wanted.ty.values.as_deref(),
            )
            .execute(conn)
            .await?
        }
        Property::Default => {
            sqlx::query!(
                r#"UPDATE koyalite.columns SET "default" = $2 WHERE id = $1"#,
                id,
                wanted.default_json,
            )
            .execute(conn)
            .await?
        }
        Property::Nullable | Property::Unique => {
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
        Property::Values | Property::References => return Ok(()),
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
        let ddl = altered.at(&work.project).set_type(wanted);
        return work.change.run(ddl).await;
    }
    let checks = constraints(work, altered, Kind::Check).await?;
    let Some(values) = &wanted.ty.values else {
        for check in &checks {
            let ddl = altered.at(&work.project).drop_constraint(check);
            work.change.run(ddl).await?;
        }
        return Ok(());
    };
    let others = count_others(&work.project, table, column, values);
    let held = work.count(table, others).await?;
    if held > 0 {
        let reason = format!(
            "rows of {table} hold {held} other values in {column} than {}; change those rows first",
            wanted.ty
        );
        work.refuse(Standing::WouldLoseData, reason);
    }
    let replaced = replace_checks(&work.project, (table, column), &checks, values);
    work.change.run(replaced).await
}

async fn set_nullable(work: &mut Work<'_>, altered: Altered<'_>) -> Result<(), RegistryError> {
    if !altered.wanted.nullable {
        let question = altered.at(&work.project).count_nulls();
        let empty = work.count(&altered.table.name, question).await?;
        if empty > 0 {
            let reason = format!(
                "{empty} row(s) hold no value in {}; give them one first",
                altered.path()
            );
            work.refuse(Standing::State, reason);
        }
    }
    let ddl = altered.at(&work.project).set_nullable(altered.wanted);
    work.change.run(ddl).await
}

async fn set_unique(work: &mut Work<'_>, altered: Altered<'_>) -> Result<(), RegistryError> {
    let (table, column) = (&altered.table.name, &altered.column.name);
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
        let ddl = altered.at(&work.project).add_unique();
        return work.change.run(ddl).await;
    }
    let referring = work.references_to(table, column).await?;
    if !referring.is_empty() {
        let reason = format!("{} refer to {}", referring.join(", "), altered.path());
        work.refuse(Standing::InUse, reason);
    }
    for name in constraints(work, altered, Kind::Unique).await? {
        let ddl = altered.at(&work.project).drop_constraint(&name);
        work.change.run(ddl).await?;
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
    if let Some(old) = &altered.column.references {
        references::forget(work.change.conn(), altered.column.id).await?;
        let ddl = altered.at(&work.project).drop_constraint(&old.constraint);
        work.change.run(ddl).await?;
    }
    let tables = columns::load(work.change.conn(), Some(work.project.id)).await?;
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
        (false, true) => {
            let question = altered.at(&work.project).count_values();
            work.count(&altered.table.name, question).await?
        }
        (false, false) => {
            work.change.hold(&work.project, &target.key.table).await?;
            let question = altered.at(&work.project).count_orphans(&target.key);
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
    let ddl = altered.at(&work.project).add_reference(&target.key);
    work.change.run(ddl).await
}

/// What Postgres calls a column's own constraints of a kind.
async fn constraints(
    work: &mut Work<'_>,
    altered: Altered<'_>,
    kind: Kind,
) -> Result<Vec<String>, RegistryError> {
    let at = (&altered.table.name, &altered.column.name);
    constraints::of_column(work.change.conn(), &work.project, at, kind).await
}
