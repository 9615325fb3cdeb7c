//! `koyalite email` and `koyalite mailbox`: what was sent, by whom, and what `dev` kept in place of that.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, json};

use super::args::{ControlArgs, encode};
use super::email_senders::{BounceArgs, ReturnPathArgs, SignArgs};
use super::error::CliError;
use super::output::{or_dash, table};

/// The log of mail, senders, templates and suppressions.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite email\n  koyalite email add-sender shop@example.com --name 'The shop'\n  \
        koyalite email put-template order-sent --subject 'Order {{order}}' --html order.html\n  \
        koyalite email unsuppress ann@example.com"
)]
pub(super) struct EmailArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Args)]
struct LogArgs {
    /// queued, sending, sent, deferred, bounced, suppressed or failed
    #[arg(long)]
    status: Option<String>,
    /// To this address
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the addresses that the project sends from
    Senders(ListArgs),
    /// Add one
    AddSender(SenderArgs),
    /// Sign the mail of an address (DKIM)
    Sign(SignArgs),
    /// Have bounces of an address go to another one
    ReturnPath(ReturnPathArgs),
    /// Hand in a bounce that came as a message
    Bounce(BounceArgs),
    /// List templates
    Templates(ListArgs),
    /// Make or replace a template
    PutTemplate(TemplateArgs),
    /// List addresses that take no mail
    Suppressions(ListArgs),
    /// Let an address have mail again
    Unsuppress(NamedArgs),
    /// Send a message again that failed or waits
    Resend(NamedArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct NamedArgs {
    /// The address, or the message's id
    what: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct SenderArgs {
    /// The address
    address: String,
    /// The name that recipients see beside it
    #[arg(long, default_value = "")]
    name: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct TemplateArgs {
    /// Its name
    name: String,
    /// One line; {{name}} stands for a value
    #[arg(long)]
    subject: String,
    /// A file with the text
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// A file with the HTML
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    server: ControlArgs,
}

/// The messages that `dev` kept, or one of them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite mailbox\n  koyalite mailbox 01a2…")]
pub(super) struct MailboxArgs {
    /// A message's id
    id: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Messages {
    items: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    to: String,
    sender: String,
    subject: String,
    status: String,
    created_at: String,
    reason: Option<String>,
    text: Option<String>,
    html: Option<String>,
}

#[derive(Deserialize)]
struct Addresses {
    items: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    address: String,
    #[serde(alias = "reason")]
    name: String,
    created_at: String,
}

#[derive(Deserialize)]
struct Templates {
    items: Vec<Template>,
}

#[derive(Deserialize)]
struct Template {
    name: String,
    subject: String,
    updated_at: String,
}

impl EmailArgs {
    /// Does what the arguments say.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.what {
            None => log(self.log).await,
            Some(What::Senders(args)) => addresses(&args.server, "senders", "NAME").await,
            Some(What::Suppressions(args)) => {
                addresses(&args.server, "suppressions", "REASON").await
            }
            Some(What::Templates(args)) => templates(&args.server).await,
            Some(What::AddSender(args)) => {
                let path = args.server.path(["email", "senders"]);
                let body = json!({ "address": args.address, "name": args.name });
                let client = args.server.client()?;
                let answer = client.send(Method::POST, &path, &body).await?;
                let said = |sender: Address| format!("added {}", sender.address);
                args.server.output().show(answer, said)
            }
            Some(What::Sign(args)) => args.run().await,
            Some(What::ReturnPath(args)) => args.run().await,
            Some(What::Bounce(args)) => args.run().await,
            Some(What::PutTemplate(args)) => put_template(args).await,
            Some(What::Unsuppress(args)) => {
                let path = args.server.path(["email", "suppressions", &args.what]);
                let client = args.server.client()?;
                client.send(Method::DELETE, &path, &json!({})).await?;
                args.server.output().line("it takes mail again")
            }
            Some(What::Resend(args)) => {
                let path = args
                    .server
                    .path(["email", "messages", &args.what, "resend"]);
                let client = args.server.client()?;
                client.send(Method::POST, &path, &json!({})).await?;
                args.server.output().line("queued again")
            }
        }
    }
}

async fn log(args: LogArgs) -> Result<(), CliError> {
    let mut path = args.server.path(["email", "messages"]);
    let given = [("status", args.status), ("to", args.to)].into_iter();
    let given = given.filter_map(|(name, value)| Some((name, value?)));
    for (at, (name, value)) in given.enumerate() {
        let mark = if at == 0 { '?' } else { '&' };
        path.push_str(&format!("{mark}{name}={}", encode(&value)));
    }
    let answer = args.server.client()?.get(&path).await?;
    args.server.output().show(answer, listed)
}

fn listed(messages: Messages) -> String {
    let rows = messages.items.into_iter().map(|one| {
        let reason = one.reason.unwrap_or_default();
        [
            one.id,
            one.created_at,
            one.to,
            one.subject,
            one.status,
            reason,
        ]
    });
    table(
        ["MESSAGE", "WHEN", "TO", "SUBJECT", "STATUS", "REASON"],
        rows.collect(),
        "no such messages",
    )
}

async fn addresses(server: &ControlArgs, what: &str, second: &str) -> Result<(), CliError> {
    let answer = server.client()?.list(&server.path(["email", what])).await?;
    server.output().show(answer, |addresses: Addresses| {
        let rows = addresses.items.into_iter();
        let rows = rows.map(|one| [one.address, one.name, one.created_at]);
        table(["ADDRESS", second, "SINCE"], rows.collect(), "none")
    })
}

async fn templates(server: &ControlArgs) -> Result<(), CliError> {
    let path = server.path(["email", "templates"]);
    let answer = server.client()?.list(&path).await?;
    server.output().show(answer, |templates: Templates| {
        let rows = templates.items.into_iter();
        let rows = rows.map(|one| [one.name, one.subject, one.updated_at]);
        table(
            ["TEMPLATE", "SUBJECT", "CHANGED"],
            rows.collect(),
            "no templates yet",
        )
    })
}

async fn put_template(args: TemplateArgs) -> Result<(), CliError> {
    let mut body = Map::from_iter([("subject".to_owned(), args.subject.into())]);
    for (field, file) in [("text", &args.text), ("html", &args.html)] {
        if let Some(file) = file {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            body.insert(field.to_owned(), text.into());
        }
    }
    let path = args.server.path(["email", "templates", &args.name]);
    let answer = args
        .server
        .client()?
        .send(Method::PUT, &path, &body)
        .await?;
    let said = |template: Template| format!("{}: {}", template.name, template.subject);
    args.server.output().show(answer, said)
}

impl MailboxArgs {
    /// Lists the mailbox, or prints a message.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let server = &self.server;
        match &self.id {
            None => {
                let answer = server.client()?.get(&server.path(["mailbox"])).await?;
                server.output().show(answer, listed)
            }
            Some(id) => {
                let answer = server.client()?.get(&server.path(["mailbox", id])).await?;
                server.output().show(answer, |message: Message| {
                    format!(
                        "From: {}\nTo: {}\nSubject: {}\nDate: {}\n\n{}\n\nHTML: {}",
                        message.sender,
                        message.to,
                        message.subject,
                        message.created_at,
                        message.text.unwrap_or_default(),
                        or_dash(message.html),
                    )
                })
            }
        }
    }
}
