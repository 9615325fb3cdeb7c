//! The table of contents of the control API: every path, who may call it, and what answers.
//!
//! One line a route. A line is also a row of the permission matrix (`permissions.txt`), of the list in
//! `tests/all/unauthorized.rs`, and of `docs/control-api.md`.

use super::permission::Permission as P;
use super::route::Access::{Open, SignedIn};
use super::route::{Route, delete, get, patch, post, put};
use super::{
    api_keys, audit, claims, deliveries, deploy, deployments, email, explain, files, functions,
    health, jwt_secret, logs, members, messages, native_mirror, nodes, openapi, operators,
    policies, policy_readable, previews, projects, promote, providers, removal, roles, rows,
    schedules, schema, secrets, senders, sessions, source, tables, together, tokens, users,
    vector_indexes, verify, webhooks,
};

/// Every route of the control listener.
pub(super) fn routes() -> Vec<Route> {
    let groups = [
        accounts(),
        projects(),
        functions(),
        tables(),
        policies(),
        outbox(),
        files(),
        node(),
    ];
    groups.into_iter().flatten().collect()
}

/// Who operates: sessions, users, roles, tokens that were given out.
#[rustfmt::skip] // One line a route, so that the table reads as one.
fn accounts() -> Vec<Route> {
    vec![
        get("/v1/users", P::UserRead, users::list),
        post("/v1/users", P::UserWrite, users::create),
        get("/v1/users/{id}", P::UserRead, users::show),
        patch("/v1/users/{id}", P::UserWrite, users::change),
        delete("/v1/users/{id}", P::UserWrite, users::remove),
        get("/v1/users/{id}/projects", P::UserRead, users::projects),
        get("/v1/users/{id}/functions", P::UserRead, users::functions),
        get("/v1/users/{id}/email-logs", P::UserRead, users::email_logs),
        get("/v1/users/{id}/vector-indexes", P::UserRead, users::vector_indexes),
        get("/v1/roles", P::RoleRead, roles::list),
        post("/v1/roles", P::RoleWrite, roles::create),
        get("/v1/roles/{role}", P::RoleRead, roles::show),
        patch("/v1/roles/{role}", P::RoleWrite, roles::change),
        delete("/v1/roles/{role}", P::RoleWrite, roles::remove),
        get("/v1/tokens", P::OperatorCreate, operators::list),
        post("/v1/tokens", P::OperatorCreate, operators::create),
        get("/v1/tokens/{id}", P::OperatorCreate, operators::show),
        post("/v1/tokens/{id}/replace", P::OperatorCreate, operators::replace),
        delete("/v1/tokens/{id}", P::OperatorCreate, operators::revoke),
        post("/v1/auth/sign-up", Open, sessions::sign_up),
        post("/v1/auth/sign-in", Open, sessions::sign_in),
        post("/v1/auth/refresh", Open, sessions::refresh),
        post("/v1/auth/sign-out", SignedIn, sessions::sign_out),
        post("/v1/auth/password", SignedIn, sessions::password),
        post("/v1/auth/password/forgot", Open, sessions::forgot),
        post("/v1/auth/password/reset", Open, sessions::reset),
        get("/v1/auth/user", SignedIn, sessions::whoami),
    ]
}

/// Projects, who belongs to them, and what was done in them.
#[rustfmt::skip] // One line a route, so that the table reads as one.
fn projects() -> Vec<Route> {
    vec![
        get("/v1/projects", SignedIn, projects::list),
        post("/v1/projects", P::ProjectCreate, projects::create),
        get("/v1/projects/{project}", P::ProjectRead, projects::show),
        patch("/v1/projects/{project}", P::ProjectUpdate, projects::change),
        delete("/v1/projects/{project}", P::ProjectDelete, removal::project),
        get("/v1/projects/{project}/jwt-secret", P::ProjectSecret, jwt_secret::show),
        put("/v1/projects/{project}/jwt-secret", P::ProjectSecret, jwt_secret::replace),
        get("/v1/projects/{project}/secrets", P::SecretRead, secrets::list),
        get("/v1/projects/{project}/secrets/{name}", P::SecretRead, secrets::show),
        put("/v1/projects/{project}/secrets/{name}", P::SecretWrite, secrets::set),
        delete("/v1/projects/{project}/secrets/{name}", P::SecretWrite, secrets::remove),
        get("/v1/projects/{project}/api-keys", P::ApiKeyRead, api_keys::list),
        post("/v1/projects/{project}/api-keys", P::ApiKeyWrite, api_keys::create),
        get("/v1/projects/{project}/api-keys/{key}", P::ApiKeyRead, api_keys::show),
        delete("/v1/projects/{project}/api-keys/{key}", P::ApiKeyWrite, api_keys::remove),
        get("/v1/projects/{project}/identity-providers", P::ProjectRead, providers::list),
        post("/v1/projects/{project}/identity-providers", P::ProjectSecret, providers::create),
        get("/v1/projects/{project}/identity-providers/{provider}", P::ProjectRead, providers::show),
        delete("/v1/projects/{project}/identity-providers/{provider}", P::ProjectSecret, providers::remove),
        post("/v1/projects/{project}/tokens", P::TokenCreate, tokens::create),
        get("/v1/projects/{project}/members", P::MemberRead, members::list),
        get("/v1/projects/{project}/members/{user}", P::MemberRead, members::show),
        put("/v1/projects/{project}/members/{user}", P::MemberWrite, members::put),
        delete("/v1/projects/{project}/members/{user}", P::MemberWrite, members::remove),
        get("/v1/projects/{project}/sign-up", P::MemberRead, members::sign_up),
        put("/v1/projects/{project}/sign-up", P::MemberWrite, members::set_sign_up),
        get("/v1/projects/{project}/audit", P::AuditRead, audit::of_project),
        get("/v1/projects/{project}/audit/verify", P::AuditRead, audit::verify_project),
    ]
}

/// Functions, their versions and their schedules.
#[rustfmt::skip] // One line a route, so that the table reads as one.
fn functions() -> Vec<Route> {
    vec![
        get("/v1/projects/{project}/functions", P::FunctionRead, functions::list),
        get("/v1/projects/{project}/functions/{name}", P::FunctionRead, functions::show),
        put("/v1/projects/{project}/functions/{name}", P::FunctionDeploy, deploy::deploy),
        patch("/v1/projects/{project}/functions/{name}", P::FunctionDeploy, functions::change),
        delete("/v1/projects/{project}/functions/{name}", P::FunctionDelete, removal::function),
        post("/v1/projects/{project}/functions/{name}/fetch", P::FunctionDeploy, source::fetch),
        get("/v1/projects/{project}/functions/{name}/versions", P::FunctionRead, functions::versions),
        get("/v1/projects/{project}/functions/{name}/versions/{version}", P::FunctionRead, functions::version),
        post("/v1/projects/{project}/functions/{name}/rollback", P::FunctionDeploy, functions::rollback),
        post("/v1/projects/{project}/functions/{name}/promote", P::FunctionDeploy, promote::run),
        get("/v1/projects/{project}/functions/{name}/deployments", P::FunctionRead, deployments::list),
        post("/v1/projects/{project}/functions/{name}/deployments", P::FunctionDeploy, deployments::create),
        get("/v1/projects/{project}/functions/{name}/deployments/{number}", P::FunctionRead, deployments::show),
        post("/v1/projects/{project}/functions/{name}/previews", P::FunctionPreview, previews::create),
        delete("/v1/projects/{project}/functions/{name}/previews", P::FunctionPreview, previews::revoke),
        delete("/v1/projects/{project}/functions/{name}/previews/{id}", P::FunctionPreview, previews::revoke_one),
        post("/v1/projects/{project}/deployments", P::FunctionDeploy, together::deploy_all),
        get("/v1/projects/{project}/functions/{name}/logs", P::LogRead, logs::read),
        get("/v1/projects/{project}/schedules", P::FunctionRead, schedules::list),
        post("/v1/projects/{project}/schedules", P::FunctionDeploy, schedules::create),
        get("/v1/projects/{project}/schedules/{task}", P::FunctionRead, schedules::show),
        patch("/v1/projects/{project}/schedules/{task}", P::FunctionDeploy, schedules::change),
        delete("/v1/projects/{project}/schedules/{task}", P::FunctionDeploy, schedules::remove),
        post("/v1/projects/{project}/schedules/{task}/pause", P::FunctionDeploy, schedules::pause),
        post("/v1/projects/{project}/schedules/{task}/resume", P::FunctionDeploy, schedules::resume),
        post("/v1/projects/{project}/schedules/{task}/run", P::FunctionDeploy, schedules::run),
        post("/v1/projects/{project}/schedules/{task}/backfill", P::FunctionDeploy, schedules::backfill),
        get("/v1/projects/{project}/schedules/{task}/runs", P::FunctionRead, schedules::runs),
        get("/v1/projects/{project}/schedules/{task}/runs/{run}", P::FunctionRead, schedules::show_run),
    ]
}

/// Tables, columns, indexes, the schema as a whole.
#[rustfmt::skip] // One line a route, so that the table reads as one.
fn tables() -> Vec<Route> {
    vec![
        get("/v1/projects/{project}/tables", P::TableRead, tables::list),
        post("/v1/projects/{project}/tables", P::TableWrite, tables::create),
        get("/v1/projects/{project}/tables/{table}", P::TableRead, tables::show),
        delete("/v1/projects/{project}/tables/{table}", P::TableWrite, tables::remove),
        post("/v1/projects/{project}/tables/{table}/columns", P::TableWrite, tables::add_column),
        patch("/v1/projects/{project}/tables/{table}/columns/{column}", P::TableWrite, tables::change_column),
        delete("/v1/projects/{project}/tables/{table}/columns/{column}", P::TableWrite, tables::drop_column),
        post("/v1/projects/{project}/tables/{table}/indexes", P::TableWrite, tables::create_index),
        delete("/v1/projects/{project}/tables/{table}/indexes/{index}", P::TableWrite, tables::drop_index),
        post("/v1/projects/{project}/tables/{table}/rows", P::RowWrite, rows::insert),
        put("/v1/projects/{project}/tables/{table}/native-mirror", P::PolicyWrite, native_mirror::replace_of_table),
        put("/v1/projects/{project}/tables/{table}/policy-readable", P::PolicyReadableSet, policy_readable::replace),
        get("/v1/projects/{project}/vector-indexes", P::VectorIndexRead, vector_indexes::list),
        post("/v1/projects/{project}/vector-indexes", P::VectorIndexWrite, vector_indexes::create),
        get("/v1/projects/{project}/vector-indexes/{index}", P::VectorIndexRead, vector_indexes::show),
        patch("/v1/projects/{project}/vector-indexes/{index}", P::VectorIndexWrite, vector_indexes::change),
        delete("/v1/projects/{project}/vector-indexes/{index}", P::VectorIndexWrite, vector_indexes::remove),
        // Tables and policies at once, so it takes the stronger of the two permissions.
        put("/v1/projects/{project}/schema", P::PolicyWrite, schema::apply),
        post("/v1/projects/{project}/schema/plan", P::PolicyWrite, schema::plan),
        get("/v1/projects/{project}/schema/history", P::TableRead, schema::past),
    ]
}

/// Policies, and what they may read.
#[rustfmt::skip] // One line a route, so that the table reads as one.
fn policies() -> Vec<Route> {
    vec![
        get("/v1/projects/{project}/policies", P::PolicyRead, policies::list),
        post("/v1/projects/{project}/policies", P::PolicyWrite, policies::create),
        post("/v1/projects/{project}/policies/check", P::PolicyRead, policies::check),
        post("/v1/projects/{project}/policies/explain", P::PolicyRead, explain::explain),
        post("/v1/projects/{project}/policies/test", P::PolicyRead, explain::test),
        post("/v1/projects/{project}/policies/verify", P::PolicyWrite, verify::run),
        get("/v1/projects/{project}/policies/{id}", P::PolicyRead, policies::show),
        patch("/v1/projects/{project}/policies/{id}", P::PolicyWrite, policies::change),
        delete("/v1/projects/{project}/policies/{id}", P::PolicyWrite, policies::remove),
        get("/v1/projects/{project}/claims", P::PolicyRead, claims::show),
        put("/v1/projects/{project}/claims", P::PolicyWrite, claims::replace),
        get("/v1/projects/{project}/native-mirror", P::PolicyRead, native_mirror::show),
        put("/v1/projects/{project}/native-mirror", P::PolicyWrite, native_mirror::replace),
    ]
}

/// What is sent: webhooks and their deliveries, mail.
#[rustfmt::skip] // One line a route, so that the table reads as one.
fn outbox() -> Vec<Route> {
    vec![
        get("/v1/projects/{project}/webhooks/endpoints", P::WebhookRead, webhooks::list),
        post("/v1/projects/{project}/webhooks/endpoints", P::WebhookWrite, webhooks::create),
        get("/v1/projects/{project}/webhooks/endpoints/{id}", P::WebhookRead, webhooks::show),
        patch("/v1/projects/{project}/webhooks/endpoints/{id}", P::WebhookWrite, webhooks::change),
        delete("/v1/projects/{project}/webhooks/endpoints/{id}", P::WebhookWrite, webhooks::remove),
        post("/v1/projects/{project}/webhooks/endpoints/{id}/rotate-secret", P::WebhookWrite, webhooks::rotate),
        get("/v1/projects/{project}/webhooks/deliveries", P::WebhookRead, deliveries::list),
        get("/v1/projects/{project}/webhooks/deliveries/{id}", P::WebhookWrite, deliveries::show),
        post("/v1/projects/{project}/webhooks/deliveries/replay", P::WebhookWrite, deliveries::replay),
        get("/v1/projects/{project}/email/senders", P::EmailRead, email::senders),
        post("/v1/projects/{project}/email/senders", P::EmailWrite, email::add_sender),
        get("/v1/projects/{project}/email/senders/{id}", P::EmailRead, senders::show),
        delete("/v1/projects/{project}/email/senders/{id}", P::EmailWrite, email::remove_sender),
        put("/v1/projects/{project}/email/senders/{id}/return-path", P::EmailWrite, senders::set_return_path),
        put("/v1/projects/{project}/email/senders/{id}/dkim", P::EmailWrite, senders::sign),
        delete("/v1/projects/{project}/email/senders/{id}/dkim", P::EmailWrite, senders::unsign),
        post("/v1/projects/{project}/email/bounces", P::EmailWrite, senders::bounce),
        get("/v1/projects/{project}/email/templates", P::EmailRead, email::templates),
        get("/v1/projects/{project}/email/templates/{name}", P::EmailRead, email::show_template),
        put("/v1/projects/{project}/email/templates/{name}", P::EmailWrite, email::put_template),
        delete("/v1/projects/{project}/email/templates/{name}", P::EmailWrite, email::remove_template),
        post("/v1/projects/{project}/email/templates/{name}/preview", P::EmailRead, email::preview),
        get("/v1/projects/{project}/email/suppressions", P::EmailRead, email::suppressions),
        delete("/v1/projects/{project}/email/suppressions/{name}", P::EmailWrite, email::unsuppress),
        get("/v1/projects/{project}/email/messages", P::EmailRead, messages::list),
        get("/v1/projects/{project}/email/messages/{id}", P::EmailRead, messages::show),
        post("/v1/projects/{project}/email/messages/{id}/resend", P::EmailWrite, messages::resend),
        get("/v1/projects/{project}/mailbox", P::EmailRead, messages::mailbox),
        get("/v1/projects/{project}/mailbox/{id}", P::EmailWrite, messages::read),
    ]
}

/// Files, and what users own of them.
#[rustfmt::skip] // One line a route, so that the table reads as one.
fn files() -> Vec<Route> {
    vec![
        get("/v1/projects/{project}/files", P::FileRead, files::list),
        get("/v1/projects/{project}/files/{*path}", P::FileWrite, files::read),
        put("/v1/projects/{project}/files/{*path}", P::FileWrite, files::write),
        delete("/v1/projects/{project}/files/{*path}", P::FileWrite, files::remove),
        get("/v1/users/{id}/files", P::UserRead, users::files),
    ]
}

/// The installation and this node.
#[rustfmt::skip] // One line a route, so that the table reads as one.
fn node() -> Vec<Route> {
    vec![
        get("/v1/audit", P::AuditRead, audit::of_installation),
        get("/v1/audit/verify", P::AuditRead, audit::verify_installation),
        get("/v1/audit/projects/{id}", P::AuditRead, audit::of_gone),
        get("/v1/audit/projects/{id}/verify", P::AuditRead, audit::verify_gone),
        post("/v1/keys/reseal", P::KeyRotate, secrets::reseal),
        get("/v1/nodes", P::NodeRead, nodes::list),
        get("/metrics", P::MetricsRead, health::metrics),
        get("/healthz", Open, health::healthz),
        get("/readyz", Open, health::readyz),
        get("/openapi.json", Open, openapi::json),
        get("/docs", Open, openapi::pages),
        get("/docs/{file}", Open, openapi::file),
    ]
}
