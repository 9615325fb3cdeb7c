//! What Postgres is asked about files, each under a permit of the policies.

use koyalite_policy::{ColumnType, Command, Permit, Resource, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Caller, FilePath};
use crate::db::bind::Bind;
use crate::db::rows::Read;
use crate::db::run::{Effect, Statement};
use crate::db::sql::{self, FileCell, FileWrite, Found};
use crate::error::{HostError, Refused};
use crate::outbox;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Its id, the same for as long as there is a file of that path.
    pub id: Uuid,
    /// Whose it is; none: nobody's, or a service's.
    pub user_id: Option<String>,
    /// Its path.
    pub path: String,
    /// Its media type.
    pub mime_type: String,
    /// Its bytes.
    #[serde(deserialize_with = "number")]
    pub size: u64,
    /// When there was first a file of that path.
    pub created_at: String,
    /// When it was last written or moved.
    pub updated_at: String,
    /// Another with every content.
    pub version: Uuid,
    /// The hash of its content, in hexadecimal.
    pub sha256: String,
}

impl FileInfo {
    /// The version as HTTP compares it, without quotation marks.
    pub fn etag(&self) -> String {
        self.version.simple().to_string()
    }
}

/// Large numbers come as text.
pub(super) fn number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// What is at a path, whoever may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Present {
    pub(super) version: Uuid,
    #[serde(deserialize_with = "number")]
    pub(super) size: u64,
}

/// What a write is about, as policies see it.
pub(super) struct Draft<'a> {
    pub(super) path: &'a FilePath,
    pub(super) mime_type: &'a str,
    pub(super) size: u64,
    pub(super) version: Uuid,
    pub(super) sha256: &'a str,
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    done: serde_json::Value,
}

impl Caller {
    pub(super) fn permit(&self, command: Command) -> Result<Permit, HostError> {
        outbox::permit(&self.project, &self.identity, (command, Resource::Files))
    }

    async fn run(&self, command: Command, statement: &Statement) -> Result<Read, HostError> {
        let told = self.project.told(&self.identity);
        let read = self.project.database.run(told.as_ref(), statement).await;
        read.map_err(|error| {
            error.refused_by(|| {
                vec![Refused {
                    table: Resource::Files.shape().name,
                    commands: vec![command],
                }]
            })
        })
    }

    /// The files that this caller may see.
    pub(super) async fn find(&self, found: Found) -> Result<Vec<FileInfo>, HostError> {
        let permit = self.permit(Command::Select)?;
        let statement = sql::find_files(&permit, self.project.database.schema(), found);
        let read = self.run(Command::Select, &statement).await?;
        serde_json::from_str(&read.rows).map_err(HostError::internal)
    }

    /// That this caller may write somewhere.
    pub(super) fn writing(&self) -> Result<Permit, HostError> {
        let insert = self.permit(Command::Insert);
        insert.or_else(|refused| self.permit(Command::Update).map_err(|_| refused))
    }

    /// Asks a function of `koyalite_api` about uploads; its rows.
    pub(super) async fn ask_uploads<T: serde::de::DeserializeOwned>(
        &self,
        asked: (&str, &[&str], Effect),
        arguments: Vec<Bind>,
    ) -> Result<Vec<T>, HostError> {
        let permit = self.writing()?;
        let statement = sql::call_files(&permit, asked, arguments);
        let read = self.run(permit.command(), &statement).await?;
        serde_json::from_str(&read.rows).map_err(HostError::internal)
    }

    /// What is at a path, for a caller who may write somewhere.
    pub(super) async fn peek(&self, path: &FilePath) -> Result<Option<Present>, HostError> {
        let permit = self.writing()?;
        let statement = sql::peek_file(&permit, path.as_str().to_owned());
        let read = self.run(permit.command(), &statement).await?;
        let found: Vec<Present> = serde_json::from_str(&read.rows).map_err(HostError::internal)?;
        Ok(found.into_iter().next())
    }

    /// Writes a row through a function of `koyalite_api`, in place of what is there or as a new one. What the
    /// function answered; none where what it takes the place of is not there any more.
    pub(super) async fn write(
        &self,
        function: &'static str,
        draft: &Draft<'_>,
        (before, more): (Option<&FilePath>, Vec<Bind>),
    ) -> Result<Option<serde_json::Value>, HostError> {
        let command = match before {
            Some(_) => Command::Update,
            None => Command::Insert,
        };
        let permit = self.permit(command)?;
        let write = FileWrite {
            function,
            row: row(self, draft, before.is_some()),
            more,
            replaces: before.map(|path| path.as_str().to_owned()),
        };
        let statement = sql::write_file(&permit, self.project.database.schema(), write);
        let read = self.run(command, &statement).await;
        let read = read.map_err(|error| match error.code() {
            "already_exists" => HostError::file_exists(),
            _ => error,
        })?;
        done(&read)
    }

    /// Deletes what is at a path, if it is that version still.
    pub(super) async fn remove(&self, path: &FilePath, seen: Uuid) -> Result<bool, HostError> {
        let permit = self.permit(Command::Delete)?;
        let which = (path.as_str().to_owned(), seen);
        let statement = sql::delete_file(&permit, self.project.database.schema(), which);
        let read = self.run(Command::Delete, &statement).await?;
        Ok(done(&read)?.is_some())
    }

    /// Writes down what the store calls the upload of content that was begun.
    pub(super) async fn note_upload(&self, version: Uuid, name: &str) -> Result<(), HostError> {
        let arguments = vec![uuid(Some(version)), text(Some(name.to_owned()))];
        let note = ("note_upload", &[][..], Effect::Writes);
        self.ask_uploads::<Done>(note, arguments).await.map(drop)
    }

    /// Lets go of content that was begun.
    pub(super) async fn drop_content(&self, version: Uuid) -> Result<(), HostError> {
        let statement = sql::drop_content(version);
        self.run(Command::Insert, &statement).await.map(drop)
    }
}

fn done(read: &Read) -> Result<Option<serde_json::Value>, HostError> {
    let done: Vec<Done> = serde_json::from_str(&read.rows).map_err(HostError::internal)?;
    Ok(done.into_iter().next().map(|row| row.done))
}

/// All columns of the resource, in its order. What replaces a file stays its owner's.
fn row(caller: &Caller, draft: &Draft<'_>, replaces: bool) -> Vec<(&'static str, FileCell)> {
    let value = |bind| FileCell::Value(bind);
    let subject = caller.identity.subject().map(str::to_owned);
    let (user_id, created_at) = match replaces {
        true => (FileCell::Before, FileCell::Before),
        false => (value(text(subject)), FileCell::Now),
    };
    vec![
        ("user_id", user_id),
        ("path", value(text(Some(draft.path.to_string())))),
        ("folder", value(text(Some(draft.path.folder().to_owned())))),
        ("mime_type", value(text(Some(draft.mime_type.to_owned())))),
        ("size", value(bigint(draft.size))),
        ("created_at", created_at),
        ("version", value(uuid(Some(draft.version)))),
        ("sha256", value(text(Some(draft.sha256.to_owned())))),
        (
            "etag",
            value(text(Some(draft.version.simple().to_string()))),
        ),
    ]
}

pub(super) fn text(value: Option<String>) -> Bind {
    typed(value.map(Value::Text), ColumnType::Text)
}

pub(super) fn uuid(value: Option<Uuid>) -> Bind {
    typed(value.map(Value::Uuid), ColumnType::Uuid)
}

pub(super) fn moment(value: Option<String>) -> Bind {
    typed(value.map(Value::Timestamptz), ColumnType::Timestamptz)
}

pub(super) fn bigint(value: u64) -> Bind {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    typed(Some(Value::Integer(value)), ColumnType::Bigint)
}

fn typed(value: Option<Value>, ty: ColumnType) -> Bind {
    Bind::Typed {
        value: value.unwrap_or(Value::Null),
        ty,
    }
}
