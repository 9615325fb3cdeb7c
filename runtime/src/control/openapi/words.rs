//! What people call each operation: its group, its id, and what it does in a few words.
//!
//! The one part of the document that no type can tell. A test holds it against the table of routes,
//! both ways.

/// The words for one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) group: &'static str,
    /// Unique in the document; generated clients name their functions after it.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
}

/// One line: the route, its id, what it does.
type Line = (&'static str, &'static str, &'static str);

/// The words of a route. One that has none stands out by its path, until its test fails.
pub(super) fn of(method: &str, path: &'static str) -> Words {
    let mut lines = GROUPS
        .iter()
        .flat_map(|(group, lines)| lines.iter().map(move |line| (*group, *line)));
    let is_it = |line: &Line| line.0.split_once(' ') == Some((method, path));
    let found = lines.find(|(_, line)| is_it(line));
    match found {
        Some((group, (_, id, summary))) => Words { group, id, summary },
        None => Words {
            group: "others",
            id: path,
            summary: path,
        },
    }
}

/// All groups, in the order in which they are shown.
#[rustfmt::skip] // One line an operation, so that the table reads as one.
pub(super) const GROUPS: &[(&str, &[Line])] = &[
    ("sessions", &[
        ("POST /v1/auth/sign-up", "sign_up", "Make an account and sign in"),
        ("POST /v1/auth/sign-in", "sign_in", "Sign in with a password"),
        ("POST /v1/auth/refresh", "refresh_session", "Take the next access token of a session"),
        ("POST /v1/auth/sign-out", "sign_out", "End this session"),
        ("POST /v1/auth/password", "change_password", "Change one's password"),
        ("POST /v1/auth/password/forgot", "forget_password", "Have a code for another password sent"),
        ("POST /v1/auth/password/reset", "reset_password", "Set another password by such a code"),
        ("GET /v1/auth/user", "whoami", "Who is asking, and what they may do"),
    ]),
    ("users", &[
        ("GET /v1/users", "list_users", "Users, by a part of their e-mail or by role"),
        ("POST /v1/users", "create_user", "Make a user"),
        ("GET /v1/users/{id}", "get_user", "One user"),
        ("PATCH /v1/users/{id}", "update_user", "Change a user"),
        ("DELETE /v1/users/{id}", "delete_user", "Delete a user; what they own goes too, or to somebody else"),
        ("GET /v1/users/{id}/projects", "list_user_projects", "Projects that a user owns"),
        ("GET /v1/users/{id}/functions", "list_user_functions", "Functions that a user owns"),
        ("GET /v1/users/{id}/email-logs", "list_user_email_logs", "Mail that was sent on behalf of a user"),
        ("GET /v1/users/{id}/files", "list_user_files", "Files that a user owns"),
        ("GET /v1/users/{id}/vector-indexes", "list_user_vector_indexes", "Vector indexes that a user owns"),
    ]),
    ("roles and tokens", &[
        ("GET /v1/roles", "list_roles", "Roles, built in and made here"),
        ("POST /v1/roles", "create_role", "Make a role out of permissions"),
        ("GET /v1/roles/{role}", "get_role", "One role"),
        ("PATCH /v1/roles/{role}", "update_role", "Change what a role permits"),
        ("DELETE /v1/roles/{role}", "delete_role", "Delete a role that nobody has"),
        ("GET /v1/tokens", "list_tokens", "Control tokens that were given out"),
        ("POST /v1/tokens", "create_token", "Give out a control token"),
        ("DELETE /v1/tokens/{id}", "revoke_token", "Take a control token back"),
    ]),
    ("projects", &[
        ("GET /v1/projects", "list_projects", "Projects that the caller may see"),
        ("POST /v1/projects", "create_project", "Make a project"),
        ("GET /v1/projects/{project}", "get_project", "One project with its settings"),
        ("PATCH /v1/projects/{project}", "update_project", "Rename a project, give it away, change its settings"),
        ("DELETE /v1/projects/{project}", "delete_project", "Delete a project with all that is in it"),
        ("GET /v1/projects/{project}/jwt-secret", "get_jwt_secret", "The secret that signs its users' tokens"),
        ("PUT /v1/projects/{project}/jwt-secret", "replace_jwt_secret", "Replace it, by one's own or a new one"),
        ("GET /v1/projects/{project}/secrets", "list_secrets", "Names of secrets, never values"),
        ("PUT /v1/projects/{project}/secrets/{name}", "set_secret", "Set a secret"),
        ("DELETE /v1/projects/{project}/secrets/{name}", "delete_secret", "Delete a secret"),
        ("GET /v1/projects/{project}/api-keys", "list_api_keys", "API keys, without the keys"),
        ("POST /v1/projects/{project}/api-keys", "create_api_key", "Make an API key, which is shown once"),
        ("DELETE /v1/projects/{project}/api-keys/{key}", "delete_api_key", "Take an API key back"),
        ("GET /v1/projects/{project}/identity-providers", "list_identity_providers", "Identity servers whose tokens it takes"),
        ("POST /v1/projects/{project}/identity-providers", "create_identity_provider", "Take the tokens of an identity server"),
        ("DELETE /v1/projects/{project}/identity-providers/{provider}", "delete_identity_provider", "Take them no longer"),
        ("POST /v1/projects/{project}/tokens", "create_project_token", "Make a token of one of its users"),
        ("GET /v1/projects/{project}/members", "list_members", "Members and their roles"),
        ("PUT /v1/projects/{project}/members/{user}", "put_member", "Take a user in, or give them another role"),
        ("DELETE /v1/projects/{project}/members/{user}", "delete_member", "Take a member out"),
        ("GET /v1/projects/{project}/sign-up", "get_sign_up", "Whether anybody may become a user of its functions"),
        ("PUT /v1/projects/{project}/sign-up", "set_sign_up", "Let them, or not"),
    ]),
    ("functions", &[
        ("GET /v1/projects/{project}/functions", "list_functions", "Functions"),
        ("GET /v1/projects/{project}/functions/{name}", "get_function", "One function"),
        ("PUT /v1/projects/{project}/functions/{name}", "deploy_function", "Deploy a component as its next version"),
        ("PATCH /v1/projects/{project}/functions/{name}", "update_function", "Switch a function on or off"),
        ("DELETE /v1/projects/{project}/functions/{name}", "delete_function", "Delete a function with its versions"),
        ("GET /v1/projects/{project}/functions/{name}/versions", "list_versions", "Its versions"),
        ("POST /v1/projects/{project}/functions/{name}/fetch", "fetch_function", "Deploy a component that is fetched from a URL"),
        ("POST /v1/projects/{project}/functions/{name}/rollback", "rollback_function", "Serve an older version again"),
        ("POST /v1/projects/{project}/functions/{name}/promote", "promote_function", "Serve a version in another project"),
        ("GET /v1/projects/{project}/functions/{name}/deployments", "list_deployments", "Which versions have served, since when, by whom and why"),
        ("POST /v1/projects/{project}/functions/{name}/deployments", "create_deployment", "Set which versions serve, and with what shares"),
        ("POST /v1/projects/{project}/functions/{name}/previews", "create_preview", "Make a signed URL to a version, which is shown once"),
        ("DELETE /v1/projects/{project}/functions/{name}/previews", "revoke_previews", "End all such URLs of a function"),
        ("DELETE /v1/projects/{project}/functions/{name}/previews/{id}", "revoke_preview", "End one such URL"),
        ("POST /v1/projects/{project}/deployments", "deploy_together", "Deploy several functions, tables and policies at once, or none"),
        ("GET /v1/projects/{project}/functions/{name}/logs", "read_logs", "Its log, a JSON document a line"),
    ]),
    ("schedules", &[
        ("GET /v1/projects/{project}/schedules", "list_schedules", "Scheduled tasks"),
        ("POST /v1/projects/{project}/schedules", "create_schedule", "Make a scheduled task"),
        ("GET /v1/projects/{project}/schedules/{task}", "get_schedule", "One task with its next firings"),
        ("PATCH /v1/projects/{project}/schedules/{task}", "update_schedule", "Change a task that was made here"),
        ("DELETE /v1/projects/{project}/schedules/{task}", "delete_schedule", "Delete a task that was made here"),
        ("POST /v1/projects/{project}/schedules/{task}/pause", "pause_schedule", "Fire it no more"),
        ("POST /v1/projects/{project}/schedules/{task}/resume", "resume_schedule", "Fire it again"),
        ("POST /v1/projects/{project}/schedules/{task}/run", "run_schedule", "Run it now"),
        ("POST /v1/projects/{project}/schedules/{task}/backfill", "backfill_schedule", "Run what a range of time had due"),
        ("GET /v1/projects/{project}/schedules/{task}/runs", "list_runs", "What became of each due time"),
    ]),
    ("tables", &[
        ("GET /v1/projects/{project}/tables", "list_tables", "Tables with columns and indexes"),
        ("POST /v1/projects/{project}/tables", "create_table", "Make a table"),
        ("GET /v1/projects/{project}/tables/{table}", "get_table", "One table"),
        ("DELETE /v1/projects/{project}/tables/{table}", "delete_table", "Drop a table"),
        ("POST /v1/projects/{project}/tables/{table}/columns", "create_column", "Add a column"),
        ("PATCH /v1/projects/{project}/tables/{table}/columns/{column}", "update_column", "Change a column"),
        ("DELETE /v1/projects/{project}/tables/{table}/columns/{column}", "delete_column", "Drop a column"),
        ("POST /v1/projects/{project}/tables/{table}/indexes", "create_index", "Make an index"),
        ("DELETE /v1/projects/{project}/tables/{table}/indexes/{index}", "delete_index", "Drop an index"),
        ("POST /v1/projects/{project}/tables/{table}/rows", "insert_rows", "Fill a table, past its policies"),
        ("PUT /v1/projects/{project}/tables/{table}/native-mirror", "set_table_mirror", "Mirror its policies into Postgres, or not"),
        ("PUT /v1/projects/{project}/tables/{table}/policy-readable", "set_policy_readable", "Let policies read it past its own"),
        ("PUT /v1/projects/{project}/schema", "apply_schema", "Bring tables and policies to what a document says"),
        ("POST /v1/projects/{project}/schema/plan", "plan_schema", "What that would do"),
        ("GET /v1/projects/{project}/schema/history", "list_migrations", "What was done to tables and policies"),
    ]),
    ("vector indexes", &[
        ("GET /v1/projects/{project}/vector-indexes", "list_vector_indexes", "What rows are found by that are near"),
        ("POST /v1/projects/{project}/vector-indexes", "create_vector_index", "Make one on a column of vectors"),
        ("GET /v1/projects/{project}/vector-indexes/{index}", "get_vector_index", "One vector index and its state"),
        ("PATCH /v1/projects/{project}/vector-indexes/{index}", "update_vector_index", "Give it another name or metric"),
        ("DELETE /v1/projects/{project}/vector-indexes/{index}", "delete_vector_index", "Delete it; the rows stay"),
    ]),
    ("policies", &[
        ("GET /v1/projects/{project}/policies", "list_policies", "Policies"),
        ("POST /v1/projects/{project}/policies", "create_policy", "Make a policy"),
        ("POST /v1/projects/{project}/policies/check", "check_policy", "What would be said of a policy"),
        ("POST /v1/projects/{project}/policies/explain", "explain_policies", "What policies say of one request, and why"),
        ("POST /v1/projects/{project}/policies/test", "test_policies", "What they say of many, and what was covered"),
        ("POST /v1/projects/{project}/policies/verify", "verify_policies", "Hold them against Postgres' own row security"),
        ("GET /v1/projects/{project}/policies/{id}", "get_policy", "One policy"),
        ("PATCH /v1/projects/{project}/policies/{id}", "update_policy", "Change a policy"),
        ("DELETE /v1/projects/{project}/policies/{id}", "delete_policy", "Delete a policy"),
        ("GET /v1/projects/{project}/claims", "get_claims", "Claims that tokens are declared to carry"),
        ("PUT /v1/projects/{project}/claims", "replace_claims", "Declare them"),
        ("GET /v1/projects/{project}/native-mirror", "get_native_mirror", "Which tables' policies are mirrored"),
        ("PUT /v1/projects/{project}/native-mirror", "set_native_mirror", "Mirror all of them, or not"),
    ]),
    ("webhooks", &[
        ("GET /v1/projects/{project}/webhooks/endpoints", "list_endpoints", "Endpoints"),
        ("POST /v1/projects/{project}/webhooks/endpoints", "create_endpoint", "Subscribe an endpoint to events"),
        ("GET /v1/projects/{project}/webhooks/endpoints/{id}", "get_endpoint", "One endpoint"),
        ("PATCH /v1/projects/{project}/webhooks/endpoints/{id}", "update_endpoint", "Change an endpoint"),
        ("DELETE /v1/projects/{project}/webhooks/endpoints/{id}", "delete_endpoint", "Delete an endpoint"),
        ("POST /v1/projects/{project}/webhooks/endpoints/{id}/rotate-secret", "rotate_endpoint_secret", "Give it a new secret"),
        ("GET /v1/projects/{project}/webhooks/deliveries", "list_deliveries", "Deliveries"),
        ("GET /v1/projects/{project}/webhooks/deliveries/{id}", "get_delivery", "One delivery, with payload and response"),
        ("POST /v1/projects/{project}/webhooks/deliveries/replay", "replay_deliveries", "Deliver again, by ids or filter"),
    ]),
    ("email", &[
        ("GET /v1/projects/{project}/email/senders", "list_senders", "Addresses that mail may come from"),
        ("POST /v1/projects/{project}/email/senders", "create_sender", "Add one"),
        ("DELETE /v1/projects/{project}/email/senders/{id}", "delete_sender", "Take one away"),
        ("PUT /v1/projects/{project}/email/senders/{id}/return-path", "set_return_path", "Have bounces go to another address"),
        ("PUT /v1/projects/{project}/email/senders/{id}/dkim", "sign_sender", "Sign its mail (DKIM)"),
        ("DELETE /v1/projects/{project}/email/senders/{id}/dkim", "unsign_sender", "Sign it no longer"),
        ("POST /v1/projects/{project}/email/bounces", "hand_in_bounce", "Hand in a bounce that came as a message"),
        ("GET /v1/projects/{project}/email/templates", "list_templates", "Templates"),
        ("GET /v1/projects/{project}/email/templates/{name}", "get_template", "One template"),
        ("PUT /v1/projects/{project}/email/templates/{name}", "put_template", "Write a template"),
        ("DELETE /v1/projects/{project}/email/templates/{name}", "delete_template", "Delete a template"),
        ("POST /v1/projects/{project}/email/templates/{name}/preview", "preview_template", "What a mail would say"),
        ("GET /v1/projects/{project}/email/suppressions", "list_suppressions", "Addresses that get no mail any more"),
        ("DELETE /v1/projects/{project}/email/suppressions/{name}", "delete_suppression", "Send to an address again"),
        ("GET /v1/projects/{project}/email/messages", "list_messages", "Mail that was sent, or is to be"),
        ("POST /v1/projects/{project}/email/messages/{id}/resend", "resend_message", "Send a mail again"),
        ("GET /v1/projects/{project}/mailbox", "list_mailbox", "Mail that was caught here"),
        ("GET /v1/projects/{project}/mailbox/{id}", "read_mailbox", "One of these, with its text"),
    ]),
    ("files", &[
        ("GET /v1/projects/{project}/files", "list_files", "Files, never what is in them"),
        ("GET /v1/projects/{project}/files/{*path}", "read_file", "The content of a file, past its policies"),
        ("PUT /v1/projects/{project}/files/{*path}", "write_file", "Write a file, past its policies"),
        ("DELETE /v1/projects/{project}/files/{*path}", "delete_file", "Delete a file, past its policies"),
    ]),
    ("audit", &[
        ("GET /v1/projects/{project}/audit", "list_project_audit", "What was done in a project"),
        ("GET /v1/projects/{project}/audit/verify", "verify_project_audit", "Whether its record is whole"),
        ("GET /v1/audit", "list_audit", "What was done in the installation"),
        ("GET /v1/audit/verify", "verify_audit", "Whether its record is whole"),
    ]),
    ("node", &[
        ("POST /v1/keys/reseal", "reseal_secrets", "Encrypt all secrets with the newest key"),
        ("GET /v1/nodes", "list_nodes", "Nodes: where each is, and which state it serves"),
        ("GET /metrics", "metrics", "Counters, for Prometheus"),
        ("GET /healthz", "healthz", "Whether the process answers"),
        ("GET /readyz", "readyz", "Whether this node wants traffic"),
        ("GET /openapi.json", "openapi", "This document"),
        ("GET /docs", "docs", "This document, for people"),
        ("GET /docs/{file}", "docs_file", "What those pages consist of"),
    ]),
];
