//! The `koyalite` program: parse the command, run it, answer with its exit code.
//!
//! Everything else is in the library, where tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    koyalite_runtime::cli::main()
}
