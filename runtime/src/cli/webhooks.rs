//! `koyalite webhooks`: endpoints, what was delivered to them, and delivering it again.

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::args::{ControlArgs, encode};
use super::error::CliError;
use super::output::{or_dash, table};
use super::webhooks_list::{Endpoint, ListArgs};

/// Endpoints and deliveries.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite webhooks\n  koyalite webhooks --status failing\n  \
        koyalite webhooks create https://example.com/hooks --on order.paid\n  \
        koyalite webhooks create https://example.com/hooks --on table.todos.* --columns todos=id,title\n  \
        koyalite webhooks deliveries --status dead\n  \
        koyalite webhooks replay --status dead --from 2026-01-01T00:00:00Z"
)]
pub(super) struct WebhooksArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Subscribe a URL to events; prints what its receiver verifies with, this once
    Create(CreateArgs),
    /// Change an endpoint
    Change(ChangeArgs),
    /// Delete an endpoint with its deliveries
    Delete(EndpointArgs),
    /// Make a new secret; the one so far signs beside it for a day
    RotateSecret(EndpointArgs),
    /// List deliveries, the latest first
    Deliveries(DeliveriesArgs),
    /// Show one delivery with what was sent and what came back
    Show(ShowArgs),
    /// Deliver again, with the same webhook-id
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Where deliveries go
    url: String,
    /// An event type, `something.*`, or `*`; once for each
    #[arg(long = "on", value_name = "TYPE", required = true)]
    event_types: Vec<String>,
    /// Columns that events of a table carry, as table=a,b; once for each table
    #[arg(long, value_name = "TABLE=COLUMNS", value_parser = columns)]
    columns: Vec<(String, Vec<String>)>,
    /// For people
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// hmac-sha256 or ed25519
    #[arg(long, default_value = "hmac-sha256")]
    signature: String,
    /// One delivery after the other
    #[arg(long)]
    ordered: bool,
    /// Where in a payload it stands what a delivery is about, as in order.id: one after the other for each
    #[arg(long, value_name = "PATH")]
    order_key: Option<String>,
    /// So many deliveries a minute at most
    #[arg(long, value_name = "COUNT")]
    rate: Option<i32>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct ChangeArgs {
    /// The endpoint's id
    id: String,
    /// Where deliveries go
    #[arg(long)]
    url: Option<String>,
    /// Event types, in place of those so far
    #[arg(long = "on", value_name = "TYPE")]
    event_types: Vec<String>,
    /// Columns that events of tables carry, in place of those so far
    #[arg(long, value_name = "TABLE=COLUMNS", value_parser = columns)]
    columns: Vec<(String, Vec<String>)>,
    /// Deliver again
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Deliver nothing
    #[arg(long)]
    disable: bool,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct EndpointArgs {
    /// The endpoint's id
    id: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct Filter {
    /// pending, sending, delivered or dead
    #[arg(long)]
    status: Option<String>,
    /// To this endpoint
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    /// Of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Emitted at this time or later, as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Emitted before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
}

#[derive(Debug, Args)]
struct DeliveriesArgs {
    #[command(flatten)]
    filter: Filter,
    /// How many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The delivery's id
    id: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// These deliveries; without any, all that the filter means
    ids: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Deliveries {
    items: Vec<Delivery>,
}

#[derive(Deserialize)]
struct Delivery {
    id: String,
    event_type: String,
    target_url: String,
    status: String,
    attempt_count: i32,
    last_attempt_at: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Replayed {
    replayed: u64,
}

impl WebhooksArgs {
    /// Does what the arguments say.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.what {
            None => self.list.run().await,
            Some(What::Create(args)) => create(args).await,
            Some(What::Change(args)) => change(args).await,
            Some(What::Delete(args)) => {
                let path = args.server.path(["webhooks", "endpoints", &args.id]);
                args.server
                    .client()?
                    .send(Method::DELETE, &path, &json!({}))
                    .await?;
                args.server.output().line("deleted")
            }
            Some(What::RotateSecret(args)) => {
                let server = &args.server;
                let path = server.path(["webhooks", "endpoints", &args.id, "rotate-secret"]);
                let answer = server
                    .client()?
                    .send(Method::POST, &path, &json!({}))
                    .await?;
                server.output().show(answer, revealed)
            }
            Some(What::Deliveries(args)) => deliveries(args).await,
            Some(What::Show(args)) => {
                let path = args.server.path(["webhooks", "deliveries", &args.id]);
                let answer = args.server.client()?.get(&path).await?;
                args.server.output().line(&format!("{answer:#}"))
            }
            Some(What::Replay(args)) => replay(args).await,
        }
    }
}

async fn create(args: CreateArgs) -> Result<(), CliError> {
    let columns: Map<String, Value> = pairs(args.columns);
    let body = json!({
        "target_url": args.url,
        "description": args.description,
        "event_types": args.event_types,
        "columns": columns,
        "signature": args.signature,
        "ordered": args.ordered,
        "order_key": args.order_key,
        "rate_per_minute": args.rate,
    });
    let path = args.server.path(["webhooks", "endpoints"]);
    let answer = args
        .server
        .client()?
        .send(Method::POST, &path, &body)
        .await?;
    args.server.output().show(answer, revealed)
}

fn revealed(endpoint: Endpoint) -> String {
    let secret = endpoint.secret.unwrap_or_default();
    format!(
        "{} → {}\n{secret}\nreceivers verify with this; it is not shown again",
        endpoint.id, endpoint.target_url
    )
}

async fn change(args: ChangeArgs) -> Result<(), CliError> {
    let mut body = Map::new();
    if let Some(url) = args.url {
        body.insert("target_url".to_owned(), url.into());
    }
    if !args.event_types.is_empty() {
        body.insert("event_types".to_owned(), args.event_types.into());
    }
    if !args.columns.is_empty() {
        body.insert("columns".to_owned(), pairs(args.columns).into());
    }
    if args.enable || args.disable {
        body.insert("enabled".to_owned(), args.enable.into());
    }
    let path = args.server.path(["webhooks", "endpoints", &args.id]);
    let answer = args
        .server
        .client()?
        .send(Method::PATCH, &path, &body)
        .await?;
    args.server.output().show(answer, |endpoint: Endpoint| {
        format!(
            "{} → {} ({})",
            endpoint.id,
            endpoint.target_url,
            endpoint.state()
        )
    })
}

async fn deliveries(args: DeliveriesArgs) -> Result<(), CliError> {
    let mut path = args.server.path(["webhooks", "deliveries"]);
    path.push_str(&format!("?limit={}", args.limit));
    for (name, value) in args.filter.said() {
        path.push_str(&format!("&{name}={}", encode(&value)));
    }
    let answer = args.server.client()?.get(&path).await?;
    args.server.output().show(answer, |deliveries: Deliveries| {
        let rows = deliveries.items.into_iter().map(|one| {
            [
                one.id,
                one.event_type,
                one.target_url,
                one.status,
                one.attempt_count.to_string(),
                or_dash(one.last_attempt_at),
                one.reason.unwrap_or_default(),
            ]
        });
        table(
            [
                "DELIVERY", "TYPE", "TARGET", "STATUS", "ATTEMPTS", "LAST", "REASON",
            ],
            rows.collect(),
            "no such deliveries",
        )
    })
}

async fn replay(args: ReplayArgs) -> Result<(), CliError> {
    let mut body: Map<String, Value> = args
        .filter
        .said()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    if !args.ids.is_empty() {
        body.insert("ids".to_owned(), args.ids.into());
    }
    let path = args.server.path(["webhooks", "deliveries", "replay"]);
    let answer = args
        .server
        .client()?
        .send(Method::POST, &path, &body)
        .await?;
    args.server.output().show(answer, |done: Replayed| {
        format!("{} delivered again", done.replayed)
    })
}

impl Filter {
    /// What was given, by its name in the API.
    fn said(self) -> impl Iterator<Item = (&'static str, String)> {
        let fields = [
            ("status", self.status),
            ("endpoint", self.endpoint),
            ("event_type", self.event_type),
            ("from", self.from),
            ("to", self.to),
        ];
        let given = fields.into_iter();
        given.filter_map(|(name, value)| Some((name, value?)))
    }
}

fn pairs(columns: Vec<(String, Vec<String>)>) -> Map<String, Value> {
    let pairs = columns.into_iter();
    pairs
        .map(|(table, columns)| (table, columns.into()))
        .collect()
}

fn columns(text: &str) -> Result<(String, Vec<String>), String> {
    let (table, columns) = text
        .split_once('=')
        .ok_or("write table=column,column".to_owned())?;
    let columns = columns.split(',').map(|column| column.trim().to_owned());
    Ok((table.to_owned(), columns.collect()))
}
