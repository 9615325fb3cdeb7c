//! `koyalite tables`: the project's tables and their columns.

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::table;

/// All tables, or the columns of one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite tables\n  koyalite tables todos")]
pub(super) struct TablesArgs {
    /// Show the columns of this table
    table: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Tables {
    items: Vec<TableShape>,
}

#[derive(Deserialize)]
struct TableShape {
    name: String,
    columns: Vec<Column>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    nullable: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    primary_key: bool,
    default: Option<Value>,
    references: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    table: String,
    column: String,
}

impl TablesArgs {
    /// Lists tables or columns.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.server.client()?;
        match &self.table {
            None => {
                let answer = client.get(&self.server.path(["tables"])).await?;
                self.server.output().show(answer, show_tables)
            }
            Some(name) => {
                let answer = client.get(&self.server.path(["tables", name])).await?;
                self.server.output().show(answer, show_columns)
            }
        }
    }
}

fn show_tables(tables: Tables) -> String {
    let rows = tables.items.into_iter().map(|shape| {
        let names: Vec<String> = shape
            .columns
            .into_iter()
            .map(|column| column.name)
            .collect();
        [shape.name, names.join(", ")]
    });
    table(
        ["TABLE", "COLUMNS"],
        rows.collect(),
        "no tables yet; put a schema.json beside koyalite.toml",
    )
}

fn show_columns(shape: TableShape) -> String {
    let rows = shape.columns.into_iter().map(|column| {
        let notes = column.notes();
        [column.name, column.kind, notes]
    });
    table(["COLUMN", "TYPE", "NOTES"], rows.collect(), "no columns")
}

impl Column {
    fn notes(&self) -> String {
        let mut notes = Vec::new();
        if self.primary_key {
            notes.push("primary key".to_owned());
        }
        if !self.nullable && !self.primary_key {
            notes.push("not null".to_owned());
        }
        if self.unique && !self.primary_key {
            notes.push("unique".to_owned());
        }
        match &self.default {
            Some(Value::String(text)) => notes.push(format!("default {text}")),
            Some(value) if !value.is_null() => notes.push(format!("default {value}")),
            Some(_) | None => {}
        }
        if let Some(Reference { table, column }) = &self.references {
            notes.push(format!("references {table}.{column}"));
        }
        notes.join(", ")
    }
}
