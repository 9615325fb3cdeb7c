//! The command line: `koyalite <command>`.
//!
//! One file per command; what they share is `args` (where the control API is and who is asking),
//! `client` (the HTTP client for it), `problem` (refusals, for people), `output` (tables or JSON)
//! and `error` (what went wrong, and with which exit code). Commands never reach into the server's
//! parts: those that start it make one call into `server`, the rest speak HTTP like any other client.

mod args;
mod audit;
mod client;
mod command;
mod email;
mod email_senders;
mod error;
mod files;
mod find_token;
mod output;
mod pages;
mod problem;
mod session;

mod api_keys;
mod compile;
mod completions;
mod csv;
mod deploy;
mod deploy_all;
mod deploy_terms;
mod deploy_upload;
mod deployments;
mod dev;
mod functions;
mod invoke;
mod jwt_secret;
mod keys;
mod login;
mod logs;
mod members;
mod migrate;
mod new;
mod nodes;
mod password;
mod policies;
mod policies_dry_run;
mod policies_explain;
mod policies_mirror;
mod policies_test;
mod policies_verify;
mod preview;
mod projects;
mod promote;
mod providers;
mod roles;
mod rollback;
mod row_types;
mod run;
mod schedules;
mod schedules_create;
mod schedules_runs;
mod secret_input;
mod secrets;
mod serve;
mod tables;
mod tables_import;
mod tables_import_left;
mod tables_migrate;
mod tables_policy_readable;
mod tables_seed;
mod tables_seed_csv;
mod template;
mod token;
mod token_replace;
mod users;
mod vector_indexes;
mod versions;
mod webhooks;
mod webhooks_list;

use std::process::ExitCode;

use clap::Parser;

use command::Cli;

/// Parses the arguments of this process, runs the command and says how it ended.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => command::run(cli),
        Err(error) => {
            // Nothing is left to tell anyone if the terminal itself is gone.
            let _ = error.print();
            match error.use_stderr() {
                true => error::USAGE.into(),
                false => error::OK.into(),
            }
        }
    }
}
