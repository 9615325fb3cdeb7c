//! How a command ends: what went wrong, and the exit code that says whose turn it is.

use std::io;

use crate::config::Report;

use super::problem::ProblemDocument;

/// It worked.
pub(super) const OK: u8 = 0;
/// The server refused, or the work failed: look at the message.
pub(super) const FAILED: u8 = 1;
/// The arguments, a file or the configuration must change first. The same number that clap uses.
pub(super) const USAGE: u8 = 2;
/// No server answered: start one, or say where it is.
pub(super) const UNREACHABLE: u8 = 3;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The server answered with a problem document.
    #[error("{}", .0.title)]
    Refused(Box<ProblemDocument>),
    /// Nobody answered at the address.
    #[error("no server answers at {base}")]
    Unreachable {
        /// The address that was tried.
        base: String,
        /// What the connection said.
        source: hyper_util::client::legacy::Error,
    },
    /// What the user typed, or a file that they wrote, has to change.
    #[error("{0:#}")]
    Usage(anyhow::Error),
    /// Mistakes in the configuration of a server, all of them.
    #[error("{0}")]
    Config(#[from] Report),
    /// Everything else that ends a command.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
    /// The terminal or the pipe we write to.
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    /// The answer was delivered, and it is bad news (a failing function, an invalid policy):
    /// it has been shown, so only the exit code is left to say it.
    #[error("failed")]
    Shown,
}

impl CliError {
    /// The exit code of this end.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            // A reader that has seen enough (`koyalite logs | head`) is not a failure.
            CliError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => OK,
            CliError::Refused(_) | CliError::Failed(_) | CliError::Output(_) | CliError::Shown => {
                FAILED
            }
            CliError::Usage(_) => USAGE,
            CliError::Config(_) => crate::config::EXIT_CODE,
            CliError::Unreachable { .. } => UNREACHABLE,
        }
    }

    /// Tells a person, on standard error.
    pub(super) fn report(&self) {
        match self {
            CliError::Refused(problem) => eprintln!("{}", problem.render(None)),
            CliError::Unreachable { base, source } => eprintln!(
                "error: no server answers at {base} ({})\n  start one with `koyalite dev`, or name \
                 another with --control or KOYALITE_CONTROL_URL",
                root_cause(source)
            ),
            CliError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            CliError::Config(report) => eprintln!("{report}"),
            CliError::Usage(_) | CliError::Failed(_) | CliError::Output(_) => {
                eprintln!("error: {self}");
            }
            CliError::Shown => {}
        }
    }
}

/// The innermost cause: the outer ones only say that a request was tried.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
