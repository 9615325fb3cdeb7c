//! Every route of the control API, as nobody and as the wrong somebody.
//!
//! [`ROUTES`] is the list, and who may call what is in it for people to read. A route that is added
//! to the product and not to this list fails `tidy`.

mod tried;

/// The weakest operator who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Anyone,
    /// The way in: without a token, and with what nobody signs in with.
    WayIn,
    /// Somebody who signed in with a password, which no operator's token has.
    Person,
    Viewer,
    Developer,
    Admin,
}

use Who::{Admin, Anyone, Developer, Person, Viewer, WayIn};

/// Method, path, the weakest operator.
#[rustfmt::skip] // One line a route, so that the table reads as one.
const ROUTES: &[(&str, &str, Who)] = &[
    ("GET", "/v1/projects", Viewer),
    ("POST", "/v1/projects", Admin),
    ("GET", "/v1/projects/{project}", Viewer),
    ("PATCH", "/v1/projects/{project}", Admin),
    ("DELETE", "/v1/projects/{project}", Admin),
    ("GET", "/v1/projects/{project}/jwt-secret", Admin),
    ("PUT", "/v1/projects/{project}/jwt-secret", Admin),
    ("GET", "/v1/projects/{project}/vector-indexes", Viewer),
    ("POST", "/v1/projects/{project}/vector-indexes", Developer),
    ("GET", "/v1/projects/{project}/vector-indexes/{index}", Viewer),
    ("PATCH", "/v1/projects/{project}/vector-indexes/{index}", Developer),
    ("DELETE", "/v1/projects/{project}/vector-indexes/{index}", Developer),
    ("GET", "/v1/projects/{project}/api-keys", Viewer),
    ("POST", "/v1/projects/{project}/api-keys", Developer),
    ("GET", "/v1/projects/{project}/api-keys/{key}", Viewer),
    ("DELETE", "/v1/projects/{project}/api-keys/{key}", Developer),
    ("GET", "/v1/projects/{project}/functions/{name}/deployments", Viewer),
    ("POST", "/v1/projects/{project}/functions/{name}/deployments", Developer),
    ("GET", "/v1/projects/{project}/functions/{name}/deployments/{number}", Viewer),
    ("POST", "/v1/projects/{project}/functions/{name}/previews", Developer),
    ("DELETE", "/v1/projects/{project}/functions/{name}/previews", Developer),
    ("DELETE", "/v1/projects/{project}/functions/{name}/previews/{id}", Developer),
    ("POST", "/v1/projects/{project}/deployments", Developer),
    ("POST", "/v1/projects/{project}/functions/{name}/promote", Developer),
    ("GET", "/v1/projects/{project}/identity-providers", Viewer),
    ("POST", "/v1/projects/{project}/identity-providers", Admin),
    ("GET", "/v1/projects/{project}/identity-providers/{provider}", Viewer),
    ("DELETE", "/v1/projects/{project}/identity-providers/{provider}", Admin),
    ("GET", "/v1/projects/{project}/secrets", Viewer),
    ("GET", "/v1/projects/{project}/secrets/{name}", Viewer),
    ("PUT", "/v1/projects/{project}/secrets/{name}", Developer),
    ("DELETE", "/v1/projects/{project}/secrets/{name}", Developer),
    ("GET", "/v1/projects/{project}/functions", Viewer),
    ("GET", "/v1/projects/{project}/functions/{name}", Viewer),
    ("PUT", "/v1/projects/{project}/functions/{name}", Developer),
    ("PATCH", "/v1/projects/{project}/functions/{name}", Developer),
    ("DELETE", "/v1/projects/{project}/functions/{name}", Developer),
    ("GET", "/v1/projects/{project}/functions/{name}/versions", Viewer),
    ("GET", "/v1/projects/{project}/functions/{name}/versions/{version}", Viewer),
    ("PUT", "/v1/projects/{project}/email/senders/{id}/return-path", Developer),
    ("PUT", "/v1/projects/{project}/email/senders/{id}/dkim", Developer),
    ("DELETE", "/v1/projects/{project}/email/senders/{id}/dkim", Developer),
    ("POST", "/v1/projects/{project}/email/bounces", Developer),
    ("POST", "/v1/projects/{project}/functions/{name}/fetch", Developer),
    ("POST", "/v1/projects/{project}/functions/{name}/rollback", Developer),
    ("GET", "/v1/projects/{project}/functions/{name}/logs", Viewer),
    ("GET", "/v1/projects/{project}/tables", Viewer),
    ("POST", "/v1/projects/{project}/tables", Developer),
    ("GET", "/v1/projects/{project}/tables/{table}", Viewer),
    ("DELETE", "/v1/projects/{project}/tables/{table}", Developer),
    ("POST", "/v1/projects/{project}/tables/{table}/columns", Developer),
    ("PATCH", "/v1/projects/{project}/tables/{table}/columns/{column}", Developer),
    ("DELETE", "/v1/projects/{project}/tables/{table}/columns/{column}", Developer),
    ("POST", "/v1/projects/{project}/tables/{table}/indexes", Developer),
    ("DELETE", "/v1/projects/{project}/tables/{table}/indexes/{index}", Developer),
    ("POST", "/v1/projects/{project}/tables/{table}/rows", Admin),
    ("PUT", "/v1/projects/{project}/tables/{table}/native-mirror", Developer),
    ("PUT", "/v1/projects/{project}/tables/{table}/policy-readable", Admin),
    ("GET", "/v1/projects/{project}/policies", Viewer),
    ("POST", "/v1/projects/{project}/policies", Developer),
    ("POST", "/v1/projects/{project}/policies/check", Viewer),
    ("POST", "/v1/projects/{project}/policies/explain", Viewer),
    ("POST", "/v1/projects/{project}/policies/test", Viewer),
    ("POST", "/v1/projects/{project}/policies/verify", Developer),
    ("GET", "/v1/projects/{project}/policies/{id}", Viewer),
    ("PATCH", "/v1/projects/{project}/policies/{id}", Developer),
    ("DELETE", "/v1/projects/{project}/policies/{id}", Developer),
    ("GET", "/v1/projects/{project}/claims", Viewer),
    ("PUT", "/v1/projects/{project}/claims", Developer),
    ("GET", "/v1/projects/{project}/native-mirror", Viewer),
    ("PUT", "/v1/projects/{project}/native-mirror", Developer),
    ("PUT", "/v1/projects/{project}/schema", Developer),
    ("POST", "/v1/projects/{project}/schema/plan", Developer),
    ("GET", "/v1/projects/{project}/schema/history", Viewer),
    ("GET", "/v1/projects/{project}/schedules", Viewer),
    ("POST", "/v1/projects/{project}/schedules", Developer),
    ("GET", "/v1/projects/{project}/schedules/{task}", Viewer),
    ("PATCH", "/v1/projects/{project}/schedules/{task}", Developer),
    ("DELETE", "/v1/projects/{project}/schedules/{task}", Developer),
    ("POST", "/v1/projects/{project}/schedules/{task}/pause", Developer),
    ("POST", "/v1/projects/{project}/schedules/{task}/resume", Developer),
    ("POST", "/v1/projects/{project}/schedules/{task}/run", Developer),
    ("POST", "/v1/projects/{project}/schedules/{task}/backfill", Developer),
    ("GET", "/v1/projects/{project}/schedules/{task}/runs", Viewer),
    ("GET", "/v1/projects/{project}/schedules/{task}/runs/{run}", Viewer),
    ("GET", "/v1/projects/{project}/webhooks/endpoints", Viewer),
    ("POST", "/v1/projects/{project}/webhooks/endpoints", Developer),
    ("GET", "/v1/projects/{project}/webhooks/endpoints/{id}", Viewer),
    ("PATCH", "/v1/projects/{project}/webhooks/endpoints/{id}", Developer),
    ("DELETE", "/v1/projects/{project}/webhooks/endpoints/{id}", Developer),
    ("POST", "/v1/projects/{project}/webhooks/endpoints/{id}/rotate-secret", Developer),
    ("GET", "/v1/projects/{project}/webhooks/deliveries", Viewer),
    ("GET", "/v1/projects/{project}/webhooks/deliveries/{id}", Developer),
    ("POST", "/v1/projects/{project}/webhooks/deliveries/replay", Developer),
    ("GET", "/v1/projects/{project}/email/senders", Viewer),
    ("POST", "/v1/projects/{project}/email/senders", Developer),
    ("GET", "/v1/projects/{project}/email/senders/{id}", Viewer),
    ("DELETE", "/v1/projects/{project}/email/senders/{id}", Developer),
    ("GET", "/v1/projects/{project}/email/templates", Viewer),
    ("GET", "/v1/projects/{project}/email/templates/{name}", Viewer),
    ("PUT", "/v1/projects/{project}/email/templates/{name}", Developer),
    ("DELETE", "/v1/projects/{project}/email/templates/{name}", Developer),
    ("POST", "/v1/projects/{project}/email/templates/{name}/preview", Viewer),
    ("GET", "/v1/projects/{project}/email/suppressions", Viewer),
    ("DELETE", "/v1/projects/{project}/email/suppressions/{name}", Developer),
    ("GET", "/v1/projects/{project}/email/messages", Viewer),
    ("GET", "/v1/projects/{project}/email/messages/{id}", Viewer),
    ("POST", "/v1/projects/{project}/email/messages/{id}/resend", Developer),
    ("GET", "/v1/projects/{project}/mailbox", Viewer),
    ("GET", "/v1/projects/{project}/mailbox/{id}", Developer),
    ("GET", "/v1/projects/{project}/files", Viewer),
    ("GET", "/v1/projects/{project}/files/{*path}", Admin),
    ("PUT", "/v1/projects/{project}/files/{*path}", Admin),
    ("DELETE", "/v1/projects/{project}/files/{*path}", Admin),
    ("GET", "/v1/users/{id}/files", Viewer),
    ("POST", "/v1/projects/{project}/tokens", Developer),
    ("GET", "/v1/projects/{project}/members", Viewer),
    ("GET", "/v1/projects/{project}/members/{user}", Viewer),
    ("PUT", "/v1/projects/{project}/members/{user}", Admin),
    ("DELETE", "/v1/projects/{project}/members/{user}", Admin),
    ("GET", "/v1/projects/{project}/sign-up", Viewer),
    ("PUT", "/v1/projects/{project}/sign-up", Admin),
    ("GET", "/v1/users", Viewer),
    ("POST", "/v1/users", Admin),
    ("GET", "/v1/users/{id}", Viewer),
    ("PATCH", "/v1/users/{id}", Admin),
    ("DELETE", "/v1/users/{id}", Admin),
    ("GET", "/v1/users/{id}/projects", Viewer),
    ("GET", "/v1/users/{id}/functions", Viewer),
    ("GET", "/v1/users/{id}/email-logs", Viewer),
    ("GET", "/v1/users/{id}/vector-indexes", Viewer),
    ("GET", "/v1/roles", Viewer),
    ("POST", "/v1/roles", Admin),
    ("GET", "/v1/roles/{role}", Viewer),
    ("PATCH", "/v1/roles/{role}", Admin),
    ("DELETE", "/v1/roles/{role}", Admin),
    ("GET", "/v1/tokens", Admin),
    ("POST", "/v1/tokens", Admin),
    ("GET", "/v1/tokens/{id}", Admin),
    ("POST", "/v1/tokens/{id}/replace", Admin),
    ("POST", "/v1/keys/reseal", Admin),
    ("GET", "/v1/projects/{project}/audit", Admin),
    ("GET", "/v1/projects/{project}/audit/verify", Admin),
    ("GET", "/v1/audit", Admin),
    ("GET", "/v1/audit/verify", Admin),
    ("GET", "/v1/audit/projects/{id}", Admin),
    ("GET", "/v1/audit/projects/{id}/verify", Admin),
    ("DELETE", "/v1/tokens/{id}", Admin),
    ("POST", "/v1/auth/sign-up", WayIn),
    ("POST", "/v1/auth/sign-in", WayIn),
    ("POST", "/v1/auth/refresh", WayIn),
    ("POST", "/v1/auth/password/forgot", WayIn),
    ("POST", "/v1/auth/password/reset", WayIn),
    ("POST", "/v1/auth/sign-out", Person),
    ("POST", "/v1/auth/password", Person),
    ("GET", "/v1/auth/user", Viewer),
    ("GET", "/v1/nodes", Viewer),
    ("GET", "/metrics", Viewer),
    ("GET", "/healthz", Anyone),
    ("GET", "/readyz", Anyone),
    ("GET", "/openapi.json", Anyone),
    ("GET", "/docs", Anyone),
    ("GET", "/docs/{file}", Anyone),
];

/// The list as method and path, for whoever compares it with the product's.
pub(crate) fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES.iter().map(|(method, path, _)| (*method, *path))
}

/// The path with names that exist where that would be no harm, and not where it would.
fn filled(path: &str, project: &str) -> String {
    let nowhere = "00000000-0000-4000-8000-000000000000";
    path.replace("{project}", project)
        .replace("{*path}", "no/such.txt")
        .replace("{name}", "hello")
        .replace("{table}", "notes")
        .replace("{column}", "nothing")
        .replace("{file}", "index.html")
        .replace("{id}", nowhere)
        .replace("{key}", nowhere)
        .replace("{provider}", nowhere)
        .replace("{index}", "nothing")
        .replace("{user}", nowhere)
        .replace("{role}", "nobody")
        .replace("{task}", nowhere)
        .replace("{run}", nowhere)
        .replace("{version}", "99")
        .replace("{number}", "99")
}
