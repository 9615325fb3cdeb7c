//! Who may call what, as a snapshot; and that a line of the table really guards its route.

mod api;
mod asking;
mod people;
mod sessions;

use std::time::Duration;

use chrono::Utc;
use http::header::{ALLOW, AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};

use super::route::Access::{Needs, Open, SignedIn};
use super::route::{get, put};
use super::*;
use crate::http::body;
use crate::keys::{ControlRole, ControlToken, KeyRing};
use crate::registry::roles::BuiltInRole;
use crate::registry::tests::TestRegistry;

/// Somebody who asks, and how they stand in the snapshot: by their role everywhere, and by the one in
/// the project that is asked about, or in another one, which counts for nothing there.
const WHO: [(&str, BuiltInRole, Option<BuiltInRole>); 7] = [
    ("viewer", BuiltInRole::Viewer, None),
    ("developer", BuiltInRole::Developer, None),
    ("admin", BuiltInRole::Admin, None),
    (
        "viewer-here",
        BuiltInRole::Member,
        Some(BuiltInRole::Viewer),
    ),
    (
        "dev-here",
        BuiltInRole::Member,
        Some(BuiltInRole::Developer),
    ),
    ("admin-here", BuiltInRole::Member, Some(BuiltInRole::Admin)),
    ("elsewhere", BuiltInRole::Member, None),
];

fn operator(everywhere: BuiltInRole, here: Option<BuiltInRole>) -> Operator {
    Operator {
        subject: "somebody".to_owned(),
        user: None,
        session: None,
        role: everywhere.name().to_owned(),
        everywhere: everywhere.permissions(),
        here: here.map(BuiltInRole::permissions),
        right: crate::keys::Right::Signed(ControlRole::Viewer),
    }
}

#[test]
fn the_permission_matrix_is_as_checked_in() {
    let mut text = format!("{:<72}{:<20}{:<8}", "route", "permission", "nobody");
    for (name, _, _) in WHO {
        text.push_str(&format!("{name:<12}"));
    }
    for route in routes() {
        let (permission, nobody) = match route.access {
            Open => ("-".to_owned(), "yes"),
            SignedIn => ("signed in".to_owned(), "."),
            Needs(permission) => (permission::name(permission), "."),
        };
        let line = format!("{:<7}{}", route.method, route.path);
        let mut line = format!("{line:<72}{permission:<20}{nobody:<8}");
        for (_, everywhere, here) in WHO {
            let project = route.path.contains("{project}").then_some("demo");
            let here = here.filter(|_| project.is_some());
            let admitted = auth::admit(&operator(everywhere, here), route.access, project);
            line.push_str(&format!("{:<12}", told(admitted)));
        }
        text = format!("{}\n{}", text.trim_end(), line);
    }
    let text = format!("{}\n", text.trim_end());
    if text != include_str!("permissions.txt") {
        panic!("who may call what has changed; if it is meant, permissions.txt becomes:\n{text}");
    }
}

/// Whoever may not see a project gets the answer of one that does not exist.
fn told(admitted: Result<(), ApiError>) -> &'static str {
    match admitted {
        Ok(()) => "yes",
        Err(ApiError::UnknownProject(_)) => "404",
        Err(_) => ".",
    }
}

#[test]
fn no_two_lines_of_the_table_are_for_the_same_route() {
    let mut seen = std::collections::HashSet::new();
    for route in routes() {
        assert!(
            seen.insert((route.method, route.path)),
            "{} {}",
            route.method,
            route.path
        );
    }
}

#[tokio::test]
async fn the_whole_table_makes_a_router() {
    // Two paths that could match the same request would panic here, and not at a node's start.
    let _ = route::router(routes(), &Guarded::new().await.gate);
}

#[test]
fn only_probes_and_the_way_in_are_open() {
    let open = routes().into_iter().filter(|route| route.access == Open);
    let open: std::collections::BTreeSet<_> = open.map(|route| route.path).collect();
    let expected = [
        "/docs",
        "/docs/{file}",
        "/healthz",
        "/openapi.json",
        "/readyz",
        "/v1/auth/password/forgot",
        "/v1/auth/password/reset",
        "/v1/auth/refresh",
        "/v1/auth/sign-in",
        "/v1/auth/sign-up",
    ];
    assert_eq!(open, expected.into());
}

/// A table of one open and one guarded route, and what guards it.
struct Guarded {
    gate: Gate,
    _registry: TestRegistry,
}

impl Guarded {
    async fn new() -> Guarded {
        let registry = TestRegistry::new().await;
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::create(&folder.path().join("keys.json")).unwrap();
        Guarded {
            gate: Gate {
                authority: ControlAuthority::new(&ring),
                registry: registry.registry.clone(),
            },
            _registry: registry,
        }
    }

    async fn ask(&self, method: &str, path: &str, role: Option<ControlRole>) -> Response<Body> {
        let table = vec![
            get::<_, _, ()>("/open", Open, health::healthz),
            put("/guarded", Permission::FunctionDeploy, health::healthz),
        ];
        let mut request = Request::builder().method(method).uri(path);
        if let Some(role) = role {
            let token = ControlToken {
                subject: "admin".to_owned(),
                role,
            };
            let token = self
                .gate
                .authority
                .issue(token, Duration::from_secs(60), Utc::now())
                .unwrap();
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let router = route::router(table, &self.gate);
        serve(router.with_state(()))(request.body(body::empty()).unwrap()).await
    }
}

async fn code(response: Response<Body>) -> String {
    let bytes = body::collect(response.into_body(), 1 << 16).await.unwrap();
    let problem: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    problem["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_guarded_route_wants_a_token_whose_role_holds_the_permission() {
    let guarded = Guarded::new().await;
    let check = async |role, expected: StatusCode| {
        let response = guarded.ask("PUT", "/guarded", role).await;
        assert_eq!(response.status(), expected, "{role:?}");
        assert_eq!(response.headers()["koyalite-source"], "gateway");
        assert!(response.headers().contains_key("x-request-id"));
    };
    check(None, StatusCode::UNAUTHORIZED).await;
    check(Some(ControlRole::Viewer), StatusCode::FORBIDDEN).await;
    check(Some(ControlRole::Developer), StatusCode::OK).await;
    check(Some(ControlRole::Admin), StatusCode::OK).await;
}

#[tokio::test]
async fn a_refusal_says_what_is_missing() {
    let guarded = Guarded::new().await;
    let nobody = guarded.ask("PUT", "/guarded", None).await;
    assert_eq!(nobody.headers()[WWW_AUTHENTICATE], "Bearer");
    assert_eq!(code(nobody).await, "unauthorized");
    let viewer = guarded
        .ask("PUT", "/guarded", Some(ControlRole::Viewer))
        .await;
    let bytes = body::collect(viewer.into_body(), 1 << 16).await.unwrap();
    let problem: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        problem["detail"],
        "this needs the permission `function:deploy`, which the role `viewer` does not hold"
    );
}

#[tokio::test]
async fn an_open_route_needs_no_token_and_unknown_ones_are_problems() {
    let guarded = Guarded::new().await;
    assert_eq!(
        guarded.ask("GET", "/open", None).await.status(),
        StatusCode::OK
    );
    let wrong_method = guarded.ask("DELETE", "/open", None).await;
    assert_eq!(wrong_method.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong_method.headers()[ALLOW], "GET,HEAD");
    assert_eq!(code(wrong_method).await, "method_not_allowed");
    assert_eq!(
        code(guarded.ask("GET", "/nowhere", None).await).await,
        "unknown_route"
    );
}
