//! What each kind of answer says of its operation.

use axum::response::NoContent;
use http::StatusCode;
use utoipa::ToSchema;

use super::super::answer::{Answer, Either, Ndjson, OrNothing, Text};
use super::super::files::Content;
use super::super::unchanged::Tagged;
use super::sketch::Sketch;

/// What an `etag` is for.
const TAG: &str = "Names this state, for `If-Match`.";

/// Something that a handler answers.
pub(in crate::control) trait Gives {
    /// Adds its statuses, bodies and headers.
    fn describe(sketch: &mut Sketch);
}

/// Refusals are known by what is taken and done; see [`super::refusals`].
impl<T: Gives, E> Gives for Result<T, E> {
    fn describe(sketch: &mut Sketch) {
        T::describe(sketch);
    }
}

impl<T: ToSchema, const STATUS: u16> Gives for Answer<T, STATUS> {
    fn describe(sketch: &mut Sketch) {
        sketch.answers_json::<T>(Self::status());
    }
}

impl<A: Gives> Gives for Tagged<A> {
    fn describe(sketch: &mut Sketch) {
        A::describe(sketch);
        sketch.with_header("etag", TAG);
    }
}

impl<T: ToSchema> Gives for Either<T> {
    fn describe(sketch: &mut Sketch) {
        sketch.answers_json::<T>(StatusCode::OK);
        sketch.answers_json::<T>(StatusCode::CREATED);
    }
}

impl<T: ToSchema> Gives for OrNothing<T> {
    fn describe(sketch: &mut Sketch) {
        sketch.answers_json::<T>(StatusCode::OK);
        sketch.answers_nothing(StatusCode::NO_CONTENT);
    }
}

impl Gives for NoContent {
    fn describe(sketch: &mut Sketch) {
        sketch.answers_nothing(StatusCode::NO_CONTENT);
    }
}

impl Gives for Ndjson {
    fn describe(sketch: &mut Sketch) {
        sketch.answers_text(StatusCode::OK, "application/x-ndjson");
    }
}

impl Gives for Content {
    fn describe(sketch: &mut Sketch) {
        sketch.answers_text(StatusCode::OK, "application/octet-stream");
        sketch.with_header("etag", TAG);
    }
}

impl Gives for Text {
    fn describe(sketch: &mut Sketch) {
        sketch.answers_text(StatusCode::OK, "text/plain");
    }
}
