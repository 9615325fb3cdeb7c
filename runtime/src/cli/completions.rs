//! `koyalite completions`: the script that makes a shell complete our commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::error::CliError;
use super::output::{Format, Output};

/// Which shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  koyalite completions bash > /etc/bash_completion.d/koyalite\n  \
                        koyalite completions zsh > ~/.zfunc/_koyalite"
)]
pub(super) struct CompletionsArgs {
    /// The shell to write for
    shell: Shell,
}

impl CompletionsArgs {
    /// Prints the script.
    pub(super) fn run(self) -> Result<(), CliError> {
        // Into memory first: the generator panics when its writer fails, and pipes do fail.
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut super::Cli::command(),
            "koyalite",
            &mut script,
        );
        Output::new(Format::Human).raw(&script)
    }
}
