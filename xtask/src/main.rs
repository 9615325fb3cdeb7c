//! The project's chores, run as `cargo xtask COMMAND`.
//!
//! Every command prepares what it needs, shows what takes long, and does nothing twice. Commands
//! are rows of [`COMMANDS`]; each lives in a module of its own. Nothing here may depend on the
//! host's crates: this program is compiled before anything else and must be ready in seconds.

mod bench;
mod check;
mod contract;
mod demo;
mod fuzz;
mod guests;
mod host;
mod http;
mod instructions;
mod javascript;
mod packages;
mod paths;
mod pgbouncer;
mod pgvector;
mod pip;
mod postgres;
mod reference;
mod seaweedfs;
mod server;
mod signals;
mod sqlx;
mod step;
mod stopwatch;
mod test;
mod toolchain;
mod tus_client;
mod verifier;
mod wit;
mod words;

use std::process::ExitCode;

/// One chore: what to type, what it does in a line, and the function that does it with the
/// arguments that follow.
struct Command {
    name: &'static str,
    summary: &'static str,
    run: fn(&[String]) -> anyhow::Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        summary: "start everything, deploy and call every example (--exit: then stop; --data-dir)",
        run: demo::run,
    },
    Command {
        name: "test",
        summary: "prepare what the tests need and run all of them (--filter TEXT; --long: random tests for an hour)",
        run: test::run,
    },
    Command {
        name: "check",
        summary: "formatting, lints, documentation, licences: all that needs no running",
        run: check::run,
    },
    Command {
        name: "guests",
        summary: "build every example and test guest into target/guests/*.wasm",
        run: guests::run,
    },
    Command {
        name: "bench",
        summary: "measure one thing against what it competes with (bench alone lists them)",
        run: bench::run,
    },
    Command {
        name: "fuzz",
        summary: "random inputs against one door of the host (fuzz alone lists them; --seconds COUNT)",
        run: fuzz::run,
    },
    Command {
        name: "contract",
        summary: "ask a server all that its OpenAPI document allows, and more (a part of test --long)",
        run: contract::run,
    },
    Command {
        name: "instructions",
        summary: "count what a request executes, against benches/instructions.txt (--bless: write it)",
        run: instructions::run,
    },
    Command {
        name: "wit",
        summary: "write wit/host-sync from wit/host (--check: only say whether it is current)",
        run: wit::run,
    },
    Command {
        name: "sqlx",
        summary: "write .sqlx from the migrations and statements (--check: only compare)",
        run: sqlx::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print_help();
        return ExitCode::SUCCESS;
    };
    if matches!(name.as_str(), "help" | "-h" | "--help") {
        print_help();
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("there is no `cargo xtask {name}`\n");
        print_help();
        return ExitCode::from(2);
    };
    match (command.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_help() {
    println!("Usage: cargo xtask COMMAND\n");
    for command in COMMANDS {
        println!("  {:<12} {}", command.name, command.summary);
    }
}
