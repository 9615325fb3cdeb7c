//! The control API over a real Postgres: what goes in, what comes out, what is refused and how.

use axum::body::Body as AxumBody;
use serde_json::{Value, json};

use koyalite_host_api::db::NodeLimits;

use super::*;
use crate::accounts::SignUp;
use crate::egress::Egress;
use crate::engine::Settings;
use crate::engine::compile::Priority;
use crate::records::RecordLimits;
use crate::registry::manifest::Limits;
use crate::registry::tests::TestRegistry;
use crate::store::Objects;
use crate::sweeper::Sweeper;

/// A control API of its own, spoken to as an administrator.
pub(super) struct Api {
    pub(super) control: Shared,
    pub(super) token: String,
    _registry: TestRegistry,
    _home: tempfile::TempDir,
}

impl Api {
    pub(super) async fn new() -> Api {
        let registry = TestRegistry::new().await;
        let home = tempfile::tempdir().unwrap();
        let ring = KeyRing::create(&home.path().join("keys.json")).unwrap();
        let authority = ControlAuthority::new(&ring);
        let objects = Arc::new(object_store::memory::InMemory::new());
        let settings = Settings {
            instances: 16,
            loaded_bytes_max: 1 << 28,
            cached_bytes_max: 1 << 28,
            // Nothing here is admitted as far as the compiler.
            compiler: home.path().join("no-compiler"),
            compile_priority: Priority::Usual,
            cache_dir: home.path().join("compiled"),
            cache_key: [7; 32],
            cores: 1,
            env: Vec::new(),
        };
        let egress = Egress::new(Policy::Public).unwrap();
        let admin = ControlToken {
            subject: "admin".to_owned(),
            role: ControlRole::Admin,
        };
        let token = authority
            .issue(admin, Duration::from_secs(600), Utc::now())
            .unwrap();
        let swept = Objects {
            store: objects.clone(),
            parts: Some(objects.clone()),
            folder: None,
        };
        let sweeper = Sweeper::new(registry.registry.clone(), swept);
        let control = Arc::new(Control {
            files: None,
            sweeper: Arc::new(sweeper),
            registry: registry.registry.clone(),
            engine: Arc::new(Engine::new(&settings, objects.clone(), egress).unwrap()),
            objects,
            // Nothing here goes as far as a tenant's table.
            databases: Databases::new("host=/nowhere".parse().unwrap(), NodeLimits::default())
                .unwrap(),
            records: Arc::new(
                Records::open(&home.path().join("logs"), RecordLimits::default()).unwrap(),
            ),
            accounts: Arc::new(Accounts::new(
                registry.registry.clone(),
                authority.clone(),
                SignUp::Open,
            )),
            authority,
            metrics: Arc::default(),
            caps: Limits::CAP,
            component_bytes_max: 64 << 20,
            public_base: "http://127.0.0.1:8080".to_owned(),
            domain: "localhost".to_owned(),
            targets: Policy::Public,
            egress: Egress::new(Policy::Public).unwrap(),
            draining: CancellationToken::new(),
        });
        Api {
            control,
            token: token.expose().to_owned(),
            _registry: registry,
            _home: home,
        }
    }

    pub(super) async fn with_project() -> Api {
        let api = Api::new().await;
        let (status, _) = api.ask("POST", "/v1/projects", r#"{"name": "demo"}"#).await;
        assert_eq!(status, StatusCode::CREATED);
        api
    }

    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: impl Into<AxumBody>,
    ) -> (StatusCode, Value) {
        self.ask_as(&self.token, method, path, body).await
    }

    /// Asks what is refused, and answers the code with the first mistake's place.
    async fn refused(&self, method: &str, path: &str, body: impl Into<AxumBody>) -> String {
        let (status, problem) = self.ask(method, path, body).await;
        assert_eq!(problem["status"], status.as_u16(), "{problem}");
        let code = problem["code"].as_str().unwrap();
        match problem["errors"][0]["field"].as_str() {
            Some(field) => format!("{} {code} {field}", status.as_u16()),
            None => format!("{} {code}", status.as_u16()),
        }
    }
}

const SCHEMA: &str = r#"{"tables": [{"name": "todos",
    "columns": [{"name": "owner_id", "type": "uuid"}, {"name": "title", "type": "text"}],
    "policies": [{"name": "own rows", "using": "owner_id = auth.uid()"}]}]}"#;

#[tokio::test]
async fn a_schema_is_applied_once_and_read_back() {
    let api = Api::with_project().await;
    let (status, applied) = api.ask("PUT", "/v1/projects/demo/schema", SCHEMA).await;
    assert_eq!(status, StatusCode::OK, "{applied}");
    assert_eq!(applied["created_tables"], json!(["todos"]));
    let (_, again) = api.ask("PUT", "/v1/projects/demo/schema", SCHEMA).await;
    assert_eq!(
        (&again["created_tables"], &again["changed_policies"]),
        (&json!([]), &json!([]))
    );

    let (_, tables) = api.ask("GET", "/v1/projects/demo/tables", "").await;
    assert_eq!(tables["items"][0]["columns"][1]["name"], "owner_id");
    let (_, policies) = api
        .ask("GET", "/v1/projects/demo/policies?table=todos", "")
        .await;
    assert_eq!(policies["items"][0]["using"], "owner_id = auth.uid()");
    assert_eq!(policies["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_schema_is_planned_and_applied_for_the_state_that_was_planned_for() {
    let api = Api::with_project().await;
    let plan = "/v1/projects/demo/schema/plan?prune=true";
    let (status, planned) = api.ask("POST", plan, SCHEMA).await;
    assert_eq!(status, StatusCode::OK, "{planned}");
    let steps = planned["steps"].as_array().unwrap().iter();
    let actions: Vec<_> = steps.map(|step| &step["action"]).collect();
    assert_eq!(actions, ["create_table", "create_policy"]);
    assert!(
        planned["steps"][0]["sql"][0]
            .as_str()
            .unwrap()
            .starts_with("CREATE TABLE")
    );

    let state = planned["state"].as_str().unwrap();
    let apply = format!("/v1/projects/demo/schema?prune=true&state={state}");
    let (_, applied) = api.ask("PUT", &apply, SCHEMA).await;
    assert_eq!(applied["created_tables"], json!(["todos"]), "{applied}");
    assert_eq!(
        api.refused("PUT", &apply, SCHEMA).await,
        "409 schema_changed"
    );
    let broken = SCHEMA.replace(r#"{"name": "owner_id", "type": "uuid"}, "#, "");
    let (_, planned) = api.ask("POST", plan, broken).await;
    let refusal = &planned["refusals"][0];
    assert_eq!(refusal["code"], "in_use", "{planned}");
    assert!(
        refusal["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("own rows")
    );
    let asked = api.refused("POST", "/v1/projects/demo/schema/plan?purge=true", SCHEMA);
    assert_eq!(asked.await, "400 invalid_query");

    let (_, past) = api.ask("GET", "/v1/projects/demo/schema/history", "").await;
    assert_eq!(past["items"][0]["seq"], applied["seq"], "{past}");
    assert_eq!(past["items"][0]["applied_by"], "admin");
}

#[tokio::test]
async fn a_policy_is_made_changed_and_deleted() {
    let api = Api::with_project().await;
    api.ask("PUT", "/v1/projects/demo/schema", SCHEMA).await;
    let new = r#"{"name": "all", "table": "todos", "commands": ["select"], "using": "true"}"#;
    let (status, made) = api.ask("POST", "/v1/projects/demo/policies", new).await;
    assert_eq!(
        (status, &made["warnings"]),
        (StatusCode::CREATED, &json!([])),
        "{made}"
    );
    let one = format!(
        "/v1/projects/demo/policies/{}",
        made["id"].as_str().unwrap()
    );
    let (_, changed) = api.ask("PATCH", &one, r#"{"enabled": false}"#).await;
    assert_eq!(
        (&changed["enabled"], &changed["using"]),
        (&json!(false), &json!("true"))
    );
    assert_eq!(api.ask("DELETE", &one, "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(api.refused("GET", &one, "").await, "404 unknown_policy");
}

#[tokio::test]
async fn a_draft_policy_gets_a_verdict_with_position_and_hint() {
    let api = Api::with_project().await;
    api.ask("PUT", "/v1/projects/demo/schema", SCHEMA).await;
    let path = "/v1/projects/demo/policies/check";
    let (status, verdict) = api
        .ask(
            "POST",
            path,
            r#"{"table": "todos", "using": "owner = auth.uid()"}"#,
        )
        .await;
    assert_eq!(
        (status, &verdict["valid"]),
        (StatusCode::OK, &json!(false)),
        "{verdict}"
    );
    let mistake = &verdict["errors"][0];
    assert_eq!(
        (&mistake["line"], &mistake["column"]),
        (&json!(1), &json!(1)),
        "{verdict}"
    );
    let good = r#"{"table": "todos", "using": "owner_id = auth.uid()"}"#;
    assert_eq!(api.ask("POST", path, good).await.1["valid"], true);
}

#[tokio::test]
async fn a_project_token_is_minted_for_any_subject() {
    let api = Api::with_project().await;
    let path = "/v1/projects/demo/tokens";
    let (status, minted) = api
        .ask(
            "POST",
            path,
            r#"{"subject": "alice", "claims": {"team": 7}}"#,
        )
        .await;
    assert_eq!(status, StatusCode::CREATED, "{minted}");
    assert_eq!(minted["token"].as_str().unwrap().split('.').count(), 3);
    assert!(
        api.control
            .authority
            .verify(minted["token"].as_str().unwrap(), Utc::now())
            .is_err()
    );
    assert_eq!(
        api.refused("POST", path, r#"{"subject": ""}"#).await,
        "400 invalid_field"
    );
}

#[tokio::test]
async fn what_is_refused_is_refused_with_its_code_and_place() {
    let api = Api::with_project().await;
    api.ask("PUT", "/v1/projects/demo/schema", SCHEMA).await;
    let typed = r#"{"name": "t", "columns": [{"name": "a", "type": "strng"}]}"#;
    let policy = r#"{"name": "p", "table": "todos", "using": "nope = 1"}"#;
    let schema = SCHEMA.replace("auth.uid()", "nope");
    let misspelt = SCHEMA.replace("\"uuid\"", "\"uid\"");
    #[rustfmt::skip]
    let refusals = [
        ("GET", "/nope", "", "404 unknown_project"),
        ("GET", "/demo/functions/nope", "", "404 unknown_function"),
        ("GET", "/demo/functions/nope/logs", "", "404 unknown_function"),
        ("GET", "/demo/functions/nope/logs?folow=1", "", "400 invalid_query"),
        ("GET", "/demo/tables/nope", "", "404 unknown_table"),
        ("GET", "/demo/schedules/a.b/runs", "", "404 unknown_schedule"),
        ("DELETE", "/demo/policies/nope", "", "404 unknown_policy"),
        ("POST", "", r#"{"name": "Demo"}"#, "400 invalid_name"),
        ("POST", "", r#"{"name": "demo"}"#, "409 already_exists"),
        ("POST", "", r#"{"name": "a", "x": 1}"#, "400 unknown_field x"),
        ("POST", "", "{", "400 invalid_json"),
        ("PATCH", "/demo/functions/f", "{}", "400 invalid_field"),
        ("POST", "/demo/tables", typed, "400 invalid_schema columns[0].type"),
        ("POST", "/demo/policies", policy, "400 invalid_policy using"),
        ("PUT", "/demo/schema", &schema, "400 invalid_policy tables[0].policies[0].using"),
        ("PUT", "/demo/schema", &misspelt, "400 invalid_schema tables[0].columns[0].type"),
        ("PUT", "/demo/functions/f", "", "400 bad_request"),
        ("PUT", "/demo/functions/f", "not wasm", "422 not_wasm"),
        ("PUT", "/demo/functions/f", "\0asm\u{1}\0\0\0", "422 core_module"),
    ];
    for (method, path, body, expected) in refusals {
        let path = format!("/v1/projects{path}");
        let said = api.refused(method, &path, body.to_owned()).await;
        assert_eq!(said, expected, "{method} {path} {body}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read_to_its_end() {
    let api = Api::new().await;
    let long = format!("{{\"name\": \"{}\"}}", "a".repeat(json::BODY_BYTES_MAX));
    assert_eq!(
        api.refused("POST", "/v1/projects", long).await,
        "413 body_too_large"
    );
}

#[tokio::test]
async fn probes_and_counters_answer_and_draining_is_not_ready() {
    let api = Api::new().await;
    assert_eq!(api.ask("GET", "/readyz", "").await.0, StatusCode::OK);
    let (_, metrics) = api.ask("GET", "/metrics", "").await;
    assert!(
        metrics.as_str().unwrap().contains("koyalite_snapshot_seq "),
        "{metrics}"
    );
    api.control.draining.cancel();
    assert_eq!(api.refused("GET", "/readyz", "").await, "503 draining");
    assert_eq!(api.ask("GET", "/healthz", "").await.0, StatusCode::OK);
}

#[tokio::test]
async fn one_column_is_changed_by_itself() {
    let api = Api::with_project().await;
    let schema = SCHEMA.replace(
        r#""title", "type": "text""#,
        r#""title", "type": "enum(a, b)""#,
    );
    api.ask("PUT", "/v1/projects/demo/schema", schema).await;
    let path = "/v1/projects/demo/tables/todos/columns/title";
    let more = r#"{"type": "enum(a, b, c)", "nullable": true, "default": "c"}"#;
    let (status, table) = api.ask("PATCH", path, more).await;
    assert_eq!(status, StatusCode::OK, "{table}");
    let column = &table["columns"][2];
    assert_eq!(column["type"], "enum(a, b, c)");
    assert_eq!(
        (&column["nullable"], &column["default"]),
        (&json!(true), &json!("c"))
    );
    let (_, table) = api.ask("PATCH", path, r#"{"default": null}"#).await;
    let column = &table["columns"][2];
    assert_eq!(
        (&column["nullable"], &column["default"]),
        (&json!(true), &Value::Null)
    );

    let refused = async |body: &'static str| api.refused("PATCH", path, body).await;
    assert_eq!(
        refused(r#"{"type": "enum(a,, c)"}"#).await,
        "400 invalid_schema type"
    );
    assert_eq!(refused(r#"{"type": "uuid"}"#).await, "409 would_lose_data");
    assert_eq!(
        refused(r#"{"colour": 1}"#).await,
        "400 unknown_field colour"
    );
    let nothing = "/v1/projects/demo/tables/todos/columns/nothing";
    assert_eq!(
        api.refused("PATCH", nothing, "{}").await,
        "404 unknown_column"
    );
    // The policy compares it with a uuid.
    let owner = "/v1/projects/demo/tables/todos/columns/owner_id";
    assert_eq!(
        api.refused("PATCH", owner, r#"{"type": "bigint"}"#).await,
        "409 would_lose_data"
    );
}
