//! The arguments that every command talking to a server takes, and the client they make.

use clap::Args;

use super::client::Client;
use super::error::CliError;
use super::find_token::find_token;
use super::output::{Format, Output};
use super::session;

/// Where `koyalite dev` and `koyalite serve` put the control listener unless told otherwise.
const DEFAULT_CONTROL_URL: &str = "http://127.0.0.1:8081";

/// Which server, as whom, in which project.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ControlArgs {
    /// Address of the control API
    #[arg(long, value_name = "URL", env = "KOYALITE_CONTROL_URL", default_value = DEFAULT_CONTROL_URL)]
    pub(super) control: String,

    /// Control token; without one, the session of `koyalite login`, or the nearest `.koyalite/token`
    /// from here upward
    #[arg(
        long,
        value_name = "TOKEN",
        env = "KOYALITE_TOKEN",
        hide_env_values = true
    )]
    pub(super) token: Option<String>,

    /// Project to work in
    #[arg(
        long,
        value_name = "NAME",
        env = "KOYALITE_PROJECT",
        default_value = "demo"
    )]
    pub(super) project: String,

    /// Print JSON for programs instead of tables for people
    #[arg(long)]
    pub(super) json: bool,
}

impl ControlArgs {
    /// A client for the control API. Asks for no token: the server says so if it wants one.
    pub(super) fn client(&self) -> Result<Client, CliError> {
        match (&self.token, session::read(&self.control)?) {
            (None, Some(_)) => Client::of_session(&self.control),
            _ => Client::new(&self.control, self.control_token()?),
        }
    }

    /// The token given, that of the session here, or the nearest one on disk.
    pub(super) fn control_token(&self) -> Result<Option<String>, CliError> {
        match &self.token {
            Some(token) => Ok(Some(token.trim().to_owned())),
            None => match session::read(&self.control)? {
                Some(session) => Ok(Some(session.access_token)),
                None => find_token(),
            },
        }
    }

    /// Where the answer goes, and in which form.
    pub(super) fn output(&self) -> Output {
        Output::new(if self.json {
            Format::Json
        } else {
            Format::Human
        })
    }

    /// The path of something in the project: `/v1/projects/<project>/<segments…>`.
    pub(super) fn path<const N: usize>(&self, segments: [&str; N]) -> String {
        let mut path = format!("/v1/projects/{}", encode(&self.project));
        for segment in segments {
            path.push('/');
            path.push_str(&encode(segment));
        }
        path
    }
}

/// Whether a change is to be served everywhere before the command ends.
#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// Wait until all nodes serve it, or with a name those of one region
    #[arg(long, value_name = "REGION", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    wait: Option<String>,
}

impl WaitArgs {
    /// The path of a change, with the word that makes its answer wait.
    pub(super) fn on(&self, path: String) -> String {
        match &self.wait {
            None => path,
            Some(scope) => {
                let joint = if path.contains('?') { '&' } else { '?' };
                format!("{path}{joint}wait={}", encode(scope))
            }
        }
    }
}

/// One path segment or value of a query, encoded so that it can never become two.
pub(super) fn encode(segment: &str) -> String {
    const KEEP: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(segment, &KEEP).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slash_stays_one_segment() {
        assert_eq!(encode("a/../b?c"), "a%2F..%2Fb%3Fc");
    }
}
