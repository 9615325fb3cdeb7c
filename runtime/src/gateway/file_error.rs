//! What a caller is told where a file is not served: the host's own catalogue as problems.

use http::HeaderValue;
use http::header::CONTENT_RANGE;
use koyalite_host_api::{ErrorKind, HostError};

use crate::file_code::file_code;
use crate::http::{Code, Problem};

/// The problem that an error of `files` is. What only the host may know goes into its log, here.
pub(super) fn problem(error: &HostError) -> Problem {
    let code = code(error);
    match code {
        Code::Internal | Code::Unavailable => {
            tracing::error!(
                code = error.code(),
                inside = error.inside(),
                "a file is not served"
            );
        }
        Code::Forbidden => {
            tracing::info!(
                code = error.code(),
                inside = error.inside(),
                "denied a file"
            );
        }
        _ => {}
    }
    Problem::new(code, error.message())
}

/// The same, of a part that the file does not have.
pub(super) fn no_such_part(size: u64, error: &HostError) -> Problem {
    let problem = problem(error);
    match HeaderValue::from_str(&format!("bytes */{size}")) {
        Ok(range) => problem.with_header(CONTENT_RANGE, range),
        Err(_) => problem,
    }
}

fn code(error: &HostError) -> Code {
    file_code(error).unwrap_or(match error.kind() {
        ErrorKind::Denied => Code::Forbidden,
        ErrorKind::NotFound => Code::UnknownFile,
        ErrorKind::Invalid => Code::BadRequest,
        ErrorKind::Conflict => Code::Conflict,
        ErrorKind::Limit | ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Internal => Code::Internal,
    })
}
