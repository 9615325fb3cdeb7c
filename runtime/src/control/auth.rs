//! Who is operating: a control token becomes an [`Operator`], or the request ends here.
//!
//! The one place that reads the `Authorization` header of the control API. A token is looked at
//! before anything else of a request, so that nobody learns what exists by the kind of a refusal.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::RequestExt as _;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use koyalite_policy::ProjectName;
use uuid::Uuid;

use crate::http::request_id;
use crate::keys::{ControlAuthority, Presented, Right, TokenError, bearer};
use crate::registry::Registry;
use crate::registry::audit::{self, Action, Author, Chain, Deed};
use crate::registry::operators::{self, Known};

use super::error::ApiError;
use super::permission::{self, Permission};
use super::route::Access;

/// Who is operating, and what they may do in this request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The user's id, or the name that their token was given out for.
    pub subject: String,
    /// The user, where it is one who signed in.
    pub user: Option<Uuid>,
    /// Their session, where they signed in.
    pub session: Option<Uuid>,
    /// The name of their role everywhere.
    pub role: String,
    /// What they may do everywhere.
    pub everywhere: BTreeSet<Permission>,
    /// What they may do beyond that in the project of this request, if they belong to it.
    pub here: Option<BTreeSet<Permission>>,
    /// By what right they operate.
    pub right: Right,
}

impl Operator {
    fn new(presented: Presented, known: Known) -> Self {
        Self {
            subject: presented.subject,
            user: known.user,
            session: match presented.right {
                Right::Session(id) => Some(id),
                Right::Signed(_) | Right::Listed(_) => None,
            },
            role: known.role,
            everywhere: known.everywhere,
            here: known.here,
            right: presented.right,
        }
    }

    /// The same operator as they are in another project.
    ///
    /// # Errors
    /// Where the database is away, or they are no operator any longer.
    pub(super) async fn elsewhere(
        &self,
        registry: &Registry,
        project: &ProjectName,
    ) -> Result<Self, ApiError> {
        let presented = Presented {
            subject: self.subject.clone(),
            right: self.right,
        };
        let known = operators::known(registry, &presented, Some(project.as_str())).await?;
        Ok(Self::new(presented, known.ok_or(ApiError::Ended)?))
    }

    /// The user in whose name rows are written. Subjects that are no user's id, such as the
    /// `admin` of a token file, stand for the owner of the installation.
    pub fn user_id(&self, registry: &Registry) -> Uuid {
        Uuid::parse_str(&self.subject).unwrap_or_else(|_| registry.admin())
    }

    /// Whether they may, in this request: by their role everywhere or by the one in its project.
    pub fn may(&self, permission: Permission) -> bool {
        let here = self.here.as_ref();
        self.everywhere.contains(&permission) || here.is_some_and(|here| here.contains(&permission))
    }

    /// Goes on only where their role holds the permission: what a route asks of everybody, or a part
    /// of what it does asks of some.
    ///
    /// # Errors
    /// `Forbidden`, naming it.
    pub(super) fn demand(&self, permission: Permission) -> Result<(), ApiError> {
        match self.may(permission) {
            true => Ok(()),
            false => Err(ApiError::Forbidden {
                permission,
                role: self.role.clone(),
            }),
        }
    }

    /// Goes on only where they hold all of these themselves: nobody gives what they do not have, and
    /// nobody takes over whoever has more.
    ///
    /// # Errors
    /// `BeyondOwn`, naming what they lack.
    pub(super) fn hold(&self, all: &BTreeSet<Permission>) -> Result<(), ApiError> {
        let lacking: Vec<_> = all.iter().copied().filter(|one| !self.may(*one)).collect();
        match lacking.is_empty() {
            true => Ok(()),
            false => Err(ApiError::BeyondOwn { lacking }),
        }
    }
}

/// What a route demands: the state of the layer in front of it.
#[derive(Clone)]
pub(super) struct Demand {
    pub(super) gate: Gate,
    pub(super) access: Access,
    /// As the table of routes has it.
    pub(super) path: &'static str,
}

/// What operators are recognised by.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) authority: ControlAuthority,
    pub(super) registry: Arc<Registry>,
}

/// Lets a request through whose token holds the permission, with its [`Operator`] attached.
pub(super) async fn require(
    State(demand): State<Demand>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let presented = presented(&demand.gate.authority, request.headers())?;
    let project = project_of(&mut request).await?;
    let known = operators::known(&demand.gate.registry, &presented, project.as_deref()).await?;
    let operator = Operator::new(presented, known.ok_or(ApiError::Ended)?);
    let author = Author {
        actor: operator.subject.clone(),
        request: Some(request_id::of(request.headers())),
    };
    let route = format!("{} {}", request.method(), demand.path);
    let answer = async {
        let refused = admit(&operator, demand.access, project.as_deref()).err();
        let hidden = matches!(refused, Some(ApiError::UnknownProject(_)));
        let answer = match refused {
            Some(refused) => refused.into_response(),
            None => {
                request.extensions_mut().insert(operator);
                next.run(request).await
            }
        };
        if hidden || answer.status() == StatusCode::FORBIDDEN {
            demand.record_refusal(&route, project.as_deref()).await;
        }
        answer
    };
    Ok(audit::on_behalf(author, answer).await)
}

impl Demand {
    async fn record_refusal(&self, route: &str, project: Option<&str>) {
        let registry = &self.gate.registry;
        let name = project.and_then(|name| name.parse().ok());
        let snapshot = registry.snapshot();
        let project = name.and_then(|name| snapshot.project(&name));
        let chain = project.map_or(Chain::Installation, |project| Chain::Project(project.id));
        let permission = match self.access {
            Access::Needs(permission) => permission::name(permission),
            Access::Open | Access::SignedIn => String::new(),
        };
        let deed = Deed::new(Action::Denied, route).with("permission", permission);
        audit::refused(registry, chain, deed).await;
    }
}

/// The project in the path, as it is written there.
async fn project_of(request: &mut Request) -> Result<Option<String>, ApiError> {
    let named = request.extract_parts::<Path<HashMap<String, String>>>();
    let Path(mut named) = named.await.map_err(|_| ApiError::BadPath)?;
    Ok(named.remove("project"))
}

/// Whoever may not see a project is not told whether it exists.
pub(super) fn admit(
    operator: &Operator,
    access: Access,
    project: Option<&str>,
) -> Result<(), ApiError> {
    let permission = match access {
        Access::Open | Access::SignedIn => return Ok(()),
        Access::Needs(permission) => permission,
    };
    match (operator.demand(permission), project) {
        (Err(_), Some(project))
            if operator.here.is_none() && !operator.may(Permission::ProjectRead) =>
        {
            Err(ApiError::UnknownProject(project.to_owned()))
        }
        (demanded, _) => demanded,
    }
}

fn presented(authority: &ControlAuthority, headers: &HeaderMap) -> Result<Presented, ApiError> {
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
    Ok(authority.verify(text, Utc::now())?)
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
    use crate::keys::{ControlRole, ControlToken, KeyRing};

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
        let seen = presented(&authority, &headers(&[&sent])).unwrap();
        assert_eq!(seen.subject, "admin");
        assert_eq!(seen.right, Right::Signed(ControlRole::Developer));
        assert!(presented(&authority, &headers(&[&sent, &sent])).is_err());
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
            let refused = presented(&authority, &headers(sent)).unwrap_err();
            let status = refused.problem().status();
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{sent:?}");
        }
    }
}
