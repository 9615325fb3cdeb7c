//! `koyalite new`: a small crate to start from, out of the templates built into this program.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use super::error::CliError;
use super::output::{Format, Output};
use super::template::{self, Template};

/// Which template, and where to.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite new todo my-api\n  \
                        koyalite new todo my-api --sdk-path ../koyalite/sdk")]
pub(super) struct NewArgs {
    /// The template: todo
    #[arg(value_parser = template::names())]
    template: String,
    /// The folder to make; its last part names the function
    folder: PathBuf,
    /// Use the SDK in this folder [default: the one of the checkout that this program was built in,
    /// else the published one]
    #[arg(long, value_name = "FOLDER")]
    sdk_path: Option<PathBuf>,
}

impl NewArgs {
    /// Writes the files, or nothing if one of them is there already.
    pub(super) fn run(self) -> Result<(), CliError> {
        let template = template::find(&self.template)
            .ok_or_else(|| CliError::Usage(anyhow!("no template is called {}", self.template)))?;
        let name = function_name(&self.folder).map_err(CliError::Usage)?;
        refuse_overwrite(&self.folder, template).map_err(CliError::Usage)?;
        let sdk = match &self.sdk_path {
            Some(path) => Some(absolute(path).map_err(CliError::Usage)?),
            None => sdk_beside_this_program(),
        };
        for (path, text) in template.files {
            write(
                &self.folder.join(path),
                &template::fill(text, &name, sdk.as_deref()),
            )?;
        }
        Output::new(Format::Human).line(&format!(
            "made {folder}, a function called {name}\n\nnext:\n  cd {folder}\n  \
             cargo build --release --target wasm32-wasip2\n  koyalite deploy\n  koyalite invoke {name}",
            folder = self.folder.display()
        ))
    }
}

/// The folder's name, which must do as a crate, a function and a path at once.
fn function_name(folder: &Path) -> anyhow::Result<String> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    let well = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match starts_well && name.chars().all(well) && !name.ends_with('-') {
        true => Ok(name.to_owned()),
        false => Err(anyhow!(
            "the folder's name becomes the function's: use lower-case letters, digits and hyphens, \
             starting with a letter, not `{name}`"
        )),
    }
}

fn refuse_overwrite(folder: &Path, template: &Template) -> anyhow::Result<()> {
    let there: Vec<String> = template
        .files
        .iter()
        .map(|(path, _)| folder.join(path))
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
    match there.is_empty() {
        true => Ok(()),
        false => Err(anyhow!(
            "nothing was written, because this would be lost: {}",
            there.join(", ")
        )),
    }
}

/// The SDK of the checkout that this program was built in, if it was: the one that fits it.
fn sdk_beside_this_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let sdk = program.ancestors().map(|folder| folder.join("sdk"));
    sdk.into_iter().find(|sdk| {
        let manifest = std::fs::read_to_string(sdk.join("Cargo.toml"));
        manifest.is_ok_and(|text| text.contains("name = \"koyalite-sdk\""))
    })
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::fs::canonicalize(path).with_context(|| format!("no SDK at {}", path.display()))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the folder {}", parent.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(folder: PathBuf) -> Result<(), CliError> {
        NewArgs {
            template: "todo".to_owned(),
            folder,
            sdk_path: None,
        }
        .run()
    }

    #[test]
    fn a_new_folder_holds_a_manifest_and_is_never_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("my-api");
        new(folder.clone()).unwrap();
        let manifest = std::fs::read_to_string(folder.join("koyalite.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        assert_eq!(
            manifest.get("name").and_then(toml::Value::as_str),
            Some("my-api")
        );
        let again = new(folder).unwrap_err();
        assert_eq!(again.exit_code(), super::super::error::USAGE);
        assert!(again.to_string().contains("koyalite.toml"), "{again}");
    }

    #[test]
    fn a_folder_name_must_do_as_a_function_name() {
        let check =
            |name: &str, well| assert_eq!(function_name(Path::new(name)).is_ok(), well, "{name}");
        check("my-api", true);
        check("some/where/todo2", true);
        check("My-Api", false);
        check("2todo", false);
        check("my_api", false);
        check("todo-", false);
        check("..", false);
    }
}
