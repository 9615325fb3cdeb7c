//! Errors as `application/problem+json` (RFC 9457), in the shape that the host's own have.

use serde_json::json;

use crate::Response;

pub(crate) fn response(status: u16, code: &str, detail: &str) -> Response {
    let problem = json!({
        "type": "about:blank",
        "title": title(status),
        "status": status,
        "code": code,
        "detail": detail,
    });
    let response = Response::text(problem.to_string())
        .with_status(status)
        .with_header("content-type", "application/problem+json");
    match status {
        // As the host's own: what is away is back soon.
        503 => response.with_header("retry-after", "1"),
        _ => response,
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        400..=499 => "Refused",
        _ => "Failed",
    }
}
