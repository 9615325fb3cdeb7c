//! Uploads that go on after they broke off: parts that are kept as they arrive, and made a file at the end.
//!
//! Whoever began one goes on with it. Policies, quota and types are asked when it begins, and again, as for any
//! other file, when its parts become one. Nothing here knows the protocol that brings the bytes.

use bytes::Bytes;
use serde::Deserialize;
use uuid::Uuid;

use super::content::Pending;
use super::download::Content;
use super::upload::{Upload, Wanted, Written};
use super::{Caller, Precondition, rows};
use crate::db::run::Effect;
use crate::error::HostError;
use crate::limits::{RESUMABLE_PART_BYTES, UPLOAD_TIME};

/// An upload that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Resumable {
    #[serde(skip)]
    id: Uuid,
    user_id: Option<String>,
    path: String,
    mime_type: Option<String>,
    /// How long it will be.
    #[serde(deserialize_with = "rows::number")]
    pub length: u64,
    /// How many bytes have arrived.
    #[serde(deserialize_with = "rows::number")]
    pub received: u64,
    /// Until when it waits for the rest: RFC 3339.
    pub expires_at: String,
}

#[derive(Deserialize)]
struct Part {
    version: Uuid,
    #[serde(deserialize_with = "rows::number")]
    size: u64,
}

#[derive(Deserialize)]
struct Done {
    #[serde(rename = "done")]
    _done: serde_json::Value,
}

const COLUMNS: [&str; 6] = [
    "user_id",
    "path",
    "mime_type",
    "length",
    "received",
    "expires_at",
];

impl Resumable {
    /// Begins one, if policies and limits allow the file that it would make.
    ///
    /// # Errors
    /// As [`Upload::begin`]; `uploads_waiting`.
    pub async fn begin(caller: &Caller, wanted: Wanted) -> Result<Resumable, HostError> {
        let length = wanted.size.unwrap_or_default();
        let (path, mime_type) = (wanted.path.clone(), wanted.mime_type.clone());
        // Only asked: what it would write is dropped.
        drop(Upload::begin(caller.clone(), wanted).await?);
        let id = Uuid::now_v7();
        let arguments = vec![
            rows::uuid(Some(id)),
            rows::text(caller.identity.subject().map(str::to_owned)),
            rows::text(Some(path.to_string())),
            rows::text(mime_type),
            rows::bigint(length),
            rows::bigint(UPLOAD_TIME.as_secs()),
        ];
        let begin = ("begin_upload", &[][..], Effect::Writes);
        caller.ask_uploads::<Done>(begin, arguments).await?;
        Resumable::find(caller, id).await
    }

    /// The upload of that id, for whoever began it.
    ///
    /// # Errors
    /// `unknown_upload`
    pub async fn find(caller: &Caller, id: Uuid) -> Result<Resumable, HostError> {
        let which = vec![rows::uuid(Some(id))];
        let asked = ("upload", &COLUMNS[..], Effect::Reads);
        let found: Vec<Resumable> = caller.ask_uploads(asked, which).await?;
        let mut found = found.into_iter();
        let mine = found.find(|upload| {
            let subject = caller.identity.subject();
            upload.user_id.as_deref() == subject
        });
        let mut upload = mine.ok_or_else(HostError::unknown_upload)?;
        upload.id = id;
        Ok(upload)
    }

    /// Which one it is.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether all of it has arrived.
    pub fn is_complete(&self) -> bool {
        self.received == self.length
    }

    /// Makes a file of what has arrived, and ends the upload.
    ///
    /// # Errors
    /// As [`Upload::finish`]. What the file is refused for ends the upload too.
    pub async fn finish(&self, caller: &Caller) -> Result<Written, HostError> {
        let written = self.write(caller).await;
        let passing = |error: &HostError| error.kind() == crate::error::ErrorKind::Unavailable;
        if !written.as_ref().is_err_and(passing) {
            self.end(caller).await?;
        }
        written
    }

    async fn write(&self, caller: &Caller) -> Result<Written, HostError> {
        let wanted = Wanted {
            path: self
                .path
                .parse()
                .map_err(|error| HostError::invalid_path(&error))?,
            mime_type: self.mime_type.clone(),
            size: Some(self.length),
            precondition: Precondition::Anything,
            url: None,
        };
        let which = vec![rows::uuid(Some(self.id))];
        let asked = ("upload_parts", &["version", "size"][..], Effect::Reads);
        let parts: Vec<Part> = caller.ask_uploads(asked, which).await?;
        let mut upload = Upload::begin(caller.clone(), wanted).await?;
        for part in parts {
            let mut content = Content::new(caller, part.version, 0..part.size)?;
            while let Some(piece) = content.next().await? {
                upload.write(piece).await?;
            }
        }
        upload.finish().await
    }

    /// Ends the upload: what has arrived goes.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn end(&self, caller: &Caller) -> Result<(), HostError> {
        let end = ("end_upload", &[][..], Effect::Writes);
        let which = vec![rows::uuid(Some(self.id))];
        caller.ask_uploads::<Done>(end, which).await.map(drop)
    }
}

/// Bytes that arrive for an upload, from where it goes on.
pub struct Resumed {
    caller: Caller,
    upload: Resumable,
    part: Option<(Uuid, Pending, u64)>,
}

impl Resumed {
    /// Goes on with an upload after so many bytes.
    ///
    /// # Errors
    /// `upload_elsewhere` where others have arrived.
    pub fn begin(caller: Caller, upload: Resumable, after: u64) -> Result<Resumed, HostError> {
        match upload.received == after {
            true => Ok(Resumed {
                caller,
                upload,
                part: None,
            }),
            false => Err(HostError::upload_elsewhere()),
        }
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// `upload_incomplete` for more than were announced; `store_away`, `upload_elsewhere`.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), HostError> {
        let here = self.part.as_ref().map_or(0, |(_, _, size)| *size);
        let all = self
            .upload
            .received
            .saturating_add(here)
            .saturating_add(bytes.len() as u64);
        if all > self.upload.length {
            return Err(HostError::file_too_large(self.upload.length));
        }
        let (_, pending, size) = match &mut self.part {
            Some(part) => part,
            none => none.insert(Self::part(&self.caller, self.upload.id).await?),
        };
        *size += bytes.len() as u64;
        let is_full = *size >= RESUMABLE_PART_BYTES;
        pending.write(bytes).await?;
        match is_full {
            true => self.keep().await,
            false => Ok(()),
        }
    }

    async fn part(caller: &Caller, upload: Uuid) -> Result<(Uuid, Pending, u64), HostError> {
        let version = Uuid::now_v7();
        let arguments = vec![rows::uuid(Some(upload)), rows::uuid(Some(version))];
        let begin = ("begin_part", &[][..], Effect::Writes);
        caller.ask_uploads::<Done>(begin, arguments).await?;
        Ok((version, Pending::new(caller, version)?, 0))
    }

    /// Writes down what has arrived so far.
    ///
    /// # Errors
    /// `upload_elsewhere` where somebody else was faster; `store_away`.
    pub async fn keep(&mut self) -> Result<(), HostError> {
        let Some((version, mut pending, size)) = self.part.take() else {
            return Ok(());
        };
        pending.complete().await?;
        let arguments = vec![
            rows::uuid(Some(self.upload.id)),
            rows::bigint(self.upload.received),
            rows::bigint(size),
            rows::uuid(Some(version)),
        ];
        let add = ("add_part", &[][..], Effect::Writes);
        self.caller.ask_uploads::<Done>(add, arguments).await?;
        pending.keep();
        self.upload.received += size;
        Ok(())
    }

    /// The upload, with all that was written down.
    pub fn into_upload(self) -> Resumable {
        self.upload
    }
}
