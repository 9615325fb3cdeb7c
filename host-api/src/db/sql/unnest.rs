//! Many rows as one array for each column: one bind a column instead of one a value, and the same
//! statement for any number of rows, so it is prepared once.

use koyalite_policy::{ColumnType, ScalarType, Value};
use serde_json::value::RawValue;

use super::super::bind::Bind;
use super::Binds;
use super::write::Cell;

/// One column of all rows.
enum Column {
    /// The database's clock, in every row.
    Now,
    /// Its values, and what they are cast to.
    Array(Bind, ColumnType),
}

/// The rows as `SELECT … FROM unnest(…)`. None where a row leaves a column to its default, or a
/// column holds arrays, which would be taken apart: such rows are written one by one.
pub(super) fn unnest(rows: &[Vec<Cell>], binds: &mut Binds) -> Option<String> {
    let width = rows.first()?.len();
    let columns = (0..width).map(|place| column(rows, place));
    let columns: Vec<Column> = columns.collect::<Option<_>>()?;
    let (mut arrays, mut names, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for column in columns {
        match column {
            Column::Now => values.push("now()".to_owned()),
            Column::Array(bind, ty) => {
                let name = format!("c{}", names.len());
                values.push(match travels_as_text(ty) {
                    // As in `Bind::placeholder`.
                    true if matches!(ty, ColumnType::Vector(_)) => format!("u.{name}::real[]"),
                    true => format!("u.{name}::{ty}"),
                    false => format!("u.{name}"),
                });
                names.push(name);
                arrays.push(binds.push_list(bind));
            }
        }
    }
    // Arrays say how many rows there are.
    (!arrays.is_empty()).then(|| {
        format!(
            "SELECT {} FROM unnest({}) AS u({})",
            values.join(", "),
            arrays.join(", "),
            names.join(", ")
        )
    })
}

/// Whether a value goes as a text, to be cast.
fn travels_as_text(ty: ColumnType) -> bool {
    let scalar = ty.scalar();
    scalar.is_some_and(ScalarType::travels_as_text) || matches!(ty, ColumnType::Vector(_))
}

fn column(rows: &[Vec<Cell>], place: usize) -> Option<Column> {
    let cells: Vec<&Cell> = rows
        .iter()
        .map(|row| row.get(place))
        .collect::<Option<_>>()?;
    if cells.iter().all(|cell| matches!(cell, Cell::Now)) {
        return Some(Column::Now);
    }
    let binds = cells.into_iter().map(|cell| match cell {
        Cell::Value(bind) => Some(bind),
        Cell::Default | Cell::Now => None,
    });
    let binds: Vec<&Bind> = binds.collect::<Option<_>>()?;
    let ty = binds.first()?.ty();
    let bind = match ty {
        ColumnType::Array(_) => return None,
        ColumnType::Json | ColumnType::Jsonb => Bind::JsonList {
            items: binds.into_iter().map(json).collect::<Option<_>>()?,
            ty,
        },
        ty => Bind::Typed {
            value: Value::List(binds.into_iter().map(value).collect::<Option<_>>()?),
            ty,
        },
    };
    Some(Column::Array(bind, ty))
}

fn json(bind: &Bind) -> Option<Option<Box<RawValue>>> {
    match bind {
        Bind::Json { text, .. } => Some(Some(text.clone())),
        Bind::Typed {
            value: Value::Null, ..
        } => Some(None),
        Bind::Typed { .. } | Bind::JsonList { .. } => None,
    }
}

fn value(bind: &Bind) -> Option<Value> {
    match bind {
        Bind::Typed { value, .. } => Some(value.clone()),
        Bind::Json { .. } | Bind::JsonList { .. } => None,
    }
}
