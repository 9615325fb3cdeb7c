//! The language that policies are written in, as it is printed.

use super::{Dialect, plain_text, quoted};
use crate::expr::{Claim, JsonRead};
use crate::parse::{self, Syntax};
use crate::types::ColumnType;
use crate::value::Value;

/// The language that policies are written in.
pub(super) struct Policy<'a> {
    pub(super) table: &'a str,
}

impl Dialect for Policy<'_> {
    fn column(&self, name: &str, level: usize, inside: usize) -> String {
        match (level, inside) {
            (0, 0) => plain_name(name),
            // The subquery's table may have such a column too.
            (0, _) => format!("{}.{}", plain_name(self.table), plain_name(name)),
            (level, _) => format!("inner_{level}.{}", plain_name(name)),
        }
    }

    fn old(&self, name: &str) -> String {
        format!("old.{}", plain_name(name))
    }

    fn table(&self, name: &str) -> String {
        plain_name(name)
    }

    fn constant(&self, value: &Value, ty: ColumnType) -> String {
        match (value, plain_text(value)) {
            (_, None) => match ty {
                ColumnType::Boolean => "null".to_owned(),
                ty => format!("null::{ty}"),
            },
            (Value::Boolean(_), Some(text)) => text,
            (Value::Integer(_), Some(text)) if ty == ColumnType::Bigint => text,
            (Value::Text(_), Some(text)) => quoted(&text),
            (_, Some(text)) => format!("{}::{}", quoted(&text), ty),
        }
    }

    fn claim(&self, claim: &Claim, ty: ColumnType) -> String {
        let (path, read) = match claim {
            Claim::Uid => return "auth.uid()".to_owned(),
            Claim::Role => return "auth.role()".to_owned(),
            Claim::Jwt { path, read } => (path, *read),
        };
        let mut text = "auth.jwt()".to_owned();
        for (index, key) in path.iter().enumerate() {
            let last = index + 1 == path.len();
            let arrow = match read {
                JsonRead::Text if last => "->>",
                JsonRead::Json | JsonRead::Text => "->",
            };
            text = format!("{text} {arrow} {}", quoted(key));
        }
        match (read, ty) {
            (JsonRead::Text, ColumnType::Text) | (JsonRead::Json, ColumnType::Jsonb) => {
                format!("({text})")
            }
            (_, ty) => format!("({text})::{ty}"),
        }
    }

    fn in_claim(&self, item: &str, claim: &Claim, _: ColumnType) -> String {
        let claim = self.claim(claim, ColumnType::Jsonb);
        format!("{item} in (select {claim})")
    }
}

/// A name, quoted where it would read as something else.
fn plain_name(name: &str) -> String {
    let reads_back = parse::parse(name).is_ok_and(
        |read| matches!(&read.syntax, Syntax::Column { table: None, name: found } if found == name),
    );
    if reads_back {
        name.to_owned()
    } else {
        crate::sql::quote_ident(name)
    }
}
