//! Which code an error of `files` has in a problem document, on both listeners.

use koyalite_host_api::HostError;

use crate::http::Code;

/// The code; none where it is no error of files.
pub(crate) fn file_code(error: &HostError) -> Option<Code> {
    Some(match error.code() {
        "invalid_path" => Code::InvalidPath,
        "unknown_file" => Code::UnknownFile,
        "file_exists" => Code::FileExists,
        "file_changed" => Code::PreconditionFailed,
        "invalid_range" => Code::InvalidRange,
        "file_too_large" => Code::FileTooLarge,
        "storage_quota" => Code::StorageQuota,
        "invalid_type" | "type_not_allowed" | "type_mismatch" => Code::TypeRefused,
        "upload_incomplete" => Code::BodyIncomplete,
        "invalid_url" | "expired_url" => Code::InvalidUrl,
        "url_used" => Code::UrlUsed,
        "unknown_upload" => Code::UnknownUpload,
        "upload_elsewhere" => Code::Conflict,
        _ => return None,
    })
}
