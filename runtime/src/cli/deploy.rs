//! `koyalite deploy`: the folder of a function becomes a running version of it.
//!
//! It reads `koyalite.toml`, finds the built component, brings the tables of `schema.json` into
//! being where there is one, and uploads. What is right and wrong in them is the server's to say.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::{ControlArgs, WaitArgs};
use super::deploy_terms::TermArgs;
use super::deploy_upload::{Upload, upload};
use super::error::CliError;
use super::output::{Format, or_dash, short_digest};
use super::{deploy_all, schedules};

pub(super) const MANIFEST_FILE: &str = "koyalite.toml";
const SCHEMA_FILE: &str = "schema.json";

/// What applying a schema can have done, and how to say it. What was kept needs no words.
const SCHEMA_CHANGES: [(&str, &str); 7] = [
    ("created_tables", "made table"),
    ("added_columns", "added column"),
    ("changed_columns", "changed column"),
    ("created_indexes", "made index"),
    ("created_policies", "made policy"),
    ("changed_policies", "changed policy"),
    ("warnings", "warning:"),
];

const TARGET: &str = "wasm32-wasip2";

/// What to deploy.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo build --release --target wasm32-wasip2 && koyalite deploy\n  \
                        koyalite deploy examples/hello --project shop\n  \
                        koyalite deploy --component dist/hello.wasm\n  \
                        koyalite deploy --weight 10 --max-error-percent 2 --message \"new cart\"\n  \
                        koyalite deploy --all functions/   every folder in it, together\n  \
                        koyalite deploy --from https://example.com/hello.wasm --sha256 5b1f…"
)]
pub(super) struct DeployArgs {
    /// Folder with the koyalite.toml
    #[arg(default_value = ".")]
    pub(super) folder: PathBuf,
    /// The component, if it is not where the manifest or cargo has it
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// A URL that the server fetches the component from, in place of a file
    #[arg(long, value_name = "URL", conflicts_with = "component")]
    from: Option<String>,
    /// The SHA-256 that the fetched component must have
    #[arg(long, value_name = "HEX", requires = "from")]
    sha256: Option<String>,
    /// Cargo's target folder, if it is not the usual one
    #[arg(long, value_name = "FOLDER", env = "CARGO_TARGET_DIR")]
    target_dir: Option<PathBuf>,
    /// Deploy the function of every folder in this one, with its schema.json, all at once or not at all
    #[arg(long, conflicts_with_all = ["component", "from", "weight", "affinity",
        "max_error_percent", "max_p99_ms", "window_s", "min_requests"])]
    all: bool,
    #[command(flatten)]
    pub(super) terms: TermArgs,
    #[command(flatten)]
    pub(super) wait: WaitArgs,
    #[command(flatten)]
    pub(super) server: ControlArgs,
}

/// The part of a manifest that the command line needs; the server reads all of it.
#[derive(Deserialize)]
pub(super) struct ManifestHead {
    pub(super) name: String,
    component: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Deployed {
    name: String,
    version: u32,
    weight: u8,
    sha256: String,
    url: String,
    changed: bool,
}

impl DeployArgs {
    /// Deploys and tells where the function answers.
    pub(super) async fn run(self) -> Result<(), CliError> {
        if self.all {
            return deploy_all::run(&self).await;
        }
        let (manifest, text) = read_manifest(&self.folder)?;
        let component = match self.from {
            Some(_) => Bytes::new(),
            None => read_component(&self.find_component(&self.folder, &manifest)?)?.into(),
        };
        let client = self.server.client()?;
        // A refusal in the middle of an upload breaks the connection before it can be read, so ask
        // first whether the token and the project are good.
        client.get(&self.server.path([])).await?;
        if let Some(schema) = read_schema(&self.folder)? {
            let answer = client
                .send(Method::PUT, &self.server.path(["schema"]), &schema)
                .await?;
            self.show_schema(&answer)?;
        }
        let path = self.server.path(["functions", &manifest.name]);
        let path = format!("{path}{}", self.terms.query());
        let answer = match &self.from {
            Some(from) => {
                let mut body =
                    json!({ "source_url": from, "sha256": self.sha256, "manifest": text });
                self.terms.say(&mut body);
                let path = self.server.path(["functions", &manifest.name, "fetch"]);
                client
                    .send(Method::POST, &self.wait.on(path), &body)
                    .await?
            }
            None => {
                let parts = Upload {
                    manifest: text,
                    component,
                };
                upload(&client, &self.wait.on(path), parts).await?
            }
        };
        self.show(answer).await
    }

    pub(super) fn find_component(
        &self,
        folder: &Path,
        manifest: &ManifestHead,
    ) -> Result<PathBuf, CliError> {
        if let Some(given) = &self.component {
            return Ok(given.clone());
        }
        if let Some(named) = &manifest.component {
            let path = folder.join(named);
            return match path.is_file() {
                true => Ok(path),
                false => Err(CliError::Usage(anyhow!(
                    "the manifest says that the component is {}, but nothing is there: build it first",
                    path.display()
                ))),
            };
        }
        self.find_built(folder, &manifest.name)
            .map_err(CliError::Usage)
    }

    /// Where `cargo build` leaves the component: release before debug, this folder before those
    /// above it (a workspace's target folder is at its root).
    fn find_built(&self, folder: &Path, function: &str) -> anyhow::Result<PathBuf> {
        let file = format!("{}.wasm", crate_name(folder, function).replace('-', "_"));
        let folder = std::fs::canonicalize(folder)?;
        let mut targets: Vec<PathBuf> = self.target_dir.iter().cloned().collect();
        targets.extend(folder.ancestors().map(|above| above.join("target")));
        for target in targets {
            for profile in ["release", "debug"] {
                let path = target.join(TARGET).join(profile).join(&file);
                if path.is_file() {
                    return Ok(path);
                }
            }
        }
        Err(anyhow!(
            "no {file} in any target folder from {} upward\n  build it with: cargo build --release \
             --target {TARGET}\n  or say where it is with --component",
            folder.display()
        ))
    }

    pub(super) fn show_schema(&self, answer: &Value) -> Result<(), CliError> {
        if self.server.output().format() == Format::Json {
            return Ok(());
        }
        for (field, verb) in SCHEMA_CHANGES {
            let done = answer.get(field).and_then(Value::as_array);
            for what in done.into_iter().flatten().filter_map(Value::as_str) {
                self.server.output().line(&format!("{verb} {what}"))?;
            }
        }
        Ok(())
    }

    async fn show(&self, answer: Value) -> Result<(), CliError> {
        let name = answer
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        self.server.output().show(answer, |deployed: Deployed| {
            let verb = if deployed.changed {
                "runs"
            } else {
                "already runs"
            };
            let share = match deployed.weight {
                100 => String::new(),
                weight => format!(" for {weight} % of its calls"),
            };
            format!(
                "{} {verb} version {}{share} ({})\n{}",
                deployed.name,
                deployed.version,
                short_digest(&deployed.sha256),
                deployed.url
            )
        })?;
        if self.server.output().format() == Format::Json {
            return Ok(());
        }
        for task in schedules::of_function(&self.server, &name).await? {
            let next = or_dash(task.next_run);
            let line = format!("{} ({}) runs next at {next}", task.task, task.cron_schedule);
            self.server.output().line(&line)?;
        }
        Ok(())
    }
}

pub(super) fn read_manifest(folder: &Path) -> Result<(ManifestHead, String), CliError> {
    let path = folder.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| {
            format!(
                "cannot read {}; `koyalite new` makes a folder with one",
                path.display()
            )
        })
        .map_err(CliError::Usage)?;
    let head = toml::from_str(&text)
        .with_context(|| format!("{} is not a manifest", path.display()))
        .map_err(CliError::Usage)?;
    Ok((head, text))
}

pub(super) fn read_schema(folder: &Path) -> Result<Option<Value>, CliError> {
    let path = folder.join(SCHEMA_FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let error = anyhow::Error::new(error);
            return Err(error
                .context(format!("cannot read {}", path.display()))
                .into());
        }
    };
    let schema = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not JSON", path.display()))
        .map_err(CliError::Usage)?;
    Ok(Some(schema))
}

/// The package name in the folder's `Cargo.toml`; a folder without one is named by its function.
fn crate_name(folder: &Path, function: &str) -> String {
    #[derive(Deserialize)]
    struct Cargo {
        package: Package,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    toml::from_str::<Cargo>(&text).map_or_else(|_| function.to_owned(), |cargo| cargo.package.name)
}

pub(super) fn read_component(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .map_err(CliError::Usage)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn deploy_of(folder: &Path) -> DeployArgs {
        let folder = folder.to_str().unwrap();
        match super::super::Cli::parse_from(["koyalite", "deploy", folder]).command {
            super::super::command::Command::Deploy(args) => DeployArgs {
                target_dir: None,
                ..args
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_component_is_found_in_the_workspace_target_folder() {
        let root = tempfile::tempdir().unwrap();
        let crate_folder = root.path().join("my-api");
        let built = root.path().join("target").join(TARGET).join("release");
        std::fs::create_dir_all(&crate_folder).unwrap();
        std::fs::write(
            crate_folder.join("Cargo.toml"),
            "[package]\nname = \"my-api\"\n",
        )
        .unwrap();
        let args = deploy_of(&crate_folder);

        let missing = args
            .find_built(&crate_folder, "todo")
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("cargo build --release --target wasm32-wasip2"),
            "{missing}"
        );

        std::fs::create_dir_all(&built).unwrap();
        std::fs::write(built.join("my_api.wasm"), "").unwrap();
        assert!(
            args.find_built(&crate_folder, "todo")
                .unwrap()
                .ends_with("release/my_api.wasm")
        );
    }

    #[test]
    fn a_folder_without_a_manifest_is_a_usage_error() {
        let root = tempfile::tempdir().unwrap();
        let error = read_manifest(root.path()).err().unwrap();
        assert_eq!(error.exit_code(), super::super::error::USAGE);
    }
}
