//! Who is operating: a control token becomes an [`Operator`], or the request ends here.
//!
//! The one place that reads the `Authorization` header of the control API. A token is looked at
//! before anything else of a request, so that nobody learns what exists by the kind of a refusal.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use uuid::Uuid;

use crate::http::request_id;
use crate::keys::{ControlAuthority, ControlRole, TokenError, bearer};
use crate::registry::Registry;
use crate::registry::audit::{self, Author, Chain};

use super::error::ApiError;
use super::permission::{self, Permission, allows};

/// Who is operating, as their token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The user's id, or `admin` for the owner of the installation.
    pub subject: String,
    /// What they may do.
    pub role: ControlRole,
}

impl Operator {
    /// The user in whose name rows are written. Subjects that are no user's id, such as the
    /// `admin` of a token file, stand for the owner of the installation.
    pub fn user_id(&self, registry: &Registry) -> Uuid {
        Uuid::parse_str(&self.subject).unwrap_or_else(|_| registry.admin())
    }

    /// Goes on only where their role holds the permission: what a route asks of everybody, or a part
    /// of what it does asks of some.
    ///
    /// # Errors
    /// `Forbidden`, naming it.
    pub(super) fn demand(&self, permission: Permission) -> Result<(), ApiError> {
        match allows(self.role, permission) {
            true => Ok(()),
            false => Err(ApiError::Forbidden {
                permission,
                role: self.role,
            }),
        }
    }
}

/// What a route demands: the state of the layer in front of it.
#[derive(Clone)]
pub(super) struct Demand {
    pub(super) authority: ControlAuthority,
    pub(super) permission: Permission,
    /// As the table of routes has it.
    pub(super) path: &'static str,
    /// Where refusals are recorded; none in tests of the guard alone.
    pub(super) registry: Option<Arc<Registry>>,
}

/// Lets a request through whose token holds the permission, with its [`Operator`] attached.
pub(super) async fn require(
    State(demand): State<Demand>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let operator = identify(&demand.authority, request.headers())?;
    let author = Author {
        actor: operator.subject.clone(),
        request: Some(request_id::of(request.headers())),
    };
    let target = Target::of(demand.path, &request);
    let answer = async {
        let answer = match operator.demand(demand.permission) {
            Ok(()) => {
                request.extensions_mut().insert(operator);
                next.run(request).await
            }
            Err(refused) => refused.into_response(),
        };
        if answer.status() == StatusCode::FORBIDDEN
            && let Some(registry) = &demand.registry
        {
            let permission = permission::name(demand.permission);
            audit::denied(registry, target.chain(registry), &target.route, &permission).await;
        }
        answer
    };
    Ok(audit::on_behalf(author, answer).await)
}

/// What a request is for, in the record of its refusal.
struct Target {
    /// Method and path, as the table of routes has it.
    route: String,
    project: Option<String>,
}

impl Target {
    fn of(path: &str, request: &Request) -> Self {
        let named = path.starts_with("/v1/projects/{project}");
        let project = request.uri().path().split('/').nth(3).filter(|_| named);
        Self {
            route: format!("{} {path}", request.method()),
            project: project.map(str::to_owned),
        }
    }

    fn chain(&self, registry: &Registry) -> Chain {
        let name = self.project.as_ref().and_then(|name| name.parse().ok());
        let snapshot = registry.snapshot();
        let project = name.and_then(|name| snapshot.project(&name));
        project.map_or(Chain::Installation, |project| Chain::Project(project.id))
    }
}

fn identify(authority: &ControlAuthority, headers: &HeaderMap) -> Result<Operator, ApiError> {
    let mut credentials = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (credentials.next(), credentials.next());
    let text = match (first, second) {
        (None, _) => return Err(ApiError::Unauthenticated),
        // Two credentials: whichever we chose, a proxy in front may have judged the other.
        (Some(_), Some(_)) => {
            return Err(TokenError::Malformed("send one Authorization header").into());
        }
        (Some(only), None) => bearer(only)?.ok_or(ApiError::Unauthenticated)?,
    };
    let token = authority.verify(text, Utc::now())?;
    Ok(Operator {
        subject: token.subject,
        role: token.role,
    })
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Operator, ApiError> {
        // Absent only on a route without a demand, where nobody operates.
        parts
            .extensions
            .get::<Operator>()
            .cloned()
            .ok_or(ApiError::Unauthenticated)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::*;
    use crate::keys::{ControlToken, KeyRing};

    fn authority() -> ControlAuthority {
        let folder = tempfile::tempdir().unwrap();
        ControlAuthority::new(&KeyRing::create(&folder.path().join("keys.json")).unwrap())
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_control_token_names_its_operator() {
        let authority = authority();
        let issued = ControlToken {
            subject: "admin".into(),
            role: ControlRole::Developer,
        };
        let token = authority
            .issue(issued, Duration::from_secs(60), Utc::now())
            .unwrap();
        let sent = format!("Bearer {}", token.expose());
        let operator = identify(&authority, &headers(&[&sent])).unwrap();
        assert_eq!(
            operator,
            Operator {
                subject: "admin".into(),
                role: ControlRole::Developer
            }
        );
        assert!(identify(&authority, &headers(&[&sent, &sent])).is_err());
    }

    #[test]
    fn everything_else_is_refused() {
        let authority = authority();
        for sent in [
            &[][..],
            &["Basic YTpi"],
            &["Bearer"],
            &["Bearer a.b.c"],
            &["Bearer x"],
        ] {
            let refused = identify(&authority, &headers(sent)).unwrap_err();
            let status = refused.problem().status();
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{sent:?}");
        }
    }
}
