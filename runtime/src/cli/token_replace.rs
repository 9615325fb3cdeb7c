//! `koyalite token replace`: another token in the place of one that may have been seen. Without an id it
//! is the one in the administrator's file, where the new one is put.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::args::{ControlArgs, encode};
use super::client::Client;
use super::error::CliError;
use super::find_token::find_token_file;
use super::output::{Format, typed};
use super::token::Minted;
use crate::keys::{FileError, Token, token_file};

#[derive(Debug, Args)]
pub(super) struct ReplaceArgs {
    /// Its id, as `koyalite token list` shows it; without one, the token in the file
    id: Option<String>,
    /// The file of the token [default: the nearest `.koyalite/token` from here upward]
    #[arg(long, value_name = "PATH", conflicts_with = "id")]
    file: Option<PathBuf>,
    #[command(flatten)]
    server: ControlArgs,
}

impl ReplaceArgs {
    /// Replaces one of the list, or the one in the file.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let Some(id) = &self.id else {
            return self.in_file().await;
        };
        let answer = replace(&self.server.client()?, id).await?;
        let output = self.server.output();
        output.show(answer, |minted: Minted| minted.token)
    }

    async fn in_file(self) -> Result<(), CliError> {
        let found = match self.file {
            Some(file) => Some(file),
            None => find_token_file()?,
        };
        let path = found.ok_or_else(|| {
            CliError::Usage(anyhow!(
                "there is no `.koyalite/token` here or above; name a file with --file, or a token by its id"
            ))
        })?;
        let old = token_file::read(&path).map_err(unreadable)?;
        let id = token_file::id(&old).ok_or_else(|| {
            CliError::Usage(anyhow!(
                "the token in {} is of a release that did not list them; start the server again, and it \
                 writes one that can be replaced",
                path.display()
            ))
        })?;
        // The token in the file speaks for itself, unless another one is given.
        let token = self.server.token.clone();
        let speaking = token.unwrap_or_else(|| old.expose().to_owned());
        let client = Client::new(&self.server.control, Some(speaking))?;
        let answer = replace(&client, &id.to_string()).await?;
        let minted: Minted = typed(answer.clone())?;
        keep(&path, minted.token, |token| {
            self.server.output().line(token)
        })?;
        match self.server.output().format() {
            // Not the token: it is in the file, and a terminal may be seen.
            Format::Human => {
                let said = format!("replaced; the new token is in {}", path.display());
                self.server.output().line(&said)
            }
            Format::Json => {
                let said = json!({ "id": answer.get("id"), "expires_at": answer.get("expires_at"),
                    "file": path.display().to_string() });
                self.server.output().line(&format!("{said:#}"))
            }
        }
    }
}

async fn replace(client: &Client, id: &str) -> Result<Value, CliError> {
    let path = format!("/v1/tokens/{}/replace", encode(id));
    client.send(Method::POST, &path, &json!({})).await
}

fn unreadable(error: FileError) -> CliError {
    CliError::Usage(error.into())
}

/// Puts the new token into the file. The old one is good no longer, so where that fails the new one is
/// told, or nobody had any.
fn keep(
    path: &Path,
    token: String,
    tell: impl FnOnce(&str) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let token = Token::new(token);
    let Err(failed) = token_file::write(path, &token) else {
        return Ok(());
    };
    tell(token.expose())?;
    let failed = Err(anyhow::Error::new(failed));
    failed.context("the token was replaced by the one above, which could not be kept")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_cannot_be_kept_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut told = None;
        let tell = |token: &str| {
            told = Some(token.to_owned());
            Ok(())
        };
        // A folder is in the place of the file.
        let kept = keep(folder.path(), "a.b.c".to_owned(), tell);
        assert!(kept.unwrap_err().to_string().contains("could not be kept"));
        assert_eq!(told.as_deref(), Some("a.b.c"));

        let file = folder.path().join("token");
        keep(&file, "d.e.f".to_owned(), |_| panic!("kept")).unwrap();
        assert_eq!(token_file::read(&file).unwrap().expose(), "d.e.f");
    }
}
