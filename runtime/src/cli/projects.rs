//! `koyalite projects`: the tenants of an installation. A deletion is confirmed by writing the name a
//! second time, never by a question that a script would not answer.

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::args::{ControlArgs, encode};
use super::error::CliError;
use super::output::table;
use super::pages;

/// List, show, create, update or delete.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite projects\n  koyalite projects --environment prod\n  koyalite projects create shop --environment prod\n  \
                  koyalite projects update shop --name store --set retention_days=30\n  \
                  koyalite projects delete shop --confirm shop"
)]
pub(super) struct ProjectsArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the projects
    List(ListArgs),
    /// Show one project
    Show(ShowArgs),
    /// Make a project
    Create(CreateArgs),
    /// Change a project's name, owner, environment or settings
    Update(UpdateArgs),
    /// Delete a project: functions, tables with their rows, policies, logs
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those whose name begins so
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only those for this
    #[arg(long, value_parser = ["dev", "staging", "prod"])]
    environment: Option<String>,
    /// Only those of the user with this id
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The project
    name: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Its name: lower-case letters, digits and hyphens
    name: String,
    /// dev, staging or prod
    #[arg(long, default_value = "dev")]
    environment: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct UpdateArgs {
    /// The project
    project_name: String,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// Another name; URLs with the former one end
    #[arg(long = "name", value_name = "NAME")]
    new_name: Option<String>,
    /// The id of the user who owns it from now on
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// dev, staging or prod
    #[arg(long)]
    environment: Option<String>,
    /// A setting, as JSON: retention_days=30, audit_reads=true; null takes it back
    #[arg(long = "set", value_name = "SETTING=JSON")]
    settings: Vec<String>,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// The project
    name: String,
    /// Its name again
    #[arg(long, value_name = "NAME")]
    confirm: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Projects {
    items: Vec<Project>,
}

#[derive(Deserialize)]
struct Project {
    id: String,
    name: String,
    owner_id: String,
    environment: String,
    created_at: String,
}

impl Project {
    fn row(self) -> [String; 5] {
        [
            self.name,
            self.environment,
            self.id,
            self.owner_id,
            self.created_at,
        ]
    }
}

fn shown(projects: Vec<Project>) -> String {
    table(
        ["NAME", "ENVIRONMENT", "ID", "OWNER", "CREATED"],
        projects.into_iter().map(Project::row).collect(),
        "no projects yet; `koyalite projects create NAME` makes one",
    )
}

fn one(project: Project) -> String {
    shown(vec![project])
}

fn path(name: &str) -> String {
    format!("/v1/projects/{}", encode(name))
}

impl ProjectsArgs {
    /// Lists, shows or changes.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            None => list(self.list).await,
            Some(Action::List(args)) => list(args).await,
            Some(Action::Show(args)) => {
                let answer = args.server.client()?.get(&path(&args.name)).await?;
                args.server.output().show(answer, one)
            }
            Some(Action::Create(args)) => create(args).await,
            Some(Action::Update(args)) => update(args).await,
            Some(Action::Delete(args)) => delete(args).await,
        }
    }
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let filter = [
        ("name", args.name.as_deref()),
        ("environment", args.environment.as_deref()),
        ("owner", args.owner.as_deref()),
    ];
    let answer = pages::all(&args.server.client()?, "/v1/projects", &filter).await?;
    args.server
        .output()
        .show(answer, |projects: Projects| shown(projects.items))
}

async fn create(args: CreateArgs) -> Result<(), CliError> {
    let wanted = json!({ "name": args.name, "environment": args.environment });
    let client = args.server.client()?;
    let answer = client.send(Method::POST, "/v1/projects", &wanted).await?;
    args.server.output().show(answer, one)
}

async fn update(args: UpdateArgs) -> Result<(), CliError> {
    let changes = [
        ("name", args.changes.new_name),
        ("owner_id", args.changes.owner),
        ("environment", args.changes.environment),
    ];
    let mut patch: Map<String, Value> = changes
        .into_iter()
        .filter_map(|(field, value)| Some((field.to_owned(), value?.into())))
        .collect();
    let settings = args.changes.settings.iter().map(|text| setting(text));
    let settings: Map<String, Value> = settings.collect::<Result<_, _>>()?;
    if !settings.is_empty() {
        patch.insert("settings".to_owned(), settings.into());
    }
    let (client, path) = (args.server.client()?, path(&args.project_name));
    let answer = client.send(Method::PATCH, &path, &patch).await?;
    args.server.output().show(answer, one)
}

/// `retention_days=30` as the server takes it.
fn setting(text: &str) -> Result<(String, Value), CliError> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    match serde_json::from_str(value) {
        Ok(value) => Ok((name.to_owned(), value)),
        Err(_) => Err(CliError::Usage(anyhow::anyhow!(
            "{text:?} is no setting; write its name, = and its value as JSON: retention_days=30"
        ))),
    }
}

async fn delete(args: DeleteArgs) -> Result<(), CliError> {
    let path = format!("{}?confirm={}", path(&args.name), encode(&args.confirm));
    args.server.client()?.delete(&path).await?;
    let done = format!("{} is deleted with all that was in it", args.name);
    args.server.output().line(&done)
}
