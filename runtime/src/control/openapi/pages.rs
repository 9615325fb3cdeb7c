//! The document as it is served, and the pages that show it.
//!
//! The pages are Swagger UI's, kept in the binary: nothing is fetched from elsewhere, and whoever
//! tries an operation there sends their token to this listener alone.

use std::sync::{Arc, LazyLock};

use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use utoipa_swagger_ui::Config;

use super::super::error::ApiError;
use super::super::extract::At;
use super::super::routes::routes;
use super::document;
use super::gives::Gives;
use super::sketch::Sketch;

/// Scripts and styles from here alone; the pages set styles on their elements, and draw with `data:`.
const ONLY_OWN: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
    style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The same for everybody, and for as long as this process lives.
static DOCUMENT: LazyLock<Result<Bytes, serde_json::Error>> =
    LazyLock::new(|| serde_json::to_vec(&document::of(&routes())).map(Bytes::from));

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // What one has typed in stays in the page: a token is not kept where scripts of later find it.
    let config = Config::new(["/openapi.json"]).persist_authorization(false);
    Arc::new(config.use_base_layout())
});

/// `GET /openapi.json`.
pub(in crate::control) async fn json() -> Result<Document, ApiError> {
    match &*DOCUMENT {
        Ok(bytes) => Ok(Document(bytes.clone())),
        Err(_) => Err(ApiError::Unwritable),
    }
}

/// `GET /docs`.
pub(in crate::control) async fn pages() -> ToPages {
    ToPages
}

/// `GET /docs/{file}`.
pub(in crate::control) async fn file(At(name): At<String>) -> Result<Page, ApiError> {
    match utoipa_swagger_ui::serve(&name, Arc::clone(&CONFIG)) {
        Ok(Some(file)) => Ok(Page {
            media: file.content_type,
            bytes: file.bytes.into_owned(),
        }),
        Ok(None) | Err(_) => Err(ApiError::UnknownRoute),
    }
}

/// The OpenAPI document.
pub(in crate::control) struct Document(Bytes);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "no-cache"),
        ];
        (headers, self.0).into_response()
    }
}

impl Gives for Document {
    fn describe(sketch: &mut Sketch) {
        sketch.answers_json::<serde_json::Value>(http::StatusCode::OK);
    }
}

/// The way to the pages: their files are named relative to them.
pub(in crate::control) struct ToPages;

impl IntoResponse for ToPages {
    fn into_response(self) -> Response {
        Redirect::permanent("/docs/index.html").into_response()
    }
}

impl Gives for ToPages {
    fn describe(sketch: &mut Sketch) {
        sketch.answers_nothing(http::StatusCode::PERMANENT_REDIRECT);
    }
}

/// A file of the pages.
pub(in crate::control) struct Page {
    media: String,
    bytes: Vec<u8>,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, self.media.as_str()),
            (CACHE_CONTROL, "no-cache"),
            (CONTENT_SECURITY_POLICY, ONLY_OWN),
        ];
        (headers, self.bytes).into_response()
    }
}

impl Gives for Page {
    fn describe(sketch: &mut Sketch) {
        sketch.answers_text(http::StatusCode::OK, "*/*");
    }
}
