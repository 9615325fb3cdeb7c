//! Everything the gateway itself says no with, and the one place where that becomes a problem.
//!
//! Messages are for callers: they say what would have been right and nothing about the inside.

use http::HeaderValue;
use http::header::ALLOW;
use koyalite_host_api::HostError;
use koyalite_policy::{FunctionName, ProjectName};

use super::auth::AuthError;
use super::file_error;
use super::headers::REGION;
use super::preview::PreviewError;
use super::rates;
use super::route::RouteError;
use crate::accounts::AccountError;
use crate::dispatch::DispatchError;
use crate::engine::InvokeError;
use crate::http::{Code, Problem};
use crate::registry::rates::Exceeded;

/// Why a request did not reach a function, or the function gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error("there is no project `{0}`")]
    UnknownProject(ProjectName),
    #[error("in production a function is called by its project's host name, not below /f/")]
    PathStyleOff,
    #[error("no function of project `{0}` has a path that this one begins with")]
    UnknownFunction(ProjectName),
    #[error("function `{0}` is switched off")]
    Disabled(FunctionName),
    #[error("function `{function}` is deployed to {}", regions.join(", "))]
    WrongRegion {
        function: FunctionName,
        regions: Vec<String>,
    },
    #[error("koyalite-region names one region")]
    BadRegion,
    #[error("no node of {} answers; try again", .0.join(", "))]
    RegionAway(Vec<String>),
    #[error("the node that was asked gave no answer; it may have done what was asked of it")]
    HopFailed,
    #[error(
        "this node has not reached its database for a while and may serve what is out of date; try again"
    )]
    Stale,
    #[error("the project's data may be in {}", .0.join(", "))]
    DataElsewhere(Vec<String>),
    #[error("function `{0}` has no such version, or this caller may not choose it")]
    UnknownVersion(FunctionName),
    #[error(transparent)]
    Preview(#[from] PreviewError),
    #[error("function `{0}` only runs on its schedule")]
    NotCallable(FunctionName),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("function `{0}` answers only callers with a token; send authorization: Bearer <token>")]
    TokenNeeded(FunctionName),
    #[error(transparent)]
    TooMany(#[from] Exceeded),
    #[error("the body may have {limit} bytes")]
    BodyTooLarge { limit: u64 },
    #[error("this node is shutting down; try again")]
    Draining,
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error("send application/json")]
    NotJson,
    #[error("the body is not JSON: {0}")]
    BadJson(String),
    #[error("{0}")]
    BadField(String),
    #[error("the body ended before it was complete")]
    BodyIncomplete,
    #[error("{0}")]
    BadQuery(&'static str),
    #[error(transparent)]
    File(#[from] HostError),
    #[error("{error}")]
    NoSuchPart { size: u64, error: HostError },
    #[error("send application/offset+octet-stream")]
    NotOffset,
    #[error("send tus-resumable: 1.0.0")]
    TusVersion,
    #[error("this node keeps no files")]
    NoFiles,
}

impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Problem {
        let detail = error.to_string();
        let code = match error {
            GatewayError::Route(error) => return of_route(error, detail),
            GatewayError::Auth(error) => return error.into(),
            GatewayError::TooMany(exceeded) => return rates::refused(exceeded, detail),
            GatewayError::WrongRegion { regions, .. } => return of_region(&regions, detail),
            GatewayError::DataElsewhere(regions) => return of_region(&regions, detail),
            GatewayError::RegionAway(regions) => {
                return naming(Problem::new(Code::RegionAway, detail), &regions);
            }
            GatewayError::BadRegion => Code::BadRequest,
            GatewayError::HopFailed => Code::HopFailed,
            GatewayError::Stale => Code::Stale,
            GatewayError::UnknownProject(_) => Code::UnknownProject,
            GatewayError::PathStyleOff => Code::UnknownRoute,
            GatewayError::UnknownFunction(_) => Code::UnknownFunction,
            GatewayError::Disabled(_) => Code::FunctionDisabled,
            GatewayError::UnknownVersion(_) => Code::UnknownVersion,
            GatewayError::Preview(_) => Code::InvalidUrl,
            GatewayError::NotCallable(_) => Code::NotCallable,
            GatewayError::TokenNeeded(_) => Code::Unauthorized,
            GatewayError::BodyTooLarge { .. } => Code::BodyTooLarge,
            GatewayError::Draining => Code::Draining,
            GatewayError::Account(error) => return of_account(&error),
            GatewayError::NotJson => Code::UnsupportedMediaType,
            GatewayError::BadJson(_) => Code::InvalidJson,
            GatewayError::BadField(_) => Code::InvalidField,
            GatewayError::BodyIncomplete => Code::BodyIncomplete,
            GatewayError::BadQuery(_) => Code::InvalidQuery,
            GatewayError::File(error) => return file_error::problem(&error),
            GatewayError::NoSuchPart { size, error } => {
                return file_error::no_such_part(size, &error);
            }
            GatewayError::NotOffset => Code::UnsupportedMediaType,
            GatewayError::TusVersion => Code::PreconditionFailed,
            GatewayError::NoFiles => Code::Unavailable,
        };
        Problem::new(code, detail)
    }
}

fn of_account(error: &AccountError) -> Problem {
    if let Some(inside) = error.inside() {
        tracing::error!(inside, "an account could not be served");
    }
    error.problem()
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
    naming(Problem::new(Code::WrongRegion, detail), regions)
}

fn naming(problem: Problem, regions: &[String]) -> Problem {
    match regions
        .first()
        .and_then(|region| HeaderValue::from_str(region).ok())
    {
        Some(region) => problem.with_header(REGION, region),
        None => problem,
    }
}

/// What a caller learns of a failed invocation. Traps and the host's own faults are told in full to
/// the function's owner, by its log, and not to whoever happens to call.
pub(super) fn of_dispatch(error: DispatchError) -> Problem {
    match error {
        DispatchError::Overloaded => Problem::new(Code::Overloaded, error.to_string()),
        DispatchError::Invoke(error) => of_invoke(&error),
        // A firing's answer never reaches a caller; here it would be our mistake.
        DispatchError::ScheduleRefused { .. } | DispatchError::Confused => internal(&error),
        DispatchError::Unusable { ref inside } => {
            tracing::error!(%inside, "a version cannot be run");
            internal(&error)
        }
    }
}

fn internal(error: &DispatchError) -> Problem {
    tracing::error!(%error, "an invocation failed through the host's fault");
    Problem::new(
        Code::Internal,
        "the host failed; the request id names the line in its log",
    )
}

fn of_invoke(error: &InvokeError) -> Problem {
    let code = match error {
        InvokeError::CpuLimit { .. } => Code::CpuLimit,
        InvokeError::WallLimit { .. } => Code::WallLimit,
        InvokeError::MemoryLimit { .. } => Code::MemoryLimit,
        InvokeError::NoResponse => Code::NoResponse,
        InvokeError::Collateral { .. } => {
            let detail = "another call on the same instance ended it, or this one did; try again";
            return Problem::new(Code::Collateral, detail);
        }
        InvokeError::Overloaded => Code::Overloaded,
        InvokeError::NotExported { .. } => Code::NotCallable,
        InvokeError::Trapped { .. } => {
            return Problem::new(Code::GuestTrapped, "the function trapped; its log says why");
        }
        InvokeError::GuestError { .. } | InvokeError::ScheduledFailed { .. } => {
            return Problem::new(Code::GuestError, "the function gave up; its log says why");
        }
        InvokeError::Unloadable { inside } => {
            tracing::error!(%inside, "a function could not be loaded");
            return Problem::new(Code::Internal, "the function could not be loaded");
        }
    };
    Problem::new(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(error: DispatchError, status: u16, code: Code, hidden: &str) {
        let problem = of_dispatch(error);
        assert_eq!((problem.status().as_u16(), problem.code), (status, code));
        assert!(
            hidden.is_empty() || !problem.detail.contains(hidden),
            "{}",
            problem.detail
        );
    }

    #[test]
    fn a_failed_invocation_has_a_status_and_keeps_the_inside_inside() {
        let invoke = DispatchError::Invoke;
        let (limit, secret) = (Duration::from_secs(1), || "secret".to_owned());
        check(DispatchError::Overloaded, 503, Code::Overloaded, "");
        check(DispatchError::Confused, 500, Code::Internal, "");
        check(
            DispatchError::Unusable { inside: secret() },
            500,
            Code::Internal,
            "secret",
        );
        check(
            invoke(InvokeError::CpuLimit { limit }),
            504,
            Code::CpuLimit,
            "",
        );
        check(
            invoke(InvokeError::WallLimit { limit }),
            504,
            Code::WallLimit,
            "",
        );
        check(
            invoke(InvokeError::MemoryLimit { limit_bytes: 1 }),
            500,
            Code::MemoryLimit,
            "",
        );
        check(invoke(InvokeError::NoResponse), 500, Code::NoResponse, "");
        check(invoke(InvokeError::Overloaded), 503, Code::Overloaded, "");
        check(
            invoke(InvokeError::Collateral { why: secret() }),
            503,
            Code::Collateral,
            "secret",
        );
        check(
            invoke(InvokeError::Trapped {
                reason: secret(),
                frames: [secret()].into(),
            }),
            500,
            Code::GuestTrapped,
            "secret",
        );
        check(
            invoke(InvokeError::GuestError { code: secret() }),
            500,
            Code::GuestError,
            "secret",
        );
        check(
            invoke(InvokeError::Unloadable { inside: secret() }),
            500,
            Code::Internal,
            "secret",
        );
    }
}
