//! The OpenAPI document against a server that runs: schemathesis asks everything that the document
//! allows, and much that it does not, and holds every answer against it: once with names at random, and
//! once with those of what is there.
//!
//! A part of `cargo xtask test --long`, or `cargo xtask contract`. The tool comes from PyPI into a folder under `target`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::server::Server;
use crate::step::Step;
use crate::{guests, host, paths};

const TOOL: &str = "schemathesis==4.32.5";

/// What counts: no failure of ours, and no answer that the document does not know. Whether bad data is
/// refused is not asked: names that nobody has and rows that no table takes are good data to the tool.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

const FILLING: [&str; 2] = ["todo", "ticker"];

/// The names of what the first examples bring along.
const KNOWN: &str = r#"[parameters]
"path.project" = "demo"
"path.name" = "todo"
"path.table" = "todos"
"path.column" = "title"
"path.task" = "ticker.every-five-seconds"
"path.role" = "developer"
"#;

/// Requests to each operation in each phase; a run takes some minutes.
const EXAMPLES: &str = "40";

/// A server of its own, asked for a while.
///
/// # Errors
/// What the tool found, after it has been shown.
pub(crate) fn run(_arguments: &[String]) -> anyhow::Result<()> {
    let tool = tool()?;
    let program = host::build()?;
    let data = paths::root().join("target/contract");
    guests::run(&[])?;
    let mut server = Server::start(&program, &data)?;
    let asked = fill(&server)
        .and_then(|()| ask(&tool, &server, None))
        .and_then(|()| ask(&tool, &server, Some(&known()?)));
    let stopped = server.stop();
    // The next run begins with an empty server, as this one did.
    let _ = std::fs::remove_dir_all(&data);
    asked.and(stopped)
}

/// Something to be asked about, in the project that `dev` makes.
fn fill(server: &Server) -> anyhow::Result<()> {
    for example in FILLING {
        server.koyalite(&["deploy", &format!("examples/{example}")])?;
    }
    Ok(())
}

/// Names of what is there: at random nobody finds them.
fn known() -> anyhow::Result<PathBuf> {
    let file = paths::root().join("target/schemathesis.toml");
    std::fs::write(&file, KNOWN)?;
    Ok(file)
}

fn ask(tool: &Path, server: &Server, names: Option<&Path>) -> anyhow::Result<()> {
    let token = std::fs::read_to_string(server.token_file()).context("no control token")?;
    let mut command = Command::new(tool);
    if let Some(names) = names {
        command.arg("--config-file").arg(names);
    }
    command
        .arg("run")
        .arg(format!("{}/openapi.json", server.control));
    command.args(["--checks", CHECKS, "--max-examples", EXAMPLES]);
    // A log that is followed never ends, the pages are somebody else's, and the tool writes no mail.
    command.args(["--exclude-path-regex", "^/docs|/logs$|/email/bounces$"]);
    command.args(["--warnings", "off", "--no-color", "--continue-on-failure"]);
    command.arg("--header");
    command.arg(format!("Authorization: Bearer {}", token.trim()));
    command.current_dir(paths::root().join("target"));
    let status = command.status().context("cannot start schemathesis")?;
    anyhow::ensure!(
        status.success(),
        "the server and its OpenAPI document disagree; see above"
    );
    Ok(())
}

/// The tool, installed once.
fn tool() -> anyhow::Result<PathBuf> {
    let folder = paths::root().join("target/schemathesis");
    let tool = folder.join("bin/st");
    let made_of = folder.join("made-of");
    if std::fs::read_to_string(&made_of).is_ok_and(|made| made == TOOL) {
        return Ok(tool);
    }
    let step = Step::start("fetch schemathesis");
    step.run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )
    .context("python3 cannot make a virtual environment; on Debian: apt install python3-venv")?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input"]);
    step.run(pip.args(["--disable-pip-version-check", TOOL]))?;
    std::fs::write(made_of, TOOL)?;
    Ok(tool)
}
