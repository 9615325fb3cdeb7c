//! What each part of a request that handlers take says of their operation.

use axum::extract::State;
use http::StatusCode;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use utoipa::openapi::Required;
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{KnownFormat, Object, SchemaFormat, Type};

use super::super::auth::Operator;
use super::super::extract::{Asked, At, InProject};
use super::super::files::Sent;
use super::super::json::Json;
use super::super::senders::Raw;
use super::super::unchanged::Unchanged;
use super::super::upload::Upload;
use super::sketch::{Sketch, content};

/// Something that a handler takes out of a request.
pub(in crate::control) trait Takes {
    /// Adds what it reads, and how it refuses.
    fn describe(sketch: &mut Sketch);
}

impl<S> Takes for State<S> {
    fn describe(_: &mut Sketch) {}
}

impl Takes for Operator {
    fn describe(_: &mut Sketch) {}
}

impl Takes for InProject {
    fn describe(sketch: &mut Sketch) {
        sketch.refuses(StatusCode::NOT_FOUND);
    }
}

/// Its names are those of the path, which the table of routes has.
impl<T> Takes for At<T> {
    fn describe(sketch: &mut Sketch) {
        sketch.refuses(StatusCode::BAD_REQUEST);
        sketch.refuses(StatusCode::NOT_FOUND);
    }
}

impl<T: ToSchema> Takes for Asked<T> {
    fn describe(sketch: &mut Sketch) {
        sketch.reads_query::<T>();
        sketch.refuses(StatusCode::BAD_REQUEST);
    }
}

impl Takes for Unchanged {
    fn describe(sketch: &mut Sketch) {
        sketch.reads_header(
            "If-Match",
            "The `etag` of the state that this change is made to.",
        );
        sketch.refuses(StatusCode::BAD_REQUEST);
        sketch.refuses(StatusCode::PRECONDITION_FAILED);
    }
}

impl<T: ToSchema + DeserializeOwned> Takes for Json<T> {
    fn describe(sketch: &mut Sketch) {
        let schema = sketch.schema::<T>();
        let body = RequestBody::builder()
            .content("application/json", content(schema))
            .required(Some(Required::True));
        sketch.body = Some(body.build());
        read_as_body(sketch);
    }
}

impl Takes for Upload {
    fn describe(sketch: &mut Sketch) {
        let bytes = || {
            Object::builder()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        };
        let form = Object::builder()
            .property("component", bytes())
            .property("manifest", bytes().description(Some("TOML or JSON.")))
            .required("component");
        let body = RequestBody::builder()
            .content("application/wasm", content(bytes().into()))
            .content("multipart/form-data", content(form.into()))
            .required(Some(Required::True));
        sketch.body = Some(body.build());
        read_as_body(sketch);
        sketch.refuses(StatusCode::UNPROCESSABLE_ENTITY);
    }
}

impl Takes for Raw {
    fn describe(sketch: &mut Sketch) {
        let text = Object::builder().schema_type(Type::String);
        let body = RequestBody::builder()
            .content("message/rfc822", content(text.into()))
            .required(Some(Required::True));
        sketch.body = Some(body.build());
        read_as_body(sketch);
    }
}

impl Takes for Sent {
    fn describe(sketch: &mut Sketch) {
        let bytes = Object::builder()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        let body = RequestBody::builder()
            .content("application/octet-stream", content(bytes.into()))
            .required(Some(Required::True));
        sketch.body = Some(body.build());
        read_as_body(sketch);
        sketch.refuses(StatusCode::INSUFFICIENT_STORAGE);
    }
}

fn read_as_body(sketch: &mut Sketch) {
    sketch.refuses(StatusCode::BAD_REQUEST);
    sketch.refuses(StatusCode::PAYLOAD_TOO_LARGE);
    sketch.refuses(StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
