//! What `fields.rs` and `targets.rs`, which both generations share, leave to each: the names and
//! operations that only wasi:http 0.2 has.

use crate::wasi::http::types::{Fields, IncomingRequest, OutgoingRequest, OutgoingResponse};
use crate::words::entries;

/// What is sent to others.
pub type Outgoing = OutgoingRequest;

/// An operation that is not among those of both generations: all fields.
pub fn operation(fields: &Fields, _word: &str, _value: &[u8]) -> String {
    entries(&fields.entries())
}

/// The headers that a request, an outgoing request and a response give.
pub fn given(request: &IncomingRequest) -> [Fields; 3] {
    let outgoing = OutgoingRequest::new(Fields::new());
    let response = OutgoingResponse::new(Fields::new());
    [request.headers(), outgoing.headers(), response.headers()]
}
