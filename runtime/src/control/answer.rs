//! What handlers answer: one document, a list in its envelope, or text.
//!
//! The status of an answer is part of its type, so that the OpenAPI document knows it too.

use axum::response::{IntoResponse, NoContent, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

/// A document with its status.
pub(super) struct Answer<T, const STATUS: u16 = 200>(pub(super) T);

/// What was made.
pub(super) type Created<T> = Answer<T, 201>;

/// A list. Paged by cursor where a list can grow without bound; `null` says that this is all.
#[derive(Serialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
    pub(super) next_cursor: Option<String>,
}

/// A document that was made by this request, or was there already.
pub(super) enum Either<T> {
    Created(T),
    Found(T),
}

/// A document, or nothing to say.
pub(super) enum OrNothing<T> {
    Document(T),
    Nothing,
}

/// Documents, one a line, as they come.
pub(super) struct Ndjson(pub(super) axum::body::Body);

/// Plain text of some version of a format.
pub(super) struct Text {
    pub(super) media: &'static str,
    pub(super) text: String,
}

/// 200 with a document.
pub(super) fn ok<T: Serialize>(document: T) -> Answer<T> {
    Answer(document)
}

/// 201 with what was made.
pub(super) fn created<T: Serialize>(document: T) -> Created<T> {
    Answer(document)
}

impl<T, const STATUS: u16> Answer<T, STATUS> {
    /// The status of its type.
    pub(super) fn status() -> StatusCode {
        match STATUS {
            201 => StatusCode::CREATED,
            _ => StatusCode::OK,
        }
    }
}

impl<T: Serialize, const STATUS: u16> IntoResponse for Answer<T, STATUS> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            // What the control API says is about one operator at one moment.
            Ok(body) => {
                let headers = [
                    (CONTENT_TYPE, "application/json"),
                    (CACHE_CONTROL, "no-store"),
                ];
                (Self::status(), headers, body).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                super::error::ApiError::Unwritable.into_response()
            }
        }
    }
}

impl<T: Serialize> IntoResponse for Either<T> {
    fn into_response(self) -> Response {
        match self {
            Either::Created(document) => created(document).into_response(),
            Either::Found(document) => ok(document).into_response(),
        }
    }
}

impl<T: Serialize> IntoResponse for OrNothing<T> {
    fn into_response(self) -> Response {
        match self {
            OrNothing::Document(document) => ok(document).into_response(),
            OrNothing::Nothing => NoContent.into_response(),
        }
    }
}

impl IntoResponse for Ndjson {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, "application/x-ndjson"),
            (CACHE_CONTROL, "no-store"),
        ];
        (headers, self.0).into_response()
    }
}

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, self.media)], self.text).into_response()
    }
}
