//! Plumbing shared by both listeners. Uses no other module of this crate.
//!
//! `listener` owns sockets and the accept loop, `framing` and `request_form` refuse requests that
//! two servers could read differently, `body` bounds what streams in, `problem` is the one shape
//! of an error answer, `query` gives an
//! address another one, `tls` a listener's certificate, and `request_id` names a request. What a request *means* is decided by
//! `gateway` and `control`.

pub mod body;
pub mod code;
mod framing;
pub mod listener;
pub mod problem;
mod query;
pub mod request_form;
pub mod request_id;
pub mod tls;

pub use body::{Body, BodyError};
pub use code::Code;
pub use listener::{Listener, ListenerLimits, Peer};
pub use problem::{Mistake, Problem};
pub use query::with_query;
pub use tls::Tls;

/// Says who wrote an answer: the host (`gateway`) or the guest (`function`). Only the first kind
/// is safe to retry without knowing what the function did.
pub const SOURCE_HEADER: http::HeaderName = http::HeaderName::from_static("koyalite-source");

/// Carries the request's id, in and out.
pub const REQUEST_ID_HEADER: http::HeaderName = http::HeaderName::from_static("x-request-id");
