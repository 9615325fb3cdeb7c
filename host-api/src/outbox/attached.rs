//! Files that a message carries.
//!
//! They are found as the sender may see them, and stand by their version: what is written over later is
//! sent as it was.

use serde::Serialize;
use uuid::Uuid;

use crate::error::HostError;
use crate::files::{self, Caller, FilePath};
use crate::invocation::Invocation;
use crate::limits::{ATTACHMENTS, ATTACHMENTS_BYTES};

#[derive(Serialize)]
struct Attachment {
    name: String,
    mime_type: String,
    size: u64,
    version: Uuid,
}

/// The files at these paths as `koyalite_api.send_email` takes them.
///
/// # Errors
/// `invalid_path`, `unknown_file`, denials as for files; `email_too_large`.
pub(super) async fn find(invocation: &Invocation, paths: &[String]) -> Result<String, HostError> {
    if paths.len() > ATTACHMENTS {
        let what = "attachments of a message";
        return Err(HostError::too_much("email_too_large", what, ATTACHMENTS));
    }
    let caller = Caller::of(invocation);
    let mut attached = Vec::with_capacity(paths.len());
    for path in paths {
        let path: FilePath = path
            .parse()
            .map_err(|error| HostError::invalid_path(&error))?;
        let file = files::stat(&caller, &path).await?;
        attached.push(Attachment {
            name: path.name().to_owned(),
            mime_type: file.mime_type,
            size: file.size,
            version: file.version,
        });
    }
    let bytes: u64 = attached.iter().map(|file| file.size).sum();
    if bytes > ATTACHMENTS_BYTES as u64 {
        let what = "bytes of a message's attachments";
        return Err(HostError::too_much(
            "email_too_large",
            what,
            ATTACHMENTS_BYTES,
        ));
    }
    serde_json::to_string(&attached).map_err(HostError::internal)
}
