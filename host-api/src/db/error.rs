//! What Postgres' errors mean to a guest: SQLSTATE to the catalogue in [`crate::error`].
//!
//! Only the code decides. The text of Postgres names constraints and quotes values, so it goes
//! inside, for the operator's log, and never to a caller.

use deadpool_postgres::PoolError;
use koyalite_policy::native::NOBODY_ASKS;
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use super::sql::TOO_MANY_ROWS;
use crate::error::HostError;

/// Raised by `koyalite_api.require`: a written row does not pass its check.
const CHECK_FAILED: &str = "KY001";

/// Raised by the outbox: the idempotency key is that of something else.
const KEY_OF_ANOTHER: &str = "KY011";

/// Raised by the outbox: a quota is used up. The message is its name, its size, and the seconds until
/// there is room again.
const QUOTA: &str = "KY012";

/// Raised where files are written: the quota is used up (the message is its bytes); the file is another by
/// now; the content was swept; the URL was used before; an upload goes on elsewhere, or too many wait.
const STORAGE_QUOTA: &str = "KY021";
const FILE_CHANGED: &str = "KY022";
const CONTENT_SWEPT: &str = "KY023";
const URL_USED: &str = "KY024";
const UPLOAD_ELSEWHERE: &str = "KY025";
const UPLOADS_WAITING: &str = "KY026";

/// Raised by `koyalite_api.hold_run`: the run is another node's by now.
const LEASE_LOST: &str = "KY002";

/// The routine of Postgres that refuses a row by a mirrored policy, with the code of a role that lacks
/// a right. Routines are never translated.
const ROW_SECURITY: &str = "ExecWithCheckOptions";

/// A failure to get a connection.
pub(crate) fn pool_error(error: PoolError) -> HostError {
    match error {
        PoolError::Backend(error) => connect_error(&error),
        PoolError::Timeout(_) => HostError::database_busy(),
        PoolError::Closed => HostError::database_away("the project's pool is closed"),
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => HostError::internal(error),
    }
}

fn connect_error(error: &Error) -> HostError {
    match error.as_db_error() {
        // A missing role or a wrong password is ours to mend; waiting does not help.
        Some(db) if db.code().code().starts_with("28") => HostError::internal(inside(db)),
        Some(db) => HostError::database_away(inside(db)),
        None => HostError::database_away(describe(error)),
    }
}

/// A failure of a statement.
pub(crate) fn statement_error(error: &Error) -> HostError {
    match error.as_db_error() {
        Some(db) if db.routine() == Some(ROW_SECURITY) => {
            HostError::check_failed().with_inside(inside(db))
        }
        Some(db) => from_sqlstate(db.code().code(), db.message()).with_inside(inside(db)),
        None if went_away(error) => HostError::database_away(describe(error)),
        None => HostError::internal(describe(error)),
    }
}

/// Whether a prepared statement outlived the table it was planned for. Found before execution, so
/// preparing it again and repeating it is safe for writes too.
pub(crate) fn is_stale_plan(error: &Error) -> bool {
    matches!(
        error.code().map(|code| code.code()),
        Some("0A000" | "26000")
    )
}

fn from_sqlstate(code: &str, message: &str) -> HostError {
    match code {
        CHECK_FAILED => HostError::check_failed(),
        KEY_OF_ANOTHER => HostError::idempotency_conflict(),
        QUOTA => HostError::quota(message),
        STORAGE_QUOTA => HostError::storage_quota(message),
        FILE_CHANGED => HostError::file_changed(),
        CONTENT_SWEPT => HostError::upload_expired(),
        URL_USED => HostError::url_used(),
        UPLOAD_ELSEWHERE => HostError::upload_elsewhere(),
        UPLOADS_WAITING => HostError::uploads_waiting(),
        LEASE_LOST => HostError::lease_lost(),
        // The one cast in our statements, written to fail: see `sql`.
        "22P02" if message.contains(TOO_MANY_ROWS) => HostError::max_affected(),
        // The mirror was put up a moment ago, and this invocation began before.
        "22P02" if message.contains(NOBODY_ASKS) => HostError::try_again(code),
        "23505" | "23P01" => HostError::already_exists(),
        "23503" | "23001" => HostError::reference_conflict(),
        "23502" => HostError::missing_value(None),
        "23514" | "44000" => HostError::constraint_failed(),
        "57014" => HostError::statement_timeout(),
        // `ON CONFLICT DO UPDATE` would change one row twice.
        "21000" => HostError::repeated_row(),
        "25P02" | "25P03" => HostError::transaction_over(),
        "40001" | "40P01" | "55P03" => HostError::try_again(code),
        // The table or the column went a moment ago, and this invocation began before.
        "42P01" | "42703" => HostError::try_again(code),
        _ => match code.get(..2) {
            Some("22") => HostError::value_out_of_range(),
            Some("54") => HostError::statement_too_complex(),
            Some("08" | "53" | "57" | "58") => HostError::database_away(code),
            _ => HostError::internal(code),
        },
    }
}

fn went_away(error: &Error) -> bool {
    use std::error::Error as _;
    error.is_closed()
        || error
            .source()
            .is_some_and(|cause| cause.is::<std::io::Error>())
}

fn inside(error: &DbError) -> String {
    format!("SQLSTATE {}: {}", error.code().code(), error.message())
}

fn describe(error: &Error) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn every_sqlstate_has_a_kind_and_a_code() {
        let check = |state: &str, kind, code: &str| {
            let error = from_sqlstate(state, "duplicate key value (email)=(a@b.c)");
            assert_eq!((error.kind(), error.code()), (kind, code), "{state}");
            assert!(
                !error.message().contains("a@b.c"),
                "{state} repeats a stored value"
            );
        };
        check("KY001", ErrorKind::Denied, "check_failed");
        check("KY011", ErrorKind::Conflict, "idempotency_conflict");
        check("KY012", ErrorKind::Limit, "quota");
        check("KY021", ErrorKind::Limit, "storage_quota");
        check("KY022", ErrorKind::Conflict, "file_changed");
        check("KY023", ErrorKind::Limit, "upload_expired");
        check("KY024", ErrorKind::Conflict, "url_used");
        check("KY025", ErrorKind::Conflict, "upload_elsewhere");
        check("KY026", ErrorKind::Limit, "uploads_waiting");
        check("KY002", ErrorKind::Conflict, "lease_lost");
        check("23505", ErrorKind::Conflict, "already_exists");
        check("23503", ErrorKind::Conflict, "reference_conflict");
        check("23502", ErrorKind::Invalid, "missing_value");
        check("23514", ErrorKind::Invalid, "constraint_failed");
        check("22003", ErrorKind::Invalid, "value_out_of_range");
        check("22P02", ErrorKind::Invalid, "value_out_of_range");
        check("21000", ErrorKind::Invalid, "repeated_row");
        check("25P03", ErrorKind::Invalid, "transaction_over");
        check("54001", ErrorKind::Limit, "statement_too_complex");
        check("57014", ErrorKind::Limit, "statement_timeout");
        check("40P01", ErrorKind::Unavailable, "try_again");
        check("42P01", ErrorKind::Unavailable, "try_again");
        check("42703", ErrorKind::Unavailable, "try_again");
        check("53300", ErrorKind::Unavailable, "database_away");
        check("57P01", ErrorKind::Unavailable, "database_away");
        check("42501", ErrorKind::Internal, "internal");
        check("", ErrorKind::Internal, "internal");
    }
}
