//! What `fields.rs` and `targets.rs`, which both generations share, leave to each: the names and
//! operations that only wasi:http 0.3 has.

use crate::wasi::http::types::{Fields, Request, Response};
use crate::wit_future;
use crate::words::{entries, listed, name, text};

/// What is sent to others.
pub type Outgoing = Request;

/// An operation that is not among those of both generations: one that takes, or all fields.
pub fn operation(fields: &Fields, word: &str, value: &[u8]) -> String {
    match word {
        "take" => match fields.get_and_delete(&text(value)) {
            Ok(values) => listed(&values),
            Err(error) => name(&error),
        },
        _ => entries(&fields.copy_all()),
    }
}

/// The headers that a request, an outgoing request and a response give.
pub fn given(request: &Request) -> [Fields; 3] {
    let (_, end) = wit_future::new(|| Ok(None));
    let (outgoing, _) = Request::new(Fields::new(), None, end, None);
    let (_, end) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(Fields::new(), None, end);
    [
        request.get_headers(),
        outgoing.get_headers(),
        response.get_headers(),
    ]
}
