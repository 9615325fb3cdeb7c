//! Tables, keys, references and indexes as ours, and what of them is not.

use koyalite_policy::{ColumnName, TableName};

use super::catalogue::{Catalogue, Constraint, Table};
use super::column::carry;
use super::{Imported, checks};
use crate::registry::definition::{NewColumn, NewReference, NewTable, OnDelete};
use crate::registry::indexes::NewIndex;

/// The tables that can be made, in the file and as they are returned.
pub(super) fn translate(found: &Catalogue, imported: &mut Imported) -> Vec<NewTable> {
    for other in &found.others {
        imported.note(&other.subject, &other.what);
    }
    let mut tables: Vec<NewTable> = Vec::new();
    for table in &found.tables {
        tables.extend(make(found, table, imported));
    }
    for key in found.constraints.iter().filter(|c| c.kind == "f") {
        refer(key, &mut tables, imported);
    }
    for index in &found.indexes {
        let Some(table) = tables.iter_mut().find(|t| t.name == index.table) else {
            continue;
        };
        let subject = format!("{}: index {}", index.table, index.name);
        let has = |c: &String| table.columns.iter().any(|column| &column.name == c);
        if !index.plain || !index.columns.iter().all(has) {
            let reason = "an index that is no B-tree over columns alone, in their usual order";
            imported.note(subject, reason);
            continue;
        }
        add_index(
            table,
            (index.columns.clone(), index.unique),
            &subject,
            imported,
        );
    }
    imported.file.tables.clone_from(&tables);
    tables
}

fn make(found: &Catalogue, table: &Table, imported: &mut Imported) -> Option<NewTable> {
    if let Err(error) = table.name.parse::<TableName>() {
        imported.note(&table.name, format!("left out: {error}"));
        return None;
    }
    if table.partition {
        imported.note(&table.name, "left out: a partition of another table");
        return None;
    }
    let mut new = NewTable {
        name: table.name.clone(),
        columns: Vec::new(),
        indexes: Vec::new(),
    };
    let mut read = Vec::new();
    for column in found.columns.iter().filter(|c| c.table == table.name) {
        let subject = format!("{}.{}", table.name, column.name);
        let named = column.name.parse::<ColumnName>();
        let carried = named.map_err(|error| error.to_string());
        match carried.and_then(|_| carry(column, &found.enums)) {
            Ok(carried) => {
                for reason in carried.notes {
                    imported.note(&subject, reason);
                }
                let quoted = koyalite_policy::quote_ident(&column.name);
                read.push((column.name.clone(), carried.value.replace("{}", &quoted)));
                new.columns.push(carried.column);
            }
            Err(reason) => imported.note(subject, format!("left out: {reason}")),
        }
    }
    keys(found, &mut new, imported);
    if !primary_key(&mut new, imported) {
        return None;
    }
    match new.read() {
        Ok(_) => {
            imported.rows.insert(new.name.clone(), read);
            Some(new)
        }
        Err(mistakes) => {
            let reasons: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            imported.note(&new.name, format!("left out: {}", reasons.join("; ")));
            None
        }
    }
}

/// Primary and unique keys; the other constraints are told.
fn keys(found: &Catalogue, new: &mut NewTable, imported: &mut Imported) {
    let name = new.name.clone();
    for constraint in found.constraints.iter().filter(|c| c.table == name) {
        let subject = format!("{}: constraint {}", new.name, constraint.name);
        let here = |c: &String| new.columns.iter().any(|column| &column.name == c);
        match (constraint.kind.as_str(), constraint.columns.as_slice()) {
            ("f", _) => {}
            // Others are carried over as policies; see `checks`.
            ("c", _) => list_values(new, constraint),
            ("x", _) => {
                let definition = &constraint.definition;
                let reason = format!(
                    "not carried over: {definition}; no two rows are compared here but by unique \
                     columns"
                );
                imported.note(subject, reason);
            }
            (_, columns) if !columns.iter().all(here) => {
                imported.note(subject, "left out: it is on a column that is");
            }
            ("p", columns) => {
                for column in new.columns.iter_mut().filter(|c| columns.contains(&c.name)) {
                    column.primary_key = true;
                    column.nullable = false;
                }
            }
            (_, [only]) => {
                for column in new.columns.iter_mut().filter(|c| &c.name == only) {
                    column.unique = true;
                }
            }
            (_, columns) => add_index(new, (columns.to_vec(), true), &subject, imported),
        }
    }
}

/// A text whose check lists its values becomes a type of its own.
fn list_values(new: &mut NewTable, constraint: &Constraint) {
    let Some(ty) = checks::listed(constraint) else {
        return;
    };
    let columns = new.columns.iter_mut();
    for column in columns.filter(|column| column.ty == "text") {
        if constraint.columns.contains(&column.name) {
            column.ty.clone_from(&ty);
        }
    }
}

/// Makes sure of a primary key; `id uuid` is made in front where there is none.
fn primary_key(new: &mut NewTable, imported: &mut Imported) -> bool {
    if new.columns.iter().any(|column| column.primary_key) {
        return true;
    }
    match new.columns.iter_mut().find(|column| column.name == "id") {
        None => {
            let reason = "has no primary key: a column `id uuid` is added in front";
            imported.note(&new.name, reason);
            true
        }
        Some(id) if id.unique && !id.nullable => {
            id.primary_key = true;
            imported.note(&new.name, "has no primary key: `id` becomes it");
            true
        }
        Some(_) => {
            let reason = "left out: it has no primary key, and an `id` that could not be it";
            imported.note(&new.name, reason);
            false
        }
    }
}

fn add_index(
    new: &mut NewTable,
    (columns, unique): (Vec<String>, bool),
    subject: &str,
    imported: &mut Imported,
) {
    let index = NewIndex {
        name: None,
        columns,
        unique,
    };
    let ordered = index.columns.iter().all(|name| {
        let column = new.columns.iter().find(|column| &column.name == name);
        let ty = column.and_then(|c| {
            c.ty.parse::<crate::registry::column_type::DefinedType>()
                .ok()
        });
        ty.is_some_and(|ty| ty.ty.has_order())
    });
    match (index.read(), ordered) {
        (Ok(_), true) if !new.indexes.contains(&index) => new.indexes.push(index),
        (Ok(_), true) => {}
        (Ok(_), false) => imported.note(subject, "left out: a column of it has no order here"),
        (Err(mistakes), _) => {
            let reasons: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            imported.note(subject, format!("left out: {}", reasons.join("; ")));
        }
    }
}

/// A foreign key as a reference of its column.
fn refer(key: &Constraint, tables: &mut [NewTable], imported: &mut Imported) {
    let subject = format!("{}: constraint {}", key.table, key.name);
    match reference(key, tables) {
        Ok(reference) => {
            if let Some(reason) = changed(key) {
                imported.note(&subject, reason);
            }
            let table = tables.iter_mut().find(|t| t.name == key.table);
            let columns = table.into_iter().flat_map(|table| &mut table.columns);
            for column in columns.filter(|c| key.columns.contains(&c.name)) {
                column.references = Some(reference.clone());
            }
        }
        Err(reason) => imported.note(subject, format!("left out: {reason}")),
    }
}

fn reference(key: &Constraint, tables: &[NewTable]) -> Result<NewReference, String> {
    let ([column], [to]) = (key.columns.as_slice(), key.to_columns.as_slice()) else {
        return Err("a reference is of one column".to_owned());
    };
    let schema = key.to_schema.as_deref().unwrap_or_default();
    let to_table = key.to_table.as_deref().unwrap_or_default();
    if schema == "auth" {
        return Err(format!(
            "it refers to {schema}.{to_table}, and users are no table here"
        ));
    }
    let find = |table: &str, name: &str| -> Option<&NewColumn> {
        let table = tables.iter().find(|t| t.name == table)?;
        table.columns.iter().find(|c| c.name == name)
    };
    let from = find(&key.table, column).ok_or("its column is left out")?;
    let target = find(to_table, to);
    let target = target.ok_or_else(|| format!("it refers to {schema}.{to_table}, which is"))?;
    if from.references.is_some() {
        return Err("a column refers to one other, and this one does already".to_owned());
    }
    if target.ty != from.ty {
        return Err(format!(
            "its ends have the types {} and {}",
            from.ty, target.ty
        ));
    }
    let keys = tables.iter().find(|t| t.name == to_table).into_iter();
    let keys = keys
        .flat_map(|t| &t.columns)
        .filter(|c| c.primary_key)
        .count();
    let unique = target.unique || (target.primary_key && keys == 1);
    if !unique {
        return Err(format!("{to_table}.{to} is not unique by itself here"));
    }
    Ok(NewReference {
        table: to_table.to_owned(),
        column: to.clone(),
        on_delete: match (key.on_delete.as_str(), from.nullable) {
            ("c", _) => OnDelete::Cascade,
            ("n", true) => OnDelete::SetNull,
            _ => OnDelete::Restrict,
        },
    })
}

/// What a reference does otherwise than the foreign key did.
fn changed(key: &Constraint) -> Option<&'static str> {
    match (key.on_delete.as_str(), key.on_update.as_str()) {
        ("d", _) => Some("ON DELETE SET DEFAULT becomes restrict"),
        ("n", _) if key.definition.contains("SET NULL (") => {
            Some("ON DELETE SET NULL of all columns")
        }
        (_, "c" | "n" | "d") => Some("its ON UPDATE is not kept: keys do not change"),
        _ if key.definition.contains("DEFERRABLE") => Some("it is checked at once, not at the end"),
        _ => None,
    }
}
