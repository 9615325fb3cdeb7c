//! Control requests that are wrong in one way each: the status, the code, the place and the reason.

use http::Method;
use serde_json::json;

use crate::support::{Project, TestApp, guest, own_rows};

/// Method, path below the project, body, status, code, and what the problem must mention.
type Wrong = (
    Method,
    &'static str,
    &'static str,
    u16,
    &'static str,
    &'static [&'static str],
);

async fn check(project: &Project<'_>, wrong: &[Wrong]) {
    let mut differences = Vec::new();
    for (method, path, body, status, code, mentions) in wrong {
        let call = project.control(method.clone(), path);
        let call = call.header("content-type", "application/json").body(*body);
        match call.send().await.check_problem(*status, code) {
            Ok(problem) => {
                let problem = problem.to_string();
                let missing = mentions
                    .iter()
                    .filter(|mention| !problem.contains(**mention));
                differences.extend(missing.map(|m| format!("{path} {body}: no {m} in {problem}")));
            }
            Err(difference) => differences.push(difference),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

async fn prepared(app: &TestApp) -> Project<'_> {
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.deploy("hello").await;
    project
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn what_does_not_exist_is_named() {
    use Method as M;
    let app = TestApp::shared().await;
    let project = prepared(&app).await;
    check(
        &project,
        &[
            (
                M::GET,
                "/functions/nothing",
                "",
                404,
                "unknown_function",
                &["nothing"],
            ),
            (
                M::GET,
                "/functions/nothing/versions",
                "",
                404,
                "unknown_function",
                &["nothing"],
            ),
            (
                M::GET,
                "/functions/nothing/logs",
                "",
                404,
                "unknown_function",
                &["nothing"],
            ),
            (
                M::POST,
                "/functions/nothing/rollback",
                "{}",
                404,
                "unknown_function",
                &["nothing"],
            ),
            (
                M::PATCH,
                "/functions/nothing",
                r#"{"enabled":false}"#,
                404,
                "unknown_function",
                &[],
            ),
            (
                M::POST,
                "/functions/hello/rollback",
                r#"{"version":7}"#,
                404,
                "unknown_version",
                &["7"],
            ),
            (
                M::GET,
                "/tables/nothing",
                "",
                404,
                "unknown_table",
                &["nothing"],
            ),
            (
                M::DELETE,
                "/tables/nothing",
                "",
                404,
                "unknown_table",
                &["nothing"],
            ),
            (
                M::DELETE,
                "/tables/notes/columns/nothing",
                "",
                404,
                "unknown_column",
                &["nothing"],
            ),
            (M::GET, "/policies/nothing", "", 404, "unknown_policy", &[]),
            (
                M::DELETE,
                "/policies/00000000-0000-4000-8000-000000000000",
                "",
                404,
                "unknown_policy",
                &[],
            ),
            (
                M::GET,
                "/schedules/00000000-0000-4000-8000-000000000000/runs",
                "",
                404,
                "unknown_schedule",
                &[],
            ),
            (M::GET, "/nowhere", "", 404, "unknown_route", &[]),
            (M::DELETE, "/functions", "", 405, "method_not_allowed", &[]),
            (
                M::GET,
                "/functions/No_Name",
                "",
                400,
                "invalid_name",
                &["No_Name"],
            ),
            (
                M::GET,
                "/tables/drop%20table",
                "",
                400,
                "invalid_name",
                &["drop table"],
            ),
        ],
    )
    .await;
    let nobody = app.existing("nobody");
    for (method, path) in [(M::GET, ""), (M::GET, "/functions"), (M::POST, "/tokens")] {
        let call = nobody
            .control(method, path)
            .json(&json!({ "subject": "a" }));
        call.send().await.problem(404, "unknown_project");
    }
    let upload = nobody.upload("hello", guest("hello"));
    upload.send().await.problem(404, "unknown_project");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn malformed_json_is_told_with_its_place() {
    use Method as M;
    let app = TestApp::shared().await;
    let project = prepared(&app).await;
    check(
        &project,
        &[
            (
                M::POST,
                "/tables",
                "{\"name\":\n nope}",
                400,
                "invalid_json",
                &["\"line\":2", "\"column\":"],
            ),
            (
                M::POST,
                "/tables",
                "{\"name\": \"a\"",
                400,
                "invalid_json",
                &["\"line\":1"],
            ),
            (M::POST, "/tables", "[1,2", 400, "invalid_field", &["[0]"]),
            (M::POST, "/tables", "\u{0}", 400, "invalid_json", &[]),
            (M::POST, "/tables", "{}", 400, "invalid_field", &["name"]),
            (M::POST, "/tables", "7", 400, "invalid_field", &[]),
            (
                M::POST,
                "/tables",
                r#"{"name": 7}"#,
                400,
                "invalid_field",
                &["name"],
            ),
            (
                M::POST,
                "/tables",
                r#"{"name": "a", "colums": []}"#,
                400,
                "unknown_field",
                &["colums"],
            ),
            (
                M::POST,
                "/tokens",
                r#"{"subject": "a", "admin": true}"#,
                400,
                "unknown_field",
                &["admin"],
            ),
            (
                M::POST,
                "/tokens",
                r#"{"subject": "a", "ttl_s": 0}"#,
                400,
                "invalid_field",
                &["ttl_s"],
            ),
            (
                M::POST,
                "/tokens",
                r#"{"subject": ""}"#,
                400,
                "invalid_field",
                &["user"],
            ),
            (
                M::PATCH,
                "/functions/hello",
                r#"{"enabled": "no"}"#,
                400,
                "invalid_field",
                &["enabled"],
            ),
            (
                M::GET,
                "/functions/hello/logs?limit=many",
                "",
                400,
                "invalid_query",
                &[],
            ),
            (
                M::GET,
                "/functions/hello/logs?lines=1",
                "",
                400,
                "invalid_query",
                &["lines"],
            ),
        ],
    )
    .await;
    // Deep enough to overflow a stack, in a field that is only skipped.
    let deep = format!("{{\"x\": {}", "[".repeat(100_000));
    let answer = project
        .control(Method::POST, "/tables")
        .body(deep)
        .send()
        .await;
    answer.problem(400, "invalid_json");
    let long = format!(r#"{{"name": "{}"}}"#, "a".repeat(2 << 20));
    if let Some(answer) = project
        .control(Method::POST, "/tables")
        .body(long)
        .attempt()
        .await
    {
        answer.problem(413, "body_too_large");
    }
}

#[tokio::test]
async fn tables_that_make_no_sense_are_refused_whole() {
    use Method as M;
    let app = TestApp::shared().await;
    let project = prepared(&app).await;
    let before = project.list("/tables").await;
    check(&project, &[
        (M::POST, "/tables", r#"{"name": "drop table"}"#, 400, "invalid_schema", &["name"]),
        (M::POST, "/tables", r#"{"name": "t", "columns": [{"name": "a", "type": "blob"}]}"#, 400, "invalid_schema", &["columns[0]", "blob"]),
        (M::POST, "/tables", r#"{"name": "t", "columns": [{"name": "a", "type": "text"}, {"name": "a", "type": "text"}]}"#, 400, "invalid_schema", &["columns[1]"]),
        (M::POST, "/tables", r#"{"name": "t", "columns": [{"name": "n", "type": "integer", "default": "lots"}]}"#, 400, "invalid_schema", &["columns[0]"]),
        (M::POST, "/tables", r#"{"name": "t", "columns": [{"name": "n", "type": "uuid", "references": {"table": "nothing"}}]}"#, 400, "invalid_schema", &["nothing"]),
    ]).await;
    let again = project
        .control(Method::POST, "/tables")
        .json(&json!({ "name": "notes" }));
    again.send().await.problem(409, "already_exists");
    assert_eq!(
        project.list("/tables").await,
        before,
        "nothing of them was made"
    );
}

#[tokio::test]
async fn a_manifest_with_mistakes_is_refused_with_all_of_them() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let hello = guest("hello");
    let refuse = async |manifest: &str, mentions: &[&str]| {
        let problem = project.upload_with("hello", &hello, manifest).send().await;
        let problem = problem.problem(400, "invalid_manifest").to_string();
        for mention in mentions {
            assert!(
                problem.contains(mention),
                "{manifest}: no {mention} in {problem}"
            );
        }
    };
    refuse("name = \"hello\"\nname = 1", &["\"line\":2"]).await;
    refuse("{\"name\": \"hello\",\n oops}", &["\"line\":2"]).await;
    refuse("name = \"hello\"\ncolour = \"red\"", &["colour"]).await;
    let many = "name = \"hello\"\nisolation = \"none\"\nverify = 7\n[limits]\ncpu_ms = 0\nmemory_mib = 99999\n";
    refuse(
        many,
        &["isolation", "verify", "limits.cpu_ms", "limits.memory_mib"],
    )
    .await;
    refuse(
        "name = \"hello\"\n[outbound]\nallow = [\"https://*\"]",
        &["outbound.allow"],
    )
    .await;
    let cron = |text: &str, zone: &str| {
        format!(
            "name = \"hello\"\n[[schedules]]\nname = \"a\"\ncron = \"{text}\"\ntimezone = \"{zone}\"\n"
        )
    };
    refuse(
        &cron("61 * * * *", "UTC"),
        &["schedules[0].cron", "\"column\""],
    )
    .await;
    refuse(&cron("* * *", "UTC"), &["schedules[0].cron"]).await;
    refuse(&cron("30 2 31 2 *", "UTC"), &["schedules[0].cron"]).await;
    refuse(
        &cron("* * * * *", "Mars/Olympus"),
        &["schedules[0].timezone", "Mars/Olympus"],
    )
    .await;
    assert_eq!(project.list("/functions").await.len(), 0);

    let other = project
        .upload_with("hello", &hello, "name = \"another\"")
        .send()
        .await;
    assert_eq!(
        other.status, 400,
        "the manifest of another function: {other:?}"
    );
}

#[tokio::test]
async fn a_character_that_postgres_has_not_is_refused_wherever_it_is_written() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    for path in [
        "/webhooks/deliveries?event_type=a%00",
        "/email/messages?to=a%00",
        "/audit?actor=a%00",
        "/policies?table=a%00",
    ] {
        let asked = project.control(Method::GET, path).send().await;
        assert_eq!(asked.status, 400, "{path}: {asked:?}");
    }
    let body = json!({ "subject": "a\u{0}b" });
    let minted = project.control(Method::POST, "/tokens").json(&body);
    let refused = minted.send().await;
    assert_eq!(refused.status, 400, "{refused:?}");
}
