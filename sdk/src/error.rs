//! [`Error`]: what went wrong, and what the caller is told about it.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

use crate::{Response, fetch, log, problem, tables};

/// Why a function could not answer as it should. It becomes an answer by itself when a function
/// returns it.
///
/// Two kinds:
///
/// - *Answers*, made by [`Error::new`] and the functions named after statuses, or from an error of
///   [`tables`] or [`fetch`]. The caller sees status, code and message.
/// - *Faults*, made by `?` from any other error. The caller sees a 500 with the code `internal`; the
///   text goes to the function's log, because it may hold what the caller must not know.
///
/// ```no_run
/// # use koyalite::{Error, Request, Response, Result};
/// async fn handle(request: Request) -> Result<Response> {
///     let text = request.text().await?;                     // 413 over the limit, 400 if no UTF-8
///     let number: i64 = text.trim().parse()
///         .map_err(|_| Error::bad_request("send a number"))?;
///     let half = i32::try_from(number / 2)?;                // 500, the reason in the log
///     Ok(Response::text(format!("{half}\n")))
/// }
/// # koyalite::export!(handle);
/// ```
pub struct Error {
    status: u16,
    code: Cow<'static, str>,
    message: String,
    audience: Audience,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Audience {
    Caller,
    Log,
}

impl Error {
    /// An answer of any status, with a stable word for programs and a sentence for people.
    pub fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            audience: Audience::Caller,
        }
    }

    /// 400 `bad_request`.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "bad_request", message)
    }

    /// 401 `unauthorized`: it is not known who is calling.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "unauthorized", message)
    }

    /// 403 `forbidden`: it is known who is calling, and they may not.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "forbidden", message)
    }

    /// 404 `not_found`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found", message)
    }

    /// 405 `method_not_allowed`.
    pub fn method_not_allowed(message: impl Into<String>) -> Self {
        Self::new(405, "method_not_allowed", message)
    }

    /// 500 `internal`. The message is for the function's log, not for the caller.
    pub fn internal(message: impl Into<String>) -> Self {
        let error = Self::new(500, "internal", message);
        Self {
            audience: Audience::Log,
            ..error
        }
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The word for programs.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The answer. A fault is written to the log on the way.
    pub fn into_response(self) -> Response {
        match self.audience {
            Audience::Caller => problem::response(self.status, &self.code, &self.message),
            Audience::Log => {
                log::write(log::Level::Error, &self.message);
                let detail = "the function failed; its log says why";
                problem::response(self.status, &self.code, detail)
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.message)
    }
}

// `Error` itself is no `std::error::Error`: that is what lets every such error convert into it.
impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let any: &dyn Any = &error;
        if let Some(error) = any.downcast_ref::<tables::Error>() {
            return from_tables(error);
        }
        if let Some(error) = any.downcast_ref::<fetch::Error>() {
            return Self::new(error.status(), error.code(), error.to_string());
        }
        Self::internal(with_causes(&error))
    }
}

fn from_tables(error: &tables::Error) -> Error {
    let answer = Error::new(
        error.kind.status(),
        error.code.clone(),
        error.message.clone(),
    );
    match error.kind {
        tables::ErrorKind::Internal => Error {
            audience: Audience::Log,
            ..answer
        },
        _ => answer,
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_tables_keeps_its_status_and_code() {
        let check = |kind, status| {
            let error = tables::Error {
                kind,
                code: "c".to_owned(),
                message: "m".to_owned(),
            };
            let error = Error::from(error);
            assert_eq!((error.status(), error.code()), (status, "c"), "{error:?}");
        };
        check(tables::ErrorKind::Denied, 403);
        check(tables::ErrorKind::NotFound, 404);
        check(tables::ErrorKind::Invalid, 400);
        check(tables::ErrorKind::Conflict, 409);
        check(tables::ErrorKind::Limit, 429);
        check(tables::ErrorKind::Unavailable, 503);
        check(tables::ErrorKind::Internal, 500);
    }

    #[test]
    fn any_other_error_is_a_fault_whose_text_stays_in_the_log() {
        let error = Error::from(std::io::Error::other("secret"));
        assert_eq!((error.status(), error.code()), (500, "internal"));
        assert!(error.audience == Audience::Log);
    }
}
