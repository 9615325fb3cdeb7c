//! `koyalite tables`: the project's tables and their columns, types for their rows, rows from a
//! file, and the end of a table. Tables are made from a `schema.json`: `tables_migrate`.

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::ControlArgs;
use super::error::CliError;
use super::output::{table, typed};
use super::row_types::{self, Language};
use super::tables_import::ImportArgs;
use super::tables_migrate::{ApplyArgs, HistoryArgs, PlanArgs};
use super::tables_policy_readable::PolicyReadableArgs;
use super::tables_seed::SeedArgs;

/// All tables, or the columns of one.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite tables\n  koyalite tables todos\n  \
                  koyalite tables types --lang rust > src/rows.rs\n  \
                  koyalite tables plan schema.json --prune\n  \
                  koyalite tables apply schema.json\n  koyalite tables seed todos rows.csv\n  \
                  koyalite tables policy-readable members on\n  \
                  koyalite tables drop todos --lose-data\n  \
                  koyalite tables drop todos --index todos_owner_id_idx"
)]
pub(super) struct TablesArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the tables, or the columns of one; the same as no word at all
    Show(ShowArgs),
    /// Print types for the rows of all tables
    Types(TypesArgs),
    /// Show what applying a schema.json would do; change nothing
    Plan(PlanArgs),
    /// Make the tables and policies what a schema.json says
    Apply(ApplyArgs),
    /// Show what was applied, by whom and when
    History(HistoryArgs),
    /// Make a schema.json of the tables and policies of another Postgres
    Import(ImportArgs),
    /// Write the rows of a file into a table, past its policies
    Seed(SeedArgs),
    /// Let policies read a table past its own policies, or no longer
    PolicyReadable(PolicyReadableArgs),
    /// Drop a table, a column written as table.column, or an index of a table
    Drop(DropArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Show the columns of this table
    table: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct TypesArgs {
    /// The language
    #[arg(long)]
    lang: Language,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct DropArgs {
    /// The table, or table.column
    what: String,
    /// Drop this index of the table, and nothing else
    #[arg(long, value_name = "NAME", conflicts_with = "lose_data")]
    index: Option<String>,
    /// Even where rows or values go with it
    #[arg(long)]
    lose_data: bool,
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
    #[serde(default)]
    indexes: Vec<Index>,
}

#[derive(Deserialize)]
struct Index {
    name: String,
    columns: Vec<String>,
    #[serde(default)]
    unique: bool,
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
    /// Lists, writes types, or drops.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            None => self.show.run().await,
            Some(Action::Show(args)) => args.run().await,
            Some(Action::Types(args)) => args.run().await,
            Some(Action::Plan(args)) => args.run().await,
            Some(Action::Apply(args)) => args.run().await,
            Some(Action::History(args)) => args.run().await,
            Some(Action::Import(args)) => args.run().await,
            Some(Action::Seed(args)) => args.run().await,
            Some(Action::PolicyReadable(args)) => args.run().await,
            Some(Action::Drop(args)) => args.run().await,
        }
    }
}

impl TypesArgs {
    async fn run(self) -> Result<(), CliError> {
        let client = self.server.client()?;
        let answer = client.list(&self.server.path(["tables"])).await?;
        // Source text whatever `--json` says: there is no other answer.
        let tables: Tables = typed(answer)?;
        let tables: Vec<_> = tables.items.into_iter().map(TableShape::row).collect();
        let text = row_types::write(self.lang, &tables);
        self.server.output().raw(text.as_bytes())
    }
}

impl DropArgs {
    async fn run(self) -> Result<(), CliError> {
        let mut path = match (&self.index, self.what.split_once('.')) {
            (Some(index), _) => self.server.path(["tables", &self.what, "indexes", index]),
            (None, Some((table, column))) => self.server.path(["tables", table, "columns", column]),
            (None, None) => self.server.path(["tables", &self.what]),
        };
        if self.lose_data {
            path.push_str("?lose_data=true");
        }
        let client = self.server.client()?;
        client.send(Method::DELETE, &path, &json!({})).await?;
        let what = self.index.as_ref().unwrap_or(&self.what);
        self.server.output().line(&format!("dropped {what}"))
    }
}

impl TableShape {
    fn row(self) -> row_types::Table {
        let column = |column: Column| row_types::Column {
            name: column.name,
            ty: column.kind,
            nullable: column.nullable,
        };
        row_types::Table {
            name: self.name,
            columns: self.columns.into_iter().map(column).collect(),
        }
    }
}

impl ShowArgs {
    async fn run(self) -> Result<(), CliError> {
        let client = self.server.client()?;
        match &self.table {
            None => {
                let answer = client.list(&self.server.path(["tables"])).await?;
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
    let columns = table(["COLUMN", "TYPE", "NOTES"], rows.collect(), "no columns");
    if shape.indexes.is_empty() {
        return columns;
    }
    let rows = shape.indexes.into_iter().map(|index| {
        let notes = match index.unique {
            true => "unique",
            false => "",
        };
        [index.name, index.columns.join(", "), notes.to_owned()]
    });
    let indexes = table(["INDEX", "COLUMNS", "NOTES"], rows.collect(), "no indexes");
    format!("{columns}\n\n{indexes}")
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
