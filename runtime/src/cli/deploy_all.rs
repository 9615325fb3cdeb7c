//! `koyalite deploy --all`: every function of a folder in one request, which serves all of them or none.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::Deserialize;

use super::args::encode;
use super::deploy::{DeployArgs, MANIFEST_FILE, read_component, read_manifest, read_schema};
use super::error::CliError;
use super::output::{Format, table};

#[derive(Deserialize)]
struct All {
    functions: Vec<Deployed>,
}

#[derive(Deserialize)]
struct Deployed {
    name: String,
    version: u32,
    changed: bool,
    url: String,
}

/// Deploys them and tells where they answer.
pub(super) async fn run(args: &DeployArgs) -> Result<(), CliError> {
    let boundary = format!("koyalite-{}", uuid::Uuid::new_v4().simple());
    let mut form = Form {
        boundary: &boundary,
        text: Vec::new(),
    };
    for folder in folders(&args.folder)? {
        let (manifest, text) = read_manifest(&folder)?;
        let component = args.find_component(&folder, &manifest)?;
        form.part("manifest", text.as_bytes());
        form.part("component", &read_component(&component)?);
    }
    if let Some(schema) = read_schema(&args.folder)? {
        form.part("schema", schema.to_string().as_bytes());
    }
    let server = &args.server;
    let client = server.client()?;
    // As for one function: a refusal in the middle of an upload can be lost.
    client.get(&server.path([])).await?;
    let message = args.terms.watched.message.as_deref();
    let query = message.map_or_else(String::new, |text| format!("?message={}", encode(text)));
    let path = args
        .wait
        .on(format!("{}{query}", server.path(["deployments"])));
    let media = format!("multipart/form-data; boundary={boundary}");
    let answer = client.hand_in(&path, &media, form.finish()).await?;
    if let (Format::Human, Some(schema)) = (server.output().format(), answer.get("schema")) {
        args.show_schema(schema)?;
    }
    server.output().show(answer, |all: All| {
        let rows = all.functions.into_iter().map(|one| {
            let state = if one.changed { "deployed" } else { "as before" };
            [one.name, one.version.to_string(), state.to_owned(), one.url]
        });
        let header = ["FUNCTION", "VERSION", "STATE", "URL"];
        table(header, rows.collect(), "no functions")
    })
}

/// Folders with a manifest, directly in this one, by name.
fn folders(root: &Path) -> Result<Vec<PathBuf>, CliError> {
    let entries = std::fs::read_dir(root)
        .with_context(|| format!("cannot read {}", root.display()))
        .map_err(CliError::Usage)?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join(MANIFEST_FILE).is_file())
        .collect();
    folders.sort();
    match folders.is_empty() {
        false => Ok(folders),
        true => Err(CliError::Usage(anyhow!(
            "no folder in {} has a {MANIFEST_FILE}",
            root.display()
        ))),
    }
}

struct Form<'a> {
    boundary: &'a str,
    text: Vec<u8>,
}

impl Form<'_> {
    fn part(&mut self, name: &str, bytes: &[u8]) {
        let head = format!(
            "--{}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\r\n",
            self.boundary
        );
        self.text.extend_from_slice(head.as_bytes());
        self.text.extend_from_slice(bytes);
        self.text.extend_from_slice(b"\r\n");
    }

    fn finish(mut self) -> Vec<u8> {
        let end = format!("--{}--\r\n", self.boundary);
        self.text.extend_from_slice(end.as_bytes());
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_without_a_manifest_are_left_out_and_none_is_a_mistake() {
        let root = tempfile::tempdir().unwrap();
        assert!(folders(root.path()).is_err());
        for name in ["b", "a", "notes"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        for name in ["b", "a"] {
            std::fs::write(root.path().join(name).join(MANIFEST_FILE), "").unwrap();
        }
        let found = folders(root.path()).unwrap();
        assert_eq!(found, [root.path().join("a"), root.path().join("b")]);
    }
}
