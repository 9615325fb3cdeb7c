//! What is done with files that are there: looked at, listed, copied, moved, deleted. Content is not
//! touched by any of it.

use uuid::Uuid;

use super::rows::{self, Draft, FileInfo};
use super::{Caller, FilePath, Precondition, path, upload};
use crate::db::sql::Found;
use crate::error::HostError;
use crate::limits::{FILE_ATTEMPTS, LISTED_FILES};

/// Which files are listed.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// What their paths begin with.
    pub prefix: String,
    /// After which path; as the list before has answered.
    pub after: Option<String>,
    /// How many at most.
    pub limit: Option<u32>,
}

/// A part of a list, by path.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The files.
    pub files: Vec<FileInfo>,
    /// Where the next part begins; none: this was the last.
    pub next: Option<String>,
}

/// What a file is.
///
/// # Errors
/// `unknown_file` where there is none that the caller may see; denials as for tables.
pub async fn stat(caller: &Caller, path: &FilePath) -> Result<FileInfo, HostError> {
    let found = caller.find(Found::At(path.to_string())).await?;
    let unknown = || HostError::unknown_file(path.as_str());
    found.into_iter().next().ok_or_else(unknown)
}

/// The files that the caller may see, by path.
///
/// # Errors
/// `invalid_path` for a prefix that no path has; denials as for tables.
pub async fn list(caller: &Caller, list: List) -> Result<Listed, HostError> {
    let prefix = path::prefix(&list.prefix).map_err(|error| HostError::invalid_path(&error))?;
    let limit = list.limit.unwrap_or(LISTED_FILES).clamp(1, LISTED_FILES);
    let found = Found::Under {
        prefix,
        after: list.after,
        limit: limit + 1,
    };
    let mut files = caller.find(found).await?;
    let more = files.len() > limit as usize;
    files.truncate(limit as usize);
    let next = match (more, files.last()) {
        (true, Some(last)) => Some(last.path.clone()),
        _ => None,
    };
    Ok(Listed { files, next })
}

/// Makes a file of the same content, owned by the caller. The target must not be there.
///
/// # Errors
/// `unknown_file`, `file_exists`, `storage_quota`; denials as for tables.
pub async fn copy(caller: &Caller, from: &FilePath, to: &FilePath) -> Result<FileInfo, HostError> {
    let file = stat(caller, from).await?;
    if caller.peek(to).await?.is_some() {
        return Err(HostError::file_exists());
    }
    let more = upload::more(to, None, None);
    let done = caller
        .write("commit_file", &draft(to, &file), (None, more))
        .await;
    match done {
        Ok(_) => stat(caller, to).await,
        Err(error) if error.code() == HostError::file_changed().code() => {
            Err(HostError::file_exists())
        }
        Err(error) => Err(error),
    }
}

/// Gives a file another path, at which there must be none.
///
/// # Errors
/// `unknown_file`, `file_exists`; denials as for tables.
pub async fn rename(
    caller: &Caller,
    from: &FilePath,
    to: &FilePath,
) -> Result<FileInfo, HostError> {
    let file = stat(caller, from).await?;
    let more = vec![
        rows::uuid(Some(file.id)),
        rows::text(Some(to.folded())),
        rows::uuid(Some(file.version)),
    ];
    let done = caller
        .write("move_file", &draft(to, &file), (Some(from), more))
        .await?;
    match done {
        Some(_) => stat(caller, to).await,
        None => Err(HostError::unknown_file(from.as_str())),
    }
}

fn draft<'a>(path: &'a FilePath, file: &'a FileInfo) -> Draft<'a> {
    Draft {
        path,
        mime_type: &file.mime_type,
        size: file.size,
        version: file.version,
        sha256: &file.sha256,
    }
}

/// Deletes a file.
///
/// # Errors
/// `unknown_file` where there is none that the caller may see and delete; `file_changed`; denials as for
/// tables.
pub async fn delete(
    caller: &Caller,
    path: &FilePath,
    precondition: &Precondition,
) -> Result<Uuid, HostError> {
    // Who may delete nothing at all is told so, and not that there is nothing.
    caller.permit(koyalite_policy::Command::Delete)?;
    for _ in 0..FILE_ATTEMPTS {
        let file = stat(caller, path).await?;
        precondition.check_file(&file)?;
        match caller.remove(path, file.version).await {
            Ok(true) => return Ok(file.version),
            Ok(false) => return Err(HostError::unknown_file(path.as_str())),
            Err(error) if error.code() == HostError::file_changed().code() => {}
            Err(error) => return Err(error),
        }
    }
    Err(HostError::file_changed())
}
