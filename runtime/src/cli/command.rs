//! The commands and their dispatch: the table of contents of `koyalite --help`.

use std::future::Future;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::error::{self, CliError};
use super::{
    api_keys, audit, completions, deploy, deployments, dev, email, files, functions, invoke,
    jwt_secret, keys, login, logs, members, migrate, new, nodes, password, policies, preview,
    projects, promote, providers, roles, rollback, run, schedules, secrets, serve, tables, token,
    users, vector_indexes, versions, webhooks,
};

const EXAMPLES: &str = "\
Examples:
  koyalite dev                         everything on this machine, Postgres included
  koyalite new todo my-api             a small crate to start from
  koyalite deploy                      in its folder, once it is built
  koyalite invoke todo --as $(uuidgen) call it by URL as a user
  koyalite logs todo -f                watch what it writes
  koyalite run hello.wasm              one component by itself, with no server

Exit codes: 0 done · 1 refused or failed · 2 usage or configuration · 3 no server answers";

/// A backend at the edge: WebAssembly functions, tables under policies, cron.
#[derive(Debug, Parser)]
#[command(name = "koyalite", version, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// One command each, in the order in which a newcomer meets them.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run everything here, with a private Postgres
    Dev(dev::DevArgs),
    /// Run a node against the Postgres that you name
    Serve(serve::ServeArgs),
    /// Serve one component by itself, with nothing else
    Run(run::RunArgs),
    /// Start a function from a template
    New(new::NewArgs),
    /// Deploy the function in a folder
    Deploy(deploy::DeployArgs),
    /// Call a function by its URL
    Invoke(invoke::InvokeArgs),
    /// Show what a function logged, and how its invocations ended
    Logs(logs::LogsArgs),
    /// List projects, make, change or delete one
    Projects(projects::ProjectsArgs),
    /// List the functions of a project, switch one on or off, or delete one
    Functions(functions::FunctionsArgs),
    /// List the versions of a function
    Versions(versions::VersionsArgs),
    /// List the deployments of a function, or give its versions other shares of the calls
    Deployments(deployments::DeploymentsArgs),
    /// Make a signed URL to any version of a function, or end all of them
    Preview(preview::PreviewArgs),
    /// Go back to an earlier version
    Rollback(rollback::RollbackArgs),
    /// Take a version of a function from one project to another
    Promote(promote::PromoteArgs),
    /// List scheduled tasks and their runs
    Schedules(schedules::SchedulesArgs),
    /// List endpoints of webhooks and deliveries, make and change them, deliver again
    Webhooks(webhooks::WebhooksArgs),
    /// List what was sent by mail; senders, templates, suppressions
    Email(email::EmailArgs),
    /// Read the mail that `dev` kept in place of sending it
    Mailbox(email::MailboxArgs),
    /// List, send, fetch or delete files of a project
    Files(files::FilesArgs),
    /// List the tables of a project, print types for their rows, or drop one
    Tables(tables::TablesArgs),
    /// List what rows are found by that are near; make, change or delete one
    VectorIndexes(vector_indexes::VectorIndexesArgs),
    /// List policies, check the text of one, explain a case, or test expectations
    Policies(policies::PoliciesArgs),
    /// Sign in at a server
    Login(login::LoginArgs),
    /// Sign out
    Logout(login::LogoutArgs),
    /// Have another password: ask for a code by mail, set one by it, or change yours
    Password(password::PasswordArgs),
    /// Say who you are for the server, and what you may do
    Whoami(login::WhoamiArgs),
    /// List, make, change or delete people's accounts
    Users(users::UsersArgs),
    /// List roles, or make, change and delete your own
    Roles(roles::RolesArgs),
    /// List who belongs to a project, put people in or take them out
    Members(members::MembersArgs),
    /// Make tokens: of a project's users for development, of operators for the control API
    Token(token::TokenArgs),
    /// Show or replace the secret that the tokens of a project's users are signed with
    JwtSecret(jwt_secret::JwtSecretArgs),
    /// Make, list or delete the keys that programs call functions with
    ApiKeys(api_keys::ApiKeysArgs),
    /// Take the tokens of identity servers as those of a project's users
    IdentityProviders(providers::ProvidersArgs),
    /// Set, list or delete what functions read as secrets
    Secrets(secrets::SecretsArgs),
    /// List the nodes of an installation, and what each serves
    Nodes(nodes::NodesArgs),
    /// List what was done by whom, or verify the log of it
    Audit(audit::AuditArgs),
    /// Make the key ring that `serve` needs, or give it a new key
    Keys(keys::KeysArgs),
    /// Bring the database to the state that this program expects
    Migrate(migrate::MigrateArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Compile one component, as the child of a node
    #[command(hide = true)]
    Compile {
        /// Only while nothing else has anything to do
        #[arg(long)]
        idle: bool,
    },
}

/// Runs the command and reports how it ended.
pub(super) fn run(cli: Cli) -> ExitCode {
    let ended = match cli.command {
        // The child has an empty environment and tight limits: it gets no runtime from us.
        Command::Compile { idle } => return super::compile::run(idle),
        Command::Dev(args) => args.run(),
        Command::Serve(args) => args.run(),
        Command::Run(args) => args.run(),
        Command::Migrate(args) => args.run(),
        Command::New(args) => args.run(),
        Command::Completions(args) => args.run(),
        Command::Deploy(args) => wait_for(args.run()),
        Command::Invoke(args) => wait_for(args.run()),
        Command::Logs(args) => wait_for(args.run()),
        Command::Projects(args) => wait_for(args.run()),
        Command::Functions(args) => wait_for(args.run()),
        Command::Versions(args) => wait_for(args.run()),
        Command::Deployments(args) => wait_for(args.run()),
        Command::Preview(args) => wait_for(args.run()),
        Command::Rollback(args) => wait_for(args.run()),
        Command::Promote(args) => wait_for(args.run()),
        Command::Schedules(args) => wait_for(args.run()),
        Command::Webhooks(args) => wait_for(args.run()),
        Command::Email(args) => wait_for(args.run()),
        Command::Files(args) => wait_for(args.run()),
        Command::Mailbox(args) => wait_for(args.run()),
        Command::Tables(args) => wait_for(args.run()),
        Command::VectorIndexes(args) => wait_for(args.run()),
        Command::Policies(args) => wait_for(args.run()),
        Command::Login(args) => wait_for(args.run()),
        Command::Logout(args) => wait_for(args.run()),
        Command::Password(args) => wait_for(args.run()),
        Command::Whoami(args) => wait_for(args.run()),
        Command::Users(args) => wait_for(args.run()),
        Command::Roles(args) => wait_for(args.run()),
        Command::Members(args) => wait_for(args.run()),
        Command::Token(args) => args.run(),
        Command::JwtSecret(args) => wait_for(args.run()),
        Command::ApiKeys(args) => wait_for(args.run()),
        Command::IdentityProviders(args) => wait_for(args.run()),
        Command::Secrets(args) => wait_for(args.run()),
        Command::Nodes(args) => wait_for(args.run()),
        Command::Audit(args) => wait_for(args.run()),
        Command::Keys(args) => args.run(),
    };
    match ended {
        Ok(()) => error::OK.into(),
        Err(error) => {
            error.report();
            error.exit_code().into()
        }
    }
}

/// Clients need one thread: they wait for one answer at a time.
pub(super) fn wait_for(
    command: impl Future<Output = Result<(), CliError>>,
) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow::Error::new(error).context("cannot start"))?;
    runtime.block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    fn check(line: &str, accepted: bool) {
        let parsed = Cli::try_parse_from(line.split(' '));
        assert_eq!(parsed.is_ok(), accepted, "{line}: {parsed:?}");
    }

    #[test]
    fn command_lines_people_write_are_understood() {
        check("koyalite deploy", true);
        check("koyalite deploy examples/hello --project shop", true);
        check("koyalite invoke hello", true);
        check(
            "koyalite invoke todo --path /1 --method DELETE --as alice -i",
            true,
        );
        check(
            "koyalite invoke todo --as alice --claims {\"team\":7}",
            true,
        );
        check("koyalite invoke todo --claims {}", false);
        check("koyalite logs hello -f", true);
        check("koyalite rollback hello --to 3", true);
        check("koyalite rollback hello --to three", false);
        check("koyalite rollback hello --wait", true);
        check("koyalite deploy --wait=eu", true);
        check("koyalite deploy --wait eu", true);
        check("koyalite nodes --json", true);
        check("koyalite schedules", true);
        check("koyalite schedules --status paused --function a", true);
        check("koyalite schedules --status pausd", false);
        check("koyalite schedules runs ticker.every-minute", true);
        check(
            "koyalite policies check --table todos owner_id=auth.uid()",
            true,
        );
        check("koyalite token create --subject alice --ttl 60", true);
        check(
            "koyalite token operator --subject ci --role developer",
            true,
        );
        check("koyalite token bootstrap --key-file keys.json", true);
        check("koyalite jwt-secret set --file secret.txt", true);
        check("koyalite jwt-secret set my-secret", false);
        check("koyalite policies test policies.toml", true);
        check(
            "koyalite policies explain --table notes --as a --row {}",
            true,
        );
        check("koyalite policies explain --table notes --row []", false);
        check("koyalite policies explain --table notes --claims {}", false);
        check("koyalite webhooks", true);
        check(
            "koyalite webhooks create https://a.example/ --on a.b --on c",
            true,
        );
        check("koyalite webhooks create https://a.example/", false);
        check("koyalite webhooks change 1 --enable --disable", false);
        check("koyalite webhooks replay --status dead", true);
        check("koyalite files ls avatars/", true);
        check("koyalite files put a.png b.png --type image/png", true);
        check("koyalite files get", false);
        check("koyalite email --status failed", true);
        check("koyalite email add-sender shop@example.com", true);
        check("koyalite email put-template a", false);
        check("koyalite mailbox", true);
    }

    #[test]
    fn command_lines_about_tables_are_understood() {
        check("koyalite tables", true);
        check("koyalite tables todos --json", true);
        check(
            "koyalite tables types --lang typescript --project shop",
            true,
        );
        check("koyalite tables types --lang cobol", false);
        check("koyalite tables plan", true);
        check("koyalite tables plan other.json --prune --sql", true);
        check("koyalite tables apply --state 5f2c --lose-data", true);
        check("koyalite tables apply --sql", false);
        check("koyalite tables history --json", true);
        check("koyalite tables import --schema public --data", true);
        check("koyalite tables import postgres://me:secret@host/db", false);
        check("koyalite vector-indexes", true);
        check("koyalite vector-indexes create documents embedding", true);
        check("koyalite vector-indexes create a b --metric l1", false);
        check("koyalite vector-indexes change near", false);
        check("koyalite tables drop todos.done --lose-data", true);
        check("koyalite tables drop todos --index todos_done_idx", true);
        check("koyalite completions zsh", true);
        check(
            "koyalite run a.wasm --addr 127.0.0.1:0 --env A=b --env C=",
            true,
        );
        check("koyalite run a.wasm --allow-outbound * --shared", true);
        check("koyalite run a.wasm --env A", false);
        check("koyalite run a.wasm --cpu-ms 0", false);
        check("koyalite run", false);
        check("koyalite", false);
        check("koyalite invent", false);
    }

    #[test]
    fn what_is_kept_of_a_project_has_commands() {
        check("koyalite keys create", true);
        check("koyalite keys rotate --file keys.json", true);
        check("koyalite keys rotate --file-only", true);
        check("koyalite keys reseal", true);
        check("koyalite secrets set STRIPE_KEY", true);
        check("koyalite secrets set STRIPE_KEY sk_live_1", false);
        check("koyalite secrets list --json", true);
        check("koyalite api-keys create website", true);
        check("koyalite api-keys create job --scope service", true);
        check("koyalite api-keys create job --scope admin", false);
        check("koyalite api-keys delete website", true);
        check("koyalite audit --actor ci --action policy.update", true);
        check("koyalite audit verify --installation", true);
        check("koyalite audit verify --gone 01a2046f", true);
        check("koyalite audit --installation --gone 01a2046f", false);
        check("koyalite functions disable hello --json", true);
        check("koyalite functions delete hello", true);
        check("koyalite projects", true);
        check("koyalite projects create shop --environment prod", true);
        check("koyalite projects update shop --name store", true);
        check("koyalite projects update shop", false);
        check("koyalite projects delete shop", false);
        check("koyalite projects --environment prod --name sh", true);
        check("koyalite projects --environment live", false);
        check("koyalite functions --state off --region eu", true);
        check("koyalite functions --state broken", false);
        check("koyalite api-keys list --status expired --scope anon", true);
        check("koyalite api-keys list --status gone", false);
        check("koyalite webhooks --status failing --type order.paid", true);
        check("koyalite webhooks --status broken", false);
        check("koyalite projects delete shop --confirm shop", true);
    }

    #[test]
    fn command_lines_about_deployments_are_understood() {
        check("koyalite deploy --weight 10 --message new", true);
        check("koyalite deploy --weight 0", false);
        check("koyalite deploy --weight 101", false);
        check("koyalite deploy --all functions --message all", true);
        check("koyalite deploy --all --weight 10", false);
        check("koyalite deploy --all --max-p99-ms 5", false);
        check("koyalite deploy --all --wait=eu functions", true);
        check("koyalite deployments hello --json", true);
        check("koyalite deployments", false);
        check("koyalite deployments set-weights hello 4=25", true);
        check("koyalite deployments set-weights hello", false);
        check("koyalite deployments set-weights hello 4=a", false);
        check("koyalite deployments promote hello -m done", true);
        check("koyalite preview hello --version 4 --ttl 60", true);
        check("koyalite preview hello --revoke", true);
        let one = "koyalite preview hello --revoke 0190f5fe-7c00-7a00-8000-0123456789ab";
        check(one, true);
        check("koyalite preview hello --revoke one", false);
        check("koyalite preview hello", false);
        check("koyalite rollback hello --to 3 --message broken", true);
    }

    #[test]
    fn command_lines_about_people_are_understood() {
        check("koyalite token list --status revoked --role viewer", true);
        check("koyalite token list --status gone", false);
        check("koyalite token revoke 01a2046f", true);
        check("koyalite token replace", true);
        check("koyalite token replace 01a2046f", true);
        check("koyalite token replace --file admin.token", true);
        check("koyalite token replace 01a2046f --file a", false);
        check("koyalite login ada@example.org --sign-up", true);
        check("koyalite login", false);
        check("koyalite password forgot ada@example.org", true);
        check("koyalite password reset", true);
        check("koyalite password reset a-code", false);
        check("koyalite password change", true);
        check("koyalite users --role developer --json", true);
        check("koyalite users create bob@example.org --role viewer", true);
        check("koyalite roles create support --permissions a,b", true);
        check("koyalite roles create support", false);
        check("koyalite members put bob@example.org --role viewer", true);
        check("koyalite members put bob@example.org", false);
        check("koyalite members sign-up on", true);
        check("koyalite members sign-up maybe", false);
    }
}
