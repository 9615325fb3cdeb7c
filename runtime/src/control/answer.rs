//! JSON out: one document, or a list in its envelope.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

/// A document with its status.
pub(super) struct Answer<T>(pub(super) StatusCode, pub(super) T);

/// A list. Paged by cursor where a list can grow without bound; `null` says that this is all.
#[derive(Serialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
    pub(super) next_cursor: Option<String>,
}

/// 200 with a document.
pub(super) fn ok<T: Serialize>(document: T) -> Answer<T> {
    Answer(StatusCode::OK, document)
}

/// 201 with what was made.
pub(super) fn created<T: Serialize>(document: T) -> Answer<T> {
    Answer(StatusCode::CREATED, document)
}

/// 200 with a whole list.
pub(super) fn items<T: Serialize>(items: Vec<T>) -> Answer<Items<T>> {
    ok(Items {
        items,
        next_cursor: None,
    })
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.1) {
            // What the control API says is about one operator at one moment.
            Ok(body) => {
                let headers = [
                    (CONTENT_TYPE, "application/json"),
                    (CACHE_CONTROL, "no-store"),
                ];
                (self.0, headers, body).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                super::error::ApiError::Unwritable.into_response()
            }
        }
    }
}
