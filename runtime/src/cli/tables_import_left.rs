//! What an import with rows notes down before it makes tables, so that one that was killed can be given
//! again: the next finds the note beside the file and drops what the first had made.
//!
//! Tables are dropped by their name, so it does so only while nothing of the project's schema has changed
//! since: no other change is in the history, and no policy lets anybody reach them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::args::ControlArgs;
use super::client::Client;
use super::error::CliError;
use super::output::typed;

/// A note of an import that has begun and not ended.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Left {
    control: String,
    project: String,
    tables: Vec<String>,
    /// The change of the schema before the one that makes the tables; none if that is the first.
    before: Option<i64>,
}

#[derive(Deserialize)]
struct Items<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Change {
    seq: i64,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct OnTable {
    table: String,
}

/// Where the note of an import to that file lies.
pub(super) fn place(out: &Path) -> PathBuf {
    let mut place = out.as_os_str().to_owned();
    place.push(".unfinished");
    PathBuf::from(place)
}

impl Left {
    /// Notes down that these tables are about to be made.
    pub(super) async fn note(
        place: &Path,
        (client, server): (&Client, &ControlArgs),
        tables: Vec<String>,
    ) -> Result<(), CliError> {
        let left = Left {
            control: server.control.clone(),
            project: server.project.clone(),
            tables,
            before: changes(client, server).await?.first().copied(),
        };
        let text = serde_json::to_string(&left).context("cannot write a note as JSON")?;
        std::fs::write(place, text)
            .with_context(|| format!("cannot write {}", place.display()))
            .map_err(CliError::Failed)
    }

    /// Drops what the import had made that the note is of, and then the note.
    pub(super) async fn drop_tables(
        place: &Path,
        client: &Client,
        server: &ControlArgs,
    ) -> Result<(), CliError> {
        let text = std::fs::read_to_string(place)
            .with_context(|| format!("cannot read {}", place.display()))?;
        let left: Left = serde_json::from_str(&text)
            .with_context(|| format!("{} is no note of an import", place.display()))?;
        if (&left.control, &left.project) != (&server.control, &server.project) {
            return Err(CliError::Usage(anyhow!(
                "{} is the note of an import into {} at {} that was killed; import there again, or \
                 remove the note",
                place.display(),
                left.project,
                left.control
            )));
        }
        let made = left.made(client, server).await?;
        if !made.is_empty() && !left.is_all_that_changed(client, server).await? {
            return Err(CliError::Usage(anyhow!(
                "the project has changed since an import into it was killed, which had made {}: drop what \
                 you do not want with koyalite tables drop NAME --lose-data, and remove {}",
                made.join(", "),
                place.display()
            )));
        }
        for table in &made {
            let path = server.path(["tables", table]) + "?lose_data=true";
            client.send(Method::DELETE, &path, &json!({})).await?;
        }
        if !made.is_empty() {
            let made = made.join(", ");
            eprintln!("an import was killed; what it had made is dropped: {made}");
        }
        forget(place);
        Ok(())
    }

    /// Those of its tables that are there.
    async fn made(&self, client: &Client, server: &ControlArgs) -> Result<Vec<String>, CliError> {
        let there: Items<Named> = typed(client.list(&server.path(["tables"])).await?)?;
        let there = there.items.into_iter().map(|table| table.name);
        Ok(there.filter(|name| self.tables.contains(name)).collect())
    }

    /// Whether the import made the last change, and nobody can reach its tables.
    async fn is_all_that_changed(
        &self,
        client: &Client,
        server: &ControlArgs,
    ) -> Result<bool, CliError> {
        let policies = client.list(&server.path(["policies"])).await?;
        let policies: Items<OnTable> = typed(policies)?;
        let reached = |policy: &OnTable| self.tables.contains(&policy.table);
        let before = changes(client, server).await?.get(1).copied();
        Ok(before == self.before && !policies.items.iter().any(reached))
    }
}

/// The import has ended, or is undone.
pub(super) fn forget(place: &Path) {
    let _ = std::fs::remove_file(place);
}

/// The last changes of the schema, the newest first.
async fn changes(client: &Client, server: &ControlArgs) -> Result<Vec<i64>, CliError> {
    let history = client.get(&server.path(["schema", "history"])).await?;
    let history: Items<Change> = typed(history)?;
    Ok(history.items.into_iter().map(|change| change.seq).collect())
}
