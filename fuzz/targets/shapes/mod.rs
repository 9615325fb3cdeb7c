//! The table that the targets speak of.

use koyalite_policy::{ColumnShape, ColumnType, TableShape};

/// The columns of `todos`: one of each kind that a policy treats differently.
const TODOS: [(&str, &str); 9] = [
    ("id", "bigint"),
    ("owner_id", "uuid"),
    ("title", "text"),
    ("done", "boolean"),
    ("tags", "text[]"),
    ("data", "jsonb"),
    ("due", "timestamptz"),
    ("price", "numeric"),
    ("ratio", "double precision"),
];

/// Tasks of people.
pub fn todos() -> TableShape {
    table("todos", &TODOS)
}

/// A table of these columns, `id` its key.
pub fn table(name: &str, columns: &[(&str, &str)]) -> TableShape {
    TableShape {
        name: name.parse().expect("a name"),
        columns: columns.iter().map(column).collect(),
        unique_together: Vec::new(),
    }
}

fn column((name, ty): &(&str, &str)) -> ColumnShape {
    ColumnShape {
        name: name.parse().expect("a name"),
        ty: ty.parse::<ColumnType>().expect("a type"),
        nullable: *name != "id",
        has_default: *name == "id",
        primary_key: *name == "id",
        unique: false,
        values: None,
    }
}
