//! What is known of an operation: what it reads of a request, and every answer that it can give.
//!
//! Filled by the types of a handler (`takes`, `gives`), so that it cannot say something else than
//! the handler does.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{Object, Ref, SchemaType, Type};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, RefOr, Required, Response, ResponseBuilder, Schema,
};

/// A schema under its name.
pub(super) type Named = (String, RefOr<Schema>);

/// An operation, as far as its handler's types tell.
#[derive(Default)]
pub(in crate::control) struct Sketch {
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
    pub(super) answers: BTreeMap<StatusCode, Response>,
    /// Statuses of problems that come from reading the request, or from doing what it asks.
    pub(super) refusals: BTreeSet<StatusCode>,
    pub(super) schemas: Vec<Named>,
}

impl Sketch {
    /// A reference to the schema of a type, which is listed with all that it consists of.
    pub(super) fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(name).into()
    }

    /// It answers a document with this status.
    pub(super) fn answers_json<T: ToSchema>(&mut self, status: StatusCode) {
        let schema = self.schema::<T>();
        let response = described(status).content("application/json", content(schema));
        self.answers.insert(status, response.build());
    }

    /// It answers text of this media type.
    pub(super) fn answers_text(&mut self, status: StatusCode, media: &str) {
        let response = described(status).content(media, content(text()));
        self.answers.insert(status, response.build());
    }

    /// It answers without a body.
    pub(super) fn answers_nothing(&mut self, status: StatusCode) {
        self.answers.insert(status, described(status).build());
    }

    /// All its good answers carry a header.
    pub(super) fn with_header(&mut self, name: &str, description: &str) {
        for answer in self.answers.values_mut() {
            let header = HeaderBuilder::new().schema(Some(text()));
            let header = header.description(Some(description)).build();
            answer.headers.insert(name.to_owned(), header.into());
        }
    }

    /// It reads a header.
    pub(super) fn reads_header(&mut self, name: &str, description: &str) {
        self.reads(ParameterIn::Header, name, description);
    }

    /// It reads a word of the query that is common to many.
    pub(super) fn reads_word(&mut self, name: &str, description: &str) {
        self.reads(ParameterIn::Query, name, description);
    }

    fn reads(&mut self, place: ParameterIn, name: &str, description: &str) {
        let parameter = Parameter::builder()
            .name(name)
            .parameter_in(place)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(text()));
        self.parameters.push(parameter.build());
    }

    /// It reads the fields of a type from the query.
    pub(super) fn reads_query<T: ToSchema>(&mut self) {
        T::schemas(&mut self.schemas);
        let RefOr::T(Schema::Object(fields)) = T::schema() else {
            return;
        };
        for (name, schema) in fields.properties {
            let required = match fields.required.contains(&name) {
                true => Required::True,
                false => Required::False,
            };
            let parameter = Parameter::builder()
                .description(description(&schema))
                .name(name)
                .parameter_in(ParameterIn::Query)
                .required(required)
                .schema(Some(present(schema)));
            self.parameters.push(parameter.build());
        }
    }

    /// It may refuse with this status.
    pub(super) fn refuses(&mut self, status: StatusCode) {
        self.refusals.insert(status);
    }
}

/// Content of one schema.
pub(super) fn content(schema: RefOr<Schema>) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

/// Any text.
pub(super) fn text() -> RefOr<Schema> {
    Object::with_type(Type::String).into()
}

/// A response with the standard words of its status.
pub(super) fn described(status: StatusCode) -> ResponseBuilder {
    ResponseBuilder::new().description(status.canonical_reason().unwrap_or_default())
}

fn description(schema: &RefOr<Schema>) -> Option<String> {
    match schema {
        RefOr::T(Schema::Object(object)) => object.description.clone(),
        _ => None,
    }
}

/// A query has no null: what is not meant is left out.
fn present(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            if let SchemaType::Array(mut types) = object.schema_type {
                types.retain(|one| *one != Type::Null);
                object.schema_type = SchemaType::Array(types);
            }
            object.description = None;
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::OneOf(one)) => {
            let other = |item: &RefOr<Schema>| !matches!(item, RefOr::T(_));
            let found = one.items.iter().find(|item| other(item)).cloned();
            found.unwrap_or(RefOr::T(Schema::OneOf(one)))
        }
        other => other,
    }
}
