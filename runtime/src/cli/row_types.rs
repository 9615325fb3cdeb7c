//! Row types for a project's tables, as source text: what `koyalite tables types` prints.
//!
//! Pure. A type is what a row is in JSON, which is how rows reach a function. Where a
//! language reads a value less exactly than it is written, or in two ways, the line says so.

use std::fmt::Write as _;

/// A table, as much of it as a type needs.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
}

/// A column.
pub(super) struct Column {
    pub(super) name: String,
    /// As the control API writes it: `bigint`, `text[]`, `enum(open, done)`.
    pub(super) ty: String,
    pub(super) nullable: bool,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Language {
    /// Structs for serde
    Rust,
    /// Interfaces
    Typescript,
}

/// A file with a type for every table.
pub(super) fn write(language: Language, tables: &[Table]) -> String {
    let mut text = String::from("// Made by `koyalite tables types`; changes will be lost.\n");
    if language == Language::Rust {
        text.push_str("\nuse serde::{Deserialize, Serialize};\n");
    }
    for table in tables {
        text.push('\n');
        match language {
            Language::Rust => rust(table, &mut text),
            Language::Typescript => typescript(table, &mut text),
        }
    }
    text
}

fn rust(table: &Table, text: &mut String) {
    let name = type_name(&table.name);
    let _ = writeln!(text, "/// A row of the table `{}`.", table.name);
    text.push_str("#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]\n");
    let _ = writeln!(text, "pub struct {name} {{");
    for column in &table.columns {
        let ty = rust_type(&column.ty);
        let ty = match column.nullable {
            true => format!("Option<{ty}>"),
            false => ty,
        };
        let note = enum_values(&column.ty).map(|values| format!("One of {}.", values.join(", ")));
        if let Some(note) = note {
            let _ = writeln!(text, "    /// {note}");
        }
        // A raw identifier is read and written by serde without its prefix. These few cannot be one.
        match column.name.as_str() {
            name @ ("self" | "super" | "crate") => {
                let _ = writeln!(
                    text,
                    "    #[serde(rename = \"{name}\")]\n    pub {name}_: {ty},"
                );
            }
            name if RUST_WORDS.contains(&name) => {
                let _ = writeln!(text, "    pub r#{name}: {ty},");
            }
            name => {
                let _ = writeln!(text, "    pub {name}: {ty},");
            }
        }
    }
    text.push_str("}\n");
}

fn typescript(table: &Table, text: &mut String) {
    let name = type_name(&table.name);
    let _ = writeln!(text, "/** A row of the table `{}`. */", table.name);
    let _ = writeln!(text, "export interface {name} {{");
    for column in &table.columns {
        let ty = typescript_type(&column.ty);
        let ty = match column.nullable {
            true => format!("{ty} | null"),
            false => ty,
        };
        let note = match column.ty.trim_end_matches("[]") {
            "bigint" => " // a string beyond 2^53",
            "numeric" => " // read with the digits of a double",
            _ => "",
        };
        let _ = writeln!(text, "  {}: {ty};{note}", column.name);
    }
    text.push_str("}\n");
}

/// `todo_items` as `TodoItems`. A name that would begin with a digit gets a letter in front.
fn type_name(table: &str) -> String {
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars
            .next()
            .map(|first| first.to_uppercase().collect::<String>() + chars.as_str())
    };
    let name: String = table.split('_').filter_map(capital).collect();
    match name.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => name,
        _ => format!("T{name}"),
    }
}

fn rust_type(ty: &str) -> String {
    if let Some(item) = ty.strip_suffix("[]") {
        // An array may hold NULL, whatever its column says.
        return format!("Vec<Option<{}>>", rust_type(item));
    }
    let name = match ty {
        "boolean" => "bool",
        "smallint" => "i16",
        "integer" => "i32",
        // A text beyond 2^53, which JavaScript would round; the SDK's type reads both.
        "bigint" => "koyalite::tables::Int8",
        "real" => "f32",
        "double precision" => "f64",
        // A number in JSON, with all its digits; serde_json keeps those in text.
        "numeric" => "serde_json::Number",
        "json" | "jsonb" => "serde_json::Value",
        vector if vector.starts_with("vector(") => "Vec<f32>",
        _ => "String",
    };
    name.to_owned()
}

fn typescript_type(ty: &str) -> String {
    if let Some(item) = ty.strip_suffix("[]") {
        return format!("({} | null)[]", typescript_type(item));
    }
    if let Some(values) = enum_values(ty) {
        let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
        return quoted.join(" | ");
    }
    let name = match ty {
        "boolean" => "boolean",
        "bigint" => "number | string",
        "smallint" | "integer" | "real" | "double precision" | "numeric" => "number",
        "json" | "jsonb" => "unknown",
        vector if vector.starts_with("vector(") => "number[]",
        _ => "string",
    };
    name.to_owned()
}

fn enum_values(ty: &str) -> Option<Vec<&str>> {
    let list = ty.strip_prefix("enum(")?.strip_suffix(')')?;
    Some(list.split(',').map(str::trim).collect())
}

/// Words of Rust that a column may be called.
const RUST_WORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, columns: &[(&str, &str, bool)]) -> Table {
        let column = |&(name, ty, nullable): &(&str, &str, bool)| Column {
            name: name.to_owned(),
            ty: ty.to_owned(),
            nullable,
        };
        Table {
            name: name.to_owned(),
            columns: columns.iter().map(column).collect(),
        }
    }

    fn todo_items() -> Table {
        table(
            "todo_items",
            &[
                ("id", "uuid", false),
                ("type", "enum(open, in progress)", false),
                ("rank", "bigint", true),
                ("tags", "text[]", false),
                ("near", "vector(3)", true),
                ("price", "numeric", false),
                ("extra", "jsonb", false),
            ],
        )
    }

    #[test]
    fn rust_rows_are_structs_for_serde() {
        let text = write(Language::Rust, &[todo_items()]);
        let body = text.split_once("pub struct").unwrap().1;
        assert_eq!(
            body,
            " TodoItems {\n    pub id: String,\n    /// One of open, in progress.\n    \
             pub r#type: String,\n    pub rank: Option<koyalite::tables::Int8>,\n    pub tags: Vec<Option<String>>,\n    \
             pub near: Option<Vec<f32>>,\n    pub price: serde_json::Number,\n    \
             pub extra: serde_json::Value,\n}\n"
        );
    }

    #[test]
    fn typescript_rows_are_interfaces() {
        let text = write(Language::Typescript, &[todo_items()]);
        let body = text.split_once("export interface").unwrap().1;
        assert_eq!(
            body,
            " TodoItems {\n  id: string;\n  type: \"open\" | \"in progress\";\n  \
             rank: number | string | null; // a string beyond 2^53\n  tags: (string | null)[];\n  \
             near: number[] | null;\n  price: number; // read with the digits of a double\n  extra: unknown;\n}\n"
        );
    }

    #[test]
    fn odd_names_become_names() {
        for (given, name) in [("a", "A"), ("_", "T"), ("_1st", "T1st"), ("a__b", "AB")] {
            assert_eq!(type_name(given), name);
        }
        let text = write(Language::Rust, &[table("t", &[("self", "text", false)])]);
        assert!(
            text.contains("#[serde(rename = \"self\")]\n    pub self_: String"),
            "{text}"
        );
    }
}
