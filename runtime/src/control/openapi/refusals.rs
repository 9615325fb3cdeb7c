//! The refusals of an operation: problem documents, by status.

use http::StatusCode;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, Object, Ref, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Response, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::http::{Code, Mistake};

use super::super::route::{Access, Route};
use super::sketch::{Named, Sketch, content, described, text};

/// The name of the schema of every refusal.
const PROBLEM: &str = "Problem";

/// Adds how a route refuses beyond what its handler's types tell: by its guard, its method, and what
/// it works on.
pub(super) fn add(route: &Route, sketch: &mut Sketch) {
    let mut refuses = |all: &[StatusCode]| all.iter().for_each(|one| sketch.refuses(*one));
    refuses(&[
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ]);
    match route.access {
        Access::Open if route.method == "GET" => {}
        // The way in: a wrong password, a closed door, too many attempts.
        Access::Open | Access::SignedIn => refuses(&[
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::TOO_MANY_REQUESTS,
        ]),
        Access::Needs(_) => refuses(&[StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN]),
    }
    if route.method != "GET" {
        // What a body names may not be there, and what is there may stand against it.
        refuses(&[
            StatusCode::BAD_REQUEST,
            StatusCode::NOT_FOUND,
            StatusCode::CONFLICT,
        ]);
    }
    if route.path.ends_with("/fetch") {
        // A component, and somebody else's server.
        refuses(&[StatusCode::UNPROCESSABLE_ENTITY, StatusCode::BAD_GATEWAY]);
    }
    if route.may_wait() {
        sketch.refuses(StatusCode::GATEWAY_TIMEOUT);
        sketch.reads_word(
            "wait",
            "`all`, or a region: answer when every node there serves the change.",
        );
        sketch.reads_word("wait_s", "Seconds to wait at most, 30 unless said.");
    }
    if route.takes_key() {
        sketch.reads_header(
            "Idempotency-Key",
            "A name of yours for this request: repeated, it gets the same answer and does nothing.",
        );
    }
}

/// The name of the answer of this status.
pub(super) fn name(status: StatusCode) -> String {
    format!("Problem{}", status.as_u16())
}

/// The problem document of this status, with the codes that it can have.
pub(super) fn problem(status: StatusCode) -> Response {
    let with = Code::ALL.iter().filter(|code| code.status() == status);
    let codes: Vec<_> = with.map(|code| code.as_str()).collect();
    let named = Object::builder()
        .schema_type(Type::Object)
        .property(
            "code",
            Object::builder()
                .schema_type(Type::String)
                .enum_values(Some(codes)),
        )
        .build();
    let schema = utoipa::openapi::AllOfBuilder::new()
        .item(Ref::from_schema_name(PROBLEM))
        .item(named)
        .build();
    described(status)
        .content("application/problem+json", content(RefOr::T(schema.into())))
        .build()
}

/// The schemas that problems are made of.
pub(super) fn schemas() -> Vec<Named> {
    let id = SchemaFormat::KnownFormat(KnownFormat::Uuid);
    let of = |kind: Type| Object::builder().schema_type(kind);
    let problem = of(Type::Object)
        .description(Some(
            "A problem document (RFC 9457); callers match on its `code`.",
        ))
        .property("type", text())
        .property("title", text())
        .property("status", of(Type::Integer))
        .property("code", text())
        .property("detail", text())
        .property("request_id", of(Type::String).format(Some(id)))
        .property(
            "errors",
            ArrayBuilder::new().items(Ref::from_schema_name(Mistake::name())),
        );
    let required = ["type", "title", "status", "code", "detail", "request_id"];
    let problem = required
        .into_iter()
        .fold(problem, |made, field| made.required(field));
    let mut schemas: Vec<Named> = vec![(PROBLEM.to_owned(), RefOr::T(Schema::from(problem)))];
    schemas.push((Mistake::name().into_owned(), Mistake::schema()));
    schemas
}
