//! The rows of a CSV file for `koyalite tables seed`: each field as the JSON that its column takes.
//!
//! Pure. The table's columns say how a field is read; whether a value fits is for the server.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::csv::{self, Field, Record};

/// A table, as much of it as rows need.
#[derive(Debug, Deserialize)]
pub(super) struct Table {
    columns: Vec<Column>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    nullable: bool,
}

/// All rows, under the names of the file's first line.
pub(super) fn rows(text: &str, table: &Table) -> anyhow::Result<Vec<Box<RawValue>>> {
    let records = csv::read(text)?;
    let (header, records) = records
        .split_first()
        .context("the file is empty; its first line names the columns")?;
    let columns = columns(header, table)?;
    records.iter().map(|record| row(record, &columns)).collect()
}

fn columns<'a>(header: &Record, table: &'a Table) -> anyhow::Result<Vec<&'a Column>> {
    let mut columns: Vec<&Column> = Vec::new();
    for field in &header.fields {
        let name = field.text.trim();
        let Some(column) = table.columns.iter().find(|column| column.name == name) else {
            let known: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
            bail!(
                "line {}: the table has no column {name:?}, but {}",
                header.line,
                known.join(", ")
            );
        };
        let twice = columns.iter().any(|earlier| earlier.name == column.name);
        ensure!(!twice, "line {}: a second column {name}", header.line);
        columns.push(column);
    }
    Ok(columns)
}

fn row(record: &Record, columns: &[&Column]) -> anyhow::Result<Box<RawValue>> {
    let (line, found) = (record.line, record.fields.len());
    ensure!(
        found == columns.len(),
        "line {line}: the first line names {} columns, and here are {found} fields",
        columns.len()
    );
    let mut row = BTreeMap::new();
    for (field, column) in record.fields.iter().zip(columns) {
        let value =
            value(field, column).with_context(|| format!("line {line}, column {}", column.name))?;
        row.insert(column.name.as_str(), value);
    }
    Ok(to_raw_value(&row)?)
}

fn value(field: &Field, column: &Column) -> anyhow::Result<Box<RawValue>> {
    let text = field.text.as_str();
    if text.is_empty() && !field.quoted && column.nullable {
        return Ok(RawValue::NULL.to_owned());
    }
    let kind = column.kind.as_str();
    if kind == "boolean" {
        return match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" => Ok(RawValue::TRUE.to_owned()),
            "false" | "f" => Ok(RawValue::FALSE.to_owned()),
            _ => bail!("write true or false"),
        };
    }
    let is_list = kind.ends_with("[]") || kind.starts_with("vector(");
    if is_list || matches!(kind, "json" | "jsonb") {
        let json = RawValue::from_string(text.trim().to_owned());
        return json.with_context(|| format!("{kind} is written as JSON"));
    }
    // Numbers too: the server reads them from text, with all their digits.
    Ok(to_raw_value(text)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Table {
        let columns = json!({ "columns": [
            { "name": "id", "type": "bigint" },
            { "name": "title", "type": "text" },
            { "name": "note", "type": "text", "nullable": true },
            { "name": "done", "type": "boolean", "nullable": true },
            { "name": "tags", "type": "text[]", "nullable": true },
        ]});
        serde_json::from_value(columns).unwrap()
    }

    fn check(text: &str, expected: Result<&[&str], &str>) {
        match (rows(text, &table()), expected) {
            (Ok(rows), Ok(expected)) => {
                let rows: Vec<&str> = rows.iter().map(|row| row.get()).collect();
                assert_eq!(rows, expected, "{text:?}");
            }
            (Err(error), Err(said)) => {
                let error = format!("{error:#}");
                assert!(error.contains(said), "{text:?}: {error}");
            }
            (rows, _) => panic!("{text:?}: {rows:?}"),
        }
    }

    #[test]
    fn a_field_becomes_what_its_column_takes() {
        check(
            "title, id\n\"a \"\"b\"\"\",9007199254740993\n",
            Ok(&[r#"{"id":"9007199254740993","title":"a \"b\""}"#]),
        );
        check(
            "done,tags\nTRUE,\"[\"\"a\"\", null]\"\nf,[]\n",
            Ok(&[
                r#"{"done":true,"tags":["a", null]}"#,
                r#"{"done":false,"tags":[]}"#,
            ]),
        );
        check("id\n", Ok(&[]));
    }

    #[test]
    fn an_empty_field_is_null_where_that_may_be_and_quotes_keep_it_a_text() {
        check(
            "title,note,done\n,,\n\"\",\"\",\n",
            Ok(&[
                r#"{"done":null,"note":null,"title":""}"#,
                r#"{"done":null,"note":"","title":""}"#,
            ]),
        );
    }

    #[test]
    fn mistakes_are_told_with_line_and_column() {
        check("", Err("the file is empty"));
        check("id,colour\n", Err("no column \"colour\", but id, title"));
        check("id,id\n", Err("a second column id"));
        check("id,title\n1,a\n2\n", Err("line 3: the first line names 2"));
        check(
            "done\nyes\n",
            Err("line 2, column done: write true or false"),
        );
        check(
            "done,tags\n,{a}\n",
            Err("line 2, column tags: text[] is written as JSON"),
        );
    }
}
