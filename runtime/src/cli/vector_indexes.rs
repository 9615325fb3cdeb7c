//! `koyalite vector-indexes`: what rows are found by that are near.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::table;
use super::pages::{self, Items};

/// List, create, change or delete.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite vector-indexes\n  \
                  koyalite vector-indexes create documents embedding\n  \
                  koyalite vector-indexes create documents embedding --metric l2 --name near\n  \
                  koyalite vector-indexes change near --metric cosine\n  \
                  koyalite vector-indexes delete near"
)]
pub(super) struct VectorIndexesArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make one on a column of type vector(n)
    Create(CreateArgs),
    /// Give one another name or metric
    Change(ChangeArgs),
    /// Delete one; the rows stay
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The table whose rows are searched
    table: String,
    /// Its column of type vector(n)
    column: String,
    /// How far apart two vectors are
    #[arg(long, default_value = "cosine")]
    metric: Metric,
    /// What it is called; left out: table_column
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct ChangeArgs {
    /// What it is called
    index: String,
    /// Another metric
    #[arg(long, required_unless_present = "name")]
    metric: Option<Metric>,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// What it is called
    index: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Metric {
    /// One less the cosine of the angle
    Cosine,
    /// The straight line
    L2,
    /// The negative inner product
    InnerProduct,
}

impl Metric {
    fn word(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::InnerProduct => "inner_product",
        }
    }
}

#[derive(Deserialize)]
struct Index {
    name: String,
    table: String,
    embedding_column: String,
    dimension: u16,
    metric: String,
    state: String,
    detail: Option<String>,
}

impl VectorIndexesArgs {
    /// Does what was asked.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            None => list(&self.server).await,
            Some(Action::Create(args)) => create(args).await,
            Some(Action::Change(args)) => change(args).await,
            Some(Action::Delete(args)) => {
                let path = args.server.path(["vector-indexes", &args.index]);
                let client = args.server.client()?;
                client.send(Method::DELETE, &path, &json!({})).await?;
                args.server.output().line("deleted")
            }
        }
    }
}

async fn list(server: &ControlArgs) -> Result<(), CliError> {
    let path = server.path(["vector-indexes"]);
    let answer = pages::all(&server.client()?, &path, &[]).await?;
    server.output().show(answer, |indexes: Items<Index>| {
        let rows = indexes.items.into_iter().map(|index| {
            let on = format!("{}.{}", index.table, index.embedding_column);
            let dimension = index.dimension.to_string();
            [index.name, on, dimension, index.metric, index.state]
        });
        let header = ["NAME", "ON", "DIMENSION", "METRIC", "STATE"];
        table(header, rows.collect(), "no vector indexes")
    })
}

async fn create(args: CreateArgs) -> Result<(), CliError> {
    let wanted = json!({
        "table": args.table,
        "embedding_column": args.column,
        "metric": args.metric.word(),
        "name": args.name,
    });
    let path = args.server.path(["vector-indexes"]);
    let client = args.server.client()?;
    let answer = client.send(Method::POST, &path, &wanted).await?;
    args.server.output().show(answer, said)
}

async fn change(args: ChangeArgs) -> Result<(), CliError> {
    let mut wanted = serde_json::Map::new();
    if let Some(metric) = args.metric {
        wanted.insert("metric".to_owned(), metric.word().into());
    }
    if let Some(name) = args.name {
        wanted.insert("name".to_owned(), name.into());
    }
    let path = args.server.path(["vector-indexes", &args.index]);
    let client = args.server.client()?;
    let answer = client.send(Method::PATCH, &path, &wanted).await?;
    args.server.output().show(answer, said)
}

fn said(index: Index) -> String {
    let line = format!(
        "{} finds rows of {} by {} ({}): {}",
        index.name, index.table, index.embedding_column, index.metric, index.state
    );
    match index.detail {
        Some(detail) => format!("{line}; {detail}"),
        None => line,
    }
}
