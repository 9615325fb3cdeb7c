//! Errors of files.

use super::{ErrorKind, HostError, echo};
use crate::files::PathError;
use crate::limits::{OPEN_UPLOADS, SIGNED_URL_TIME};

/// Names and what is there.
impl HostError {
    /// A text that is no path.
    pub fn invalid_path(reason: &PathError) -> HostError {
        HostError::new(ErrorKind::Invalid, "invalid_path", reason.to_string())
    }

    /// No such file, or none that the caller may see.
    pub fn unknown_file(path: &str) -> HostError {
        let message = format!("no file {} that this caller may see", echo(path));
        HostError::new(ErrorKind::NotFound, "unknown_file", message)
    }

    /// The path is another file's.
    pub fn file_exists() -> HostError {
        let message =
            "there is a file of that path, or of one that differs in upper and lower case only";
        HostError::new(ErrorKind::Conflict, "file_exists", message)
    }

    /// It is not the version that the caller has asked for.
    pub fn file_changed() -> HostError {
        let message = "the file is another version than the one that was asked for";
        HostError::new(ErrorKind::Conflict, "file_changed", message)
    }

    /// A part of a file that it does not have.
    pub fn invalid_range(size: u64) -> HostError {
        let message = format!("the file has {size} bytes, and that part is beyond them");
        HostError::new(ErrorKind::Invalid, "invalid_range", message)
    }
}

/// What is written.
impl HostError {
    /// More bytes than a file may have here.
    pub fn file_too_large(limit: u64) -> HostError {
        let message = format!("a file may have {limit} bytes here; nothing was written");
        HostError::new(ErrorKind::Limit, "file_too_large", message)
    }

    /// The project has no room for it. `said` is the database's: the quota.
    pub(crate) fn storage_quota(said: &str) -> HostError {
        let message = match said.parse::<u64>() {
            Ok(most) => format!("the project's files may have {most} bytes together"),
            Err(_) => "the project has no room for that file".to_owned(),
        };
        HostError::new(ErrorKind::Limit, "storage_quota", message)
    }

    /// A text that is no media type.
    pub fn invalid_type() -> HostError {
        let message = "write a media type, as in image/png";
        HostError::new(ErrorKind::Invalid, "invalid_type", message)
    }

    /// A type that the project does not take.
    pub fn type_not_allowed(mime_type: &str) -> HostError {
        let message = format!("this project takes no files of type {}", echo(mime_type));
        HostError::new(ErrorKind::Invalid, "type_not_allowed", message)
    }

    /// The content is not what it is said to be.
    pub fn type_mismatch(declared: &str, found: Option<&str>) -> HostError {
        let declared = echo(declared);
        let message = match found {
            Some(found) => format!("the content is {found}, not {declared}; nothing was written"),
            None => format!("the content does not begin as {declared} does; nothing was written"),
        };
        HostError::new(ErrorKind::Invalid, "type_mismatch", message)
    }

    /// Fewer or more bytes than were announced, or an end before the end.
    pub fn upload_incomplete() -> HostError {
        let message = "the content ended before it was complete; nothing was written";
        HostError::new(ErrorKind::Invalid, "upload_incomplete", message)
    }

    /// It took longer than uploads may.
    pub fn upload_expired() -> HostError {
        let message = "the upload took too long; begin anew";
        HostError::new(ErrorKind::Limit, "upload_expired", message)
    }

    /// It was finished, or has failed.
    pub fn upload_over() -> HostError {
        let message = "the upload is over: finished, or undone by an error";
        HostError::new(ErrorKind::Invalid, "upload_over", message)
    }

    /// No such resumable upload, or none of this caller's, or its time is over.
    pub fn unknown_upload() -> HostError {
        let message = "there is no such upload of this caller's, or its time is over";
        HostError::new(ErrorKind::NotFound, "unknown_upload", message)
    }

    /// Bytes that do not follow those that have arrived.
    pub fn upload_elsewhere() -> HostError {
        let message = "the upload does not go on there; ask where it does";
        HostError::new(ErrorKind::Conflict, "upload_elsewhere", message)
    }

    /// The project has begun as many as it may.
    pub fn uploads_waiting() -> HostError {
        let message = "too many uploads of this project wait to be finished";
        HostError::new(ErrorKind::Limit, "uploads_waiting", message)
    }

    /// Too many at once.
    pub fn uploads_open() -> HostError {
        let message = format!("an instance may have {OPEN_UPLOADS} uploads open; finish one first");
        HostError::new(ErrorKind::Limit, "uploads_open", message)
    }

    /// It was begun by another invocation.
    pub fn foreign_file_handle() -> HostError {
        let message = "the upload or download belongs to another invocation";
        HostError::new(ErrorKind::Denied, "foreign_handle", message)
    }
}

/// Signed URLs.
impl HostError {
    /// A time that no URL is good for.
    pub fn invalid_url_time() -> HostError {
        let message = format!(
            "a signed URL is good for 1 to {} seconds",
            SIGNED_URL_TIME.as_secs()
        );
        HostError::new(ErrorKind::Invalid, "invalid_url_time", message)
    }

    /// A text that this host has not signed, or not for this.
    pub fn invalid_url() -> HostError {
        let message = "the signed URL is not one of this project's for that file and method";
        HostError::new(ErrorKind::Denied, "invalid_url", message)
    }

    /// Its time is over.
    pub fn expired_url() -> HostError {
        let message = "the time of the signed URL is over";
        HostError::new(ErrorKind::Denied, "expired_url", message)
    }

    /// A URL for one upload that has been made.
    pub fn url_used() -> HostError {
        let message = "the signed URL was for one upload, which has been made";
        HostError::new(ErrorKind::Conflict, "url_used", message)
    }
}

/// Where content lies.
impl HostError {
    /// The store of contents cannot be reached.
    pub fn store_away(inside: impl std::fmt::Display) -> HostError {
        let message = "the store of files cannot be reached; try again shortly";
        HostError::new(ErrorKind::Unavailable, "store_away", message).with_inside(inside)
    }
}
