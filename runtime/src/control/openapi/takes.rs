//! What each part of a request that handlers take says of their operation.

use axum::extract::State;
use http::StatusCode;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{KnownFormat, Object, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Required, Schema};

use super::super::auth::Operator;
use super::super::extract::{Asked, At, InProject};
use super::super::files::Sent;
use super::super::json::Json;
use super::super::senders::Raw;
use super::super::together::Form;
use super::super::unchanged::Unchanged;
use super::super::upload::Upload;
use super::sketch::{Sketch, content, text};

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
            "The `etag` of the state that this change is made to, or `*` for any: else 412.",
        );
        sketch.refuses(StatusCode::BAD_REQUEST);
        sketch.refuses(StatusCode::PRECONDITION_FAILED);
    }
}

impl<T: ToSchema + DeserializeOwned> Takes for Json<T> {
    fn describe(sketch: &mut Sketch) {
        let schema = sketch.schema::<T>();
        reads_body(sketch, [("application/json", schema)]);
    }
}

impl Takes for Upload {
    fn describe(sketch: &mut Sketch) {
        let form = Object::builder()
            .property("component", bytes())
            .property("manifest", bytes().description(Some("TOML or JSON.")))
            .required("component");
        let either = [
            ("application/wasm", bytes().into()),
            ("multipart/form-data", form.into()),
        ];
        reads_body(sketch, either);
        sketch.refuses(StatusCode::UNPROCESSABLE_ENTITY);
    }
}

impl<A: Takes, B: Takes> Takes for (A, B) {
    fn describe(sketch: &mut Sketch) {
        A::describe(sketch);
        B::describe(sketch);
    }
}

impl Takes for Form {
    fn describe(sketch: &mut Sketch) {
        let each = "For each function this and then its component.";
        let form = Object::builder()
            .property("manifest", bytes().description(Some(each)))
            .property("component", bytes())
            .property("schema", bytes().description(Some("JSON, at most one.")))
            .required("manifest")
            .required("component");
        reads_body(sketch, [("multipart/form-data", form.into())]);
        sketch.refuses(StatusCode::UNPROCESSABLE_ENTITY);
    }
}

impl Takes for Raw {
    fn describe(sketch: &mut Sketch) {
        reads_body(sketch, [("message/rfc822", text())]);
    }
}

impl Takes for Sent {
    fn describe(sketch: &mut Sketch) {
        reads_body(sketch, [("application/octet-stream", bytes().into())]);
        sketch.refuses(StatusCode::INSUFFICIENT_STORAGE);
    }
}

fn bytes() -> ObjectBuilder {
    Object::builder()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
}

/// It reads a body of one of these media types, and refuses what is none, too long or unreadable.
fn reads_body<const KINDS: usize>(sketch: &mut Sketch, kinds: [(&str, RefOr<Schema>); KINDS]) {
    let mut body = RequestBody::builder().required(Some(Required::True));
    for (media, schema) in kinds {
        body = body.content(media, content(schema));
    }
    sketch.body = Some(body.build());
    sketch.refuses(StatusCode::BAD_REQUEST);
    sketch.refuses(StatusCode::PAYLOAD_TOO_LARGE);
    sketch.refuses(StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
