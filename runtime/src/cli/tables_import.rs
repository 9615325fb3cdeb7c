//! `koyalite tables import`: another Postgres' tables and policies as a `schema.json`, and its rows if
//! asked for.
//!
//! The source is read by this program, on the machine where it runs: the server never learns its
//! address or its password, and neither does whoever lists the machine's processes.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use futures::TryStreamExt as _;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::config::{IMPORT_VARIABLE, import_url};
use crate::import::{Imported, Source, SourceError};
use crate::registry::migration::SchemaFile;

use super::args::ControlArgs;
use super::client::Client;
use super::error::CliError;
use super::output::{table, typed};
use super::tables_import_left::{self as left, Left};
use super::tables_seed::{bar, send};

/// Rows that are read before they are sent; each batch of them is cut again to what one request takes.
const ROWS_READ_AT_ONCE: usize = 1000;

#[derive(Debug, Args)]
#[command(
    after_help = "The address of the source comes from the environment or a file, never from the \
                  command line:\n  KOYALITE_IMPORT_URL=postgres://… koyalite tables import\n  \
                  koyalite tables import --url-file source.txt --schema shop --out shop.json\n\n\
                  Then look at the notes and the file, and: koyalite tables apply\n\
                  With --data the tables are made at once and filled, references and policies last; what \
                  breaks off is undone, by the next import if this one is killed."
)]
pub(super) struct ImportArgs {
    /// The schema to read
    #[arg(long, default_value = "public")]
    schema: String,
    /// A file that holds the address of the source: postgres://user:password@host/database
    #[arg(long, value_name = "FILE")]
    url_file: Option<PathBuf>,
    /// The file to write; one that exists is not written over
    #[arg(long, value_name = "FILE", default_value = "schema.json")]
    out: PathBuf,
    /// Make the tables and copy the rows too
    #[arg(long)]
    data: bool,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Report {
    tables: Vec<String>,
    policies: usize,
    rows: Option<u64>,
    notes: Vec<Note>,
}

#[derive(Deserialize)]
struct Note {
    subject: String,
    reason: String,
}

impl ImportArgs {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let killed = self.data && left::place(&self.out).exists();
        if self.out.exists() && !killed {
            let out = self.out.display();
            return Err(CliError::Usage(anyhow!(
                "{out} exists; name another file with --out"
            )));
        }
        let url = self.url().map_err(CliError::Usage)?;
        let mut source = Source::open(&url, &self.schema).await.map_err(failed)?;
        let imported = source.read().await.map_err(failed)?;
        let text = serde_json::to_string_pretty(&imported.file)
            .context("cannot write the schema as JSON")?;
        std::fs::write(&self.out, text + "\n")
            .with_context(|| format!("cannot write {}", self.out.display()))?;
        let rows = match self.data {
            true => Some(self.filled(&mut source, &imported).await?),
            false => None,
        };
        let names = imported.file.tables.iter().map(|table| &table.name);
        let report = json!({
            "file": self.out, "tables": names.collect::<Vec<_>>(), "rows": rows,
            "policies": imported.file.policies.len(), "notes": imported.notes,
        });
        let out = self.out.display().to_string();
        self.server
            .output()
            .show(report, |report: Report| report.told(&out))
    }

    fn url(&self) -> anyhow::Result<String> {
        let Some(file) = &self.url_file else {
            return import_url().with_context(|| {
                format!("name the source in {IMPORT_VARIABLE}, or in a file with --url-file")
            });
        };
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("cannot read {}", file.display()))?;
        Ok(text.trim().to_owned())
    }

    /// All of it or nothing: what broke off is undone, file and tables.
    async fn filled(&self, source: &mut Source, imported: &Imported) -> Result<u64, CliError> {
        let client = self.server.client()?;
        let place = left::place(&self.out);
        if place.exists() {
            Left::drop_tables(&place, &client, &self.server).await?;
        }
        let free = self.refuse_if_there(&client, imported).await;
        let filled = match free {
            Ok(()) => self.fill(&client, source, imported).await,
            Err(taken) => Err(taken),
        };
        if filled.is_err() {
            // As if it had not been written, so that the same command can be given again.
            let _ = std::fs::remove_file(&self.out);
        }
        filled
    }

    /// Makes the tables, fills them, and then adds what would be in the way of rows in any order.
    async fn fill(
        &self,
        client: &Client,
        source: &mut Source,
        imported: &Imported,
    ) -> Result<u64, CliError> {
        let place = left::place(&self.out);
        let tables = imported.file.tables.iter();
        let tables = tables.map(|table| table.name.clone()).collect();
        Left::note(&place, (client, &self.server), tables).await?;
        let filled = self.make_and_copy(client, source, imported).await;
        left::forget(&place);
        filled
    }

    async fn make_and_copy(
        &self,
        client: &Client,
        source: &mut Source,
        imported: &Imported,
    ) -> Result<u64, CliError> {
        let bare = without_references(&imported.file);
        let path = self.server.path(["schema"]);
        client.send(Method::PUT, &path, &bare).await?;
        let filled = self.copy_all(client, source, imported).await;
        if filled.is_err() {
            self.undo(client, imported).await;
        }
        filled
    }

    /// Drops the tables that were made, which nobody but an administrator could reach.
    async fn undo(&self, client: &Client, imported: &Imported) {
        let mut left = Vec::new();
        for table in &imported.file.tables {
            let path = self.server.path(["tables", &table.name]) + "?lose_data=true";
            let dropped = client.send(Method::DELETE, &path, &json!({})).await;
            if dropped.is_err() {
                left.push(table.name.as_str());
            }
        }
        match left.as_slice() {
            [] => eprintln!("nothing is left of it: the tables that were made are dropped again"),
            left => eprintln!(
                "these tables are left, some of their rows in them, and answer nobody: {}; drop \
                 each with koyalite tables drop NAME --lose-data before the next try",
                left.join(", ")
            ),
        }
    }

    async fn copy_all(
        &self,
        client: &Client,
        source: &mut Source,
        imported: &Imported,
    ) -> Result<u64, CliError> {
        let path = self.server.path(["schema"]);
        let mut written = 0;
        for (table, columns) in &imported.rows {
            if imported.file.tables.iter().any(|new| &new.name == table) {
                written += self.copy(client, source, (table, columns)).await?;
            }
        }
        client.send(Method::PUT, &path, &imported.file).await?;
        Ok(written)
    }

    async fn refuse_if_there(&self, client: &Client, imported: &Imported) -> Result<(), CliError> {
        #[derive(Deserialize)]
        struct Tables {
            items: Vec<Named>,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let there: Tables = typed(client.list(&self.server.path(["tables"])).await?)?;
        let wanted = |name: &str| imported.file.tables.iter().any(|new| new.name == name);
        match there.items.iter().find(|table| wanted(&table.name)) {
            None => Ok(()),
            Some(Named { name }) => Err(CliError::Usage(anyhow!(
                "the project has a table {name} already; rows are copied into new tables only"
            ))),
        }
    }

    /// Copies the rows of one table.
    async fn copy(
        &self,
        client: &Client,
        source: &mut Source,
        (table, columns): (&str, &[(String, String)]),
    ) -> Result<u64, CliError> {
        let all = source.count(table).await.map_err(failed)?;
        let path = self.server.path(["tables", table, "rows"]);
        let bar = bar(all)?;
        bar.set_message(table.to_owned());
        let mut rows = Box::pin(source.rows(table, columns));
        let mut pending: Vec<Box<RawValue>> = Vec::new();
        loop {
            let row = rows.try_next().await.map_err(failed)?;
            let ended = row.is_none();
            if let Some(row) = row {
                pending.push(RawValue::from_string(row).context("the source sent no JSON")?);
            }
            if ended || pending.len() >= ROWS_READ_AT_ONCE {
                let sent = send(client, &path, &pending, &bar).await;
                if let Err(error) = sent {
                    bar.abandon();
                    eprintln!(
                        "{} of {all} rows of {table} were written before:",
                        bar.position()
                    );
                    return Err(error);
                }
                pending.clear();
            }
            if ended {
                bar.finish_and_clear();
                return Ok(bar.position());
            }
        }
    }
}

/// Whose turn it is: a wrong address or schema is for the user to mend.
fn failed(error: SourceError) -> CliError {
    match error {
        SourceError::Address | SourceError::Empty(_) => CliError::Usage(error.into()),
        SourceError::Failed(_) => CliError::Failed(error.into()),
    }
}

/// The tables alone, in which rows can stand in any order.
fn without_references(file: &SchemaFile) -> SchemaFile {
    let mut tables = file.tables.clone();
    for column in tables.iter_mut().flat_map(|table| &mut table.columns) {
        column.references = None;
    }
    SchemaFile {
        tables,
        ..SchemaFile::default()
    }
}

impl Report {
    fn told(&self, out: &str) -> String {
        let notes = self
            .notes
            .iter()
            .map(|note| [note.subject.clone(), note.reason.clone()]);
        let notes = table(
            ["WHAT", "NOTE"],
            notes.collect(),
            "everything was carried over",
        );
        let rows = match self.rows {
            Some(rows) => format!("{rows} rows are copied; the tables and policies are made"),
            None => "look at it, then: koyalite tables apply".to_owned(),
        };
        format!(
            "{notes}\n\n{out}: {} table(s), {} policies\n{rows}",
            self.tables.len(),
            self.policies
        )
    }
}
