//! The document: every route of the table with what its sketch tells.

use std::collections::BTreeMap;

use utoipa::openapi::path::{
    HttpMethod, Operation, Parameter, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::schema::Ref;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Info, OpenApi, OpenApiBuilder, RefOr, Required, Response, ResponsesBuilder, Tag,
};

use super::super::permission;
use super::super::route::{Access, Route};
use super::refusals;
use super::sketch::{Named, Sketch, text};
use super::words::{self, Words};

/// The name of the one way to show who one is.
const BEARER: &str = "control_token";

/// The document of a table of routes.
pub(super) fn of(routes: &[Route]) -> OpenApi {
    let (mut schemas, mut problems) = (refusals::schemas(), BTreeMap::new());
    let mut paths = PathsBuilder::new();
    for route in routes {
        let mut sketch = route.sketch();
        refusals::add(route, &mut sketch);
        schemas.append(&mut sketch.schemas);
        for status in sketch.refusals.iter().copied() {
            problems.insert(refusals::name(status), refusals::problem(status));
        }
        let method = method(route.method);
        // The rest of a path is one parameter here.
        let path = route.path.replace("{*", "{");
        paths = paths.path(path, PathItem::new(method, operation(route, sketch)));
    }
    OpenApiBuilder::new()
        .info(info())
        .paths(paths.build())
        .components(Some(components(schemas, problems)))
        .tags(Some(words::GROUPS.iter().map(|(name, _)| Tag::new(*name))))
        .build()
}

fn info() -> Info {
    let mut info = Info::new("KoyaLite control API", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    info.license = Some(utoipa::openapi::License::new("Apache-2.0"));
    info
}

const ABOUT: &str = "Projects, functions, tables, policies and what is sent: everything that operators and \
    deployers do. Every refusal is a problem document whose `code` stays as it is. Lists come in parts: \
    send `next_cursor` as `cursor`. An unknown field is refused and named.";

fn operation(route: &Route, sketch: Sketch) -> Operation {
    let Words { group, id, summary } = words::of(route.method, route.path);
    let mut responses = ResponsesBuilder::new();
    for (status, answer) in sketch.answers {
        responses = responses.response(status.as_str(), answer);
    }
    for status in sketch.refusals {
        let problem = Ref::from_response_name(refusals::name(status));
        responses = responses.response(status.as_str(), RefOr::<Response>::Ref(problem));
    }
    let mut operation = Operation::builder()
        .tag(group)
        .operation_id(Some(id))
        .summary(Some(summary))
        .description(demanded(route.access))
        .parameters(Some(in_path(route.path)))
        .parameters(Some(sketch.parameters))
        .request_body(sketch.body)
        .responses(responses.build());
    if route.access != Access::Open {
        operation = operation.security(SecurityRequirement::new::<_, [&str; 0], _>(BEARER, []));
    }
    operation.build()
}

fn demanded(access: Access) -> Option<String> {
    match access {
        Access::Open => None,
        Access::SignedIn => Some("Needs a control token, whatever its role.".to_owned()),
        Access::Needs(one) => Some(format!("Needs the permission `{}`.", permission::name(one))),
    }
}

/// The variable parts of a path, in order.
fn in_path(path: &str) -> Vec<Parameter> {
    let parts = path.split('/');
    let names = parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        Parameter::builder()
            .name(name.trim_start_matches('*'))
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(text()))
            .build()
    };
    names.map(parameter).collect()
}

fn method(name: &str) -> HttpMethod {
    match name {
        "PUT" => HttpMethod::Put,
        "POST" => HttpMethod::Post,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn components(schemas: Vec<Named>, problems: BTreeMap<String, Response>) -> Components {
    let bearer = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A control token: of a session, or one that was given out.",
        ))
        .build();
    utoipa::openapi::ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .responses_from_iter(problems)
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .build()
}
