//! A file on its way in: asked for, counted and hashed while it comes, and asked for again at its end.
//!
//! Nothing of it is a file before [`Upload::finish`] has answered; dropped before, it was never there.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use koyalite_policy::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::content::Pending;
use super::rows::{self, Draft, FileInfo, Present};
use super::sniff::{self, SNIFFED_BYTES, UNKNOWN};
use super::{Caller, FilePath, Redeemed};
use crate::db::sql::Found;
use crate::error::HostError;
use crate::limits::FILE_ATTEMPTS;

/// What is to become a file.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its path.
    pub path: FilePath,
    /// Its media type, as its sender says; none: what it begins like.
    pub mime_type: Option<String>,
    /// Its size, where that is known before.
    pub size: Option<u64>,
    /// What must be there now.
    pub precondition: Precondition,
    /// The signed URL that it is sent to.
    pub url: Option<Redeemed>,
}

/// What must be at a path for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Anything or nothing.
    Anything,
    /// Nothing.
    Nothing,
    /// Something.
    Something,
    /// One of these versions, as [`FileInfo::etag`] has them.
    OneOf(Vec<String>),
}

impl Precondition {
    /// Whether it holds of what is there.
    fn check(&self, present: Option<Uuid>) -> Result<(), HostError> {
        let holds = match (self, present) {
            (Precondition::Anything, _) => true,
            (Precondition::Nothing, present) => present.is_none(),
            (Precondition::Something, present) => present.is_some(),
            (Precondition::OneOf(_), None) => false,
            (Precondition::OneOf(etags), Some(version)) => {
                etags.contains(&version.simple().to_string())
            }
        };
        match holds {
            true => Ok(()),
            false => Err(HostError::file_changed()),
        }
    }

    /// The same, of a file that the caller may see.
    pub(super) fn check_file(&self, file: &FileInfo) -> Result<(), HostError> {
        self.check(Some(file.version))
    }
}

/// A file that has just been written.
#[derive(Debug, Clone)]
pub struct Written {
    /// What it is.
    pub file: FileInfo,
    /// The version that it has taken the place of.
    pub replaced: Option<Uuid>,
}

/// A file on its way in.
pub struct Upload {
    caller: Caller,
    wanted: Wanted,
    version: Uuid,
    content: Pending,
    hash: Sha256,
    size: u64,
    /// What the file may have, and whether that is the project's room.
    limit: Limit,
    /// The first bytes, until it is known what they are.
    head: Vec<u8>,
    /// What it is, once that is known.
    kind: Option<String>,
}

#[derive(Clone, Copy)]
struct Limit {
    file: u64,
    room: u64,
}

impl Limit {
    fn check(self, size: u64) -> Result<(), HostError> {
        match size {
            size if size > self.file => Err(HostError::file_too_large(self.file)),
            size if size > self.room => Err(HostError::storage_quota(&self.room.to_string())),
            _ => Ok(()),
        }
    }
}

impl Upload {
    /// Begins one, if policies, limits and what is there allow it.
    ///
    /// # Errors
    /// Denials as for tables; `file_changed`, `file_too_large`, `storage_quota`, `type_not_allowed`.
    pub async fn begin(caller: Caller, wanted: Wanted) -> Result<Upload, HostError> {
        let taken = &caller.project.files.limits;
        let file_bytes = wanted.url.as_ref().and_then(|url| url.size_max);
        let file_bytes = file_bytes.map_or(taken.file_bytes, |max| max.min(taken.file_bytes));
        let limit = Limit {
            file: file_bytes,
            room: u64::MAX,
        };
        let announced = wanted.size.unwrap_or_default();
        limit.check(announced)?;
        if let Some(declared) = &wanted.mime_type {
            check_type(&caller, declared)?;
        }
        let version = Uuid::now_v7();
        let content = Pending::new(&caller, version)?;
        let mut upload = Upload {
            caller,
            wanted,
            version,
            content,
            hash: Sha256::new(),
            size: 0,
            limit,
            head: Vec::new(),
            kind: None,
        };
        upload.limit.room = upload.ask(announced).await?;
        Ok(upload)
    }

    /// The first look of policies and quota. For how many bytes there is room.
    async fn ask(&self, announced: u64) -> Result<u64, HostError> {
        let path = &self.wanted.path;
        let draft = Draft {
            path,
            mime_type: self.wanted.mime_type.as_deref().unwrap_or(UNKNOWN),
            size: announced,
            version: self.version,
            sha256: "",
        };
        for _ in 0..FILE_ATTEMPTS {
            let present = self.present().await?;
            let before = present.map(|_| path);
            let replaced = rows::bigint(present.map_or(0, |present| present.size));
            let room = self
                .caller
                .write("begin_file", &draft, (before, vec![replaced]))
                .await?;
            match room {
                Some(room) => return Ok(room.as_u64().unwrap_or(u64::MAX)),
                // It was deleted meanwhile.
                None => continue,
            }
        }
        Err(HostError::file_changed())
    }

    async fn present(&self) -> Result<Option<Present>, HostError> {
        let present = self.caller.peek(&self.wanted.path).await?;
        let version = present.map(|present| present.version);
        self.wanted.precondition.check(version)?;
        Ok(present)
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// `file_too_large`, `storage_quota`, `type_mismatch`, `store_away`. The upload is over then.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), HostError> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        self.limit.check(self.size)?;
        self.hash.update(&bytes);
        if self.kind.is_none() {
            let missing = SNIFFED_BYTES.saturating_sub(self.head.len());
            let head = bytes.get(..missing.min(bytes.len()));
            self.head.extend_from_slice(head.unwrap_or_default());
            if self.head.len() >= SNIFFED_BYTES {
                self.settle()?;
            }
        }
        self.content.write(bytes).await
    }

    fn settle(&mut self) -> Result<String, HostError> {
        let declared = self.wanted.mime_type.as_deref();
        let settled = sniff::settle(declared, &self.head);
        let kind = settled
            .map_err(|found| HostError::type_mismatch(declared.unwrap_or_default(), found))?;
        check_type(&self.caller, &kind)?;
        self.kind = Some(kind.clone());
        Ok(kind)
    }

    /// Makes a file of what was taken, if policies and what is there still allow it.
    ///
    /// # Errors
    /// As [`Upload::begin`]; `upload_incomplete` where it is not as long as announced.
    pub async fn finish(mut self) -> Result<Written, HostError> {
        if self
            .wanted
            .size
            .is_some_and(|announced| announced != self.size)
        {
            return Err(HostError::upload_incomplete());
        }
        let mime_type = match self.kind.take() {
            Some(kind) => kind,
            None => self.settle()?,
        };
        self.content.complete().await?;
        let sha256 = hex::encode(std::mem::take(&mut self.hash).finalize());
        let replaced = self.commit(&mime_type, &sha256).await?;
        self.content.keep();
        Ok(Written {
            file: self.written(mime_type, sha256).await,
            replaced: replaced.map(|present| present.version),
        })
    }

    /// What it has taken the place of.
    async fn commit(&self, mime_type: &str, sha256: &str) -> Result<Option<Present>, HostError> {
        let path = &self.wanted.path;
        let draft = Draft {
            path,
            mime_type,
            size: self.size,
            version: self.version,
            sha256,
        };
        for _ in 0..FILE_ATTEMPTS {
            let present = self.present().await?;
            let before = present.map(|_| path);
            let more = more(path, present, self.wanted.url.as_ref());
            let done = self
                .caller
                .write("commit_file", &draft, (before, more))
                .await;
            match done {
                Ok(Some(_)) => return Ok(present),
                Ok(None) => {}
                Err(error) if error.code() == HostError::file_changed().code() => {}
                Err(error) => return Err(error),
            }
        }
        Err(HostError::file_changed())
    }

    /// What is there now, in the words of whoever may see it; else what was written.
    async fn written(&self, mime_type: String, sha256: String) -> FileInfo {
        let found = Found::At(self.wanted.path.to_string());
        let seen = self.caller.find(found).await.unwrap_or_default();
        let mine = seen.into_iter().find(|file| file.version == self.version);
        mine.unwrap_or_else(|| {
            let now = Timestamp::from(SystemTime::now()).to_string();
            FileInfo {
                id: Uuid::nil(),
                user_id: self.caller.identity.subject().map(str::to_owned),
                path: self.wanted.path.to_string(),
                mime_type,
                size: self.size,
                created_at: now.clone(),
                updated_at: now,
                version: self.version,
                sha256,
            }
        })
    }
}

/// What `commit_file` is told beside the row.
pub(super) fn more(
    path: &FilePath,
    present: Option<Present>,
    url: Option<&Redeemed>,
) -> Vec<crate::db::bind::Bind> {
    let ends = url.map(|url| {
        let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(url.expires_at);
        Timestamp::from(ends).to_string()
    });
    vec![
        rows::uuid(Some(Uuid::now_v7())),
        rows::text(Some(path.folded())),
        rows::uuid(present.map(|present| present.version)),
        rows::uuid(url.map(|url| url.id)),
        rows::moment(ends),
    ]
}

fn check_type(caller: &Caller, mime_type: &str) -> Result<(), HostError> {
    if !sniff::is_type(mime_type) {
        return Err(HostError::invalid_type());
    }
    match sniff::is_allowed(mime_type, &caller.project.files.limits.types) {
        true => Ok(()),
        false => Err(HostError::type_not_allowed(mime_type)),
    }
}
