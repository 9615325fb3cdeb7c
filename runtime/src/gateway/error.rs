//! Everything the gateway itself says no with, and the one place where that becomes a problem.
//!
//! Messages are for callers: they say what would have been right and nothing about the inside.

use http::HeaderValue;
use http::header::ALLOW;
use koyalite_policy::{FunctionName, ProjectName};

use super::auth::AuthError;
use super::headers::REGION;
use super::route::RouteError;
use crate::http::{Code, Problem};

/// Why a request did not reach a function, or the function gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error("there is no project {0:?}")]
    UnknownProject(ProjectName),
    #[error("in production a function is called by its project's host name, not below /f/")]
    PathStyleOff,
    #[error("no function of project {0:?} has a path that this one begins with")]
    UnknownFunction(ProjectName),
    #[error("function {0:?} is switched off")]
    Disabled(FunctionName),
    #[error("function {function:?} is deployed to {}", regions.join(", "))]
    WrongRegion {
        function: FunctionName,
        regions: Vec<String>,
    },
    #[error("function {0:?} has no such version, or this caller may not choose it")]
    UnknownVersion(FunctionName),
    #[error("function {0:?} only runs on its schedule")]
    NotCallable(FunctionName),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("function {0:?} answers only callers with a token; send authorization: Bearer <token>")]
    TokenNeeded(FunctionName),
    #[error("the body may have {limit} bytes")]
    BodyTooLarge { limit: u64 },
    #[error("this node is shutting down; try again")]
    Draining,
}

impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Problem {
        let detail = error.to_string();
        let code = match error {
            GatewayError::Route(error) => return of_route(error, detail),
            GatewayError::Auth(error) => return error.into(),
            GatewayError::WrongRegion { regions, .. } => return of_region(&regions, detail),
            GatewayError::UnknownProject(_) => Code::UnknownProject,
            GatewayError::PathStyleOff => Code::UnknownRoute,
            GatewayError::UnknownFunction(_) => Code::UnknownFunction,
            GatewayError::Disabled(_) => Code::FunctionDisabled,
            GatewayError::UnknownVersion(_) => Code::UnknownVersion,
            GatewayError::NotCallable(_) => Code::NotCallable,
            GatewayError::TokenNeeded(_) => Code::Unauthorized,
            GatewayError::BodyTooLarge { .. } => Code::BodyTooLarge,
            GatewayError::Draining => Code::Draining,
        };
        Problem::new(code, detail)
    }
}

fn of_route(error: RouteError, detail: String) -> Problem {
    match error {
        RouteError::BadPath(_) => Problem::new(Code::BadPath, detail),
        RouteError::Nowhere => Problem::new(Code::UnknownRoute, detail),
        RouteError::NoProject => Problem::new(Code::UnknownProject, detail),
        RouteError::Method { allowed } => Problem::new(Code::MethodNotAllowed, detail)
            .with_header(ALLOW, HeaderValue::from_static(allowed)),
    }
}

/// Says where to go instead: the caller, or a proxy for it, can follow without parsing prose.
fn of_region(regions: &[String], detail: String) -> Problem {
    let problem = Problem::new(Code::WrongRegion, detail);
    match regions
        .first()
        .and_then(|region| HeaderValue::from_str(region).ok())
    {
        Some(region) => problem.with_header(REGION, region),
        None => problem,
    }
}
