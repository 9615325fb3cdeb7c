//! One component at every path, for `koyalite run`: no routes, no tokens, no header of ours. What it
//! shares with [`super::Gateway`] is what matters on the way: the bound of the body, the dispatcher,
//! and what a caller learns of a failure.

use std::sync::Arc;

use http::{Request, Response};
use koyalite_policy::Identity;

use super::error::{self, GatewayError};
use crate::dispatch::{Dispatcher, HttpCall, Selected};
use crate::http::{Body, Problem, body, request_id};

/// The service of a listener that has one component behind it.
pub struct Bare {
    dispatcher: Arc<Dispatcher>,
    selected: Selected,
}

impl Bare {
    /// Gives every request to this version.
    #[must_use]
    pub const fn new(dispatcher: Arc<Dispatcher>, selected: Selected) -> Self {
        Self {
            dispatcher,
            selected,
        }
    }

    /// Answers one request. The listener has checked its form.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let request_id = request_id::of(request.headers());
        let (parts, body) = request.into_parts();
        let limit = self.selected.body_bytes_max();
        let (body, overrun) = match bounded(body, limit) {
            Ok(bounded) => bounded,
            Err(refusal) => return Problem::from(refusal).into_response(request_id),
        };
        let call = HttpCall {
            selected: self.selected.clone(),
            identity: Identity::Anonymous,
            request_id,
            request: Request::from_parts(parts, body),
            usage: Arc::default(),
        };
        let result = self.dispatcher.http(call).await;
        if overrun.happened() {
            return Problem::from(GatewayError::BodyTooLarge { limit }).into_response(request_id);
        }
        match result {
            Ok(response) => response,
            Err(failure) => error::of_dispatch(failure).into_response(request_id),
        }
    }
}

/// A body that ends in an error after so many bytes, and how to tell that it did.
pub(super) fn bounded(body: Body, limit: u64) -> Result<(Body, body::Overrun), GatewayError> {
    use http_body::Body as _;
    // Said before a byte is read, and before an instance is made for it.
    if body.size_hint().lower() > limit {
        return Err(GatewayError::BodyTooLarge { limit });
    }
    let overrun = body::Overrun::default();
    Ok((body::limited(body, limit, &overrun), overrun))
}
