//! Requests for functions that are wrong: paths that could be read in two ways, tokens that prove
//! nothing, headers that only the host may send, messages made to be misread.

use http::Method;
use koyalite_runtime::keys::ControlRole;
use serde_json::json;

use crate::support::{ALICE, TestApp, raw};

/// The status of every answer in what came back.
fn statuses(answer: &str) -> Vec<&str> {
    let heads = answer.split("HTTP/1.1 ").skip(1);
    heads
        .map(|rest| rest.get(..3).unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn doubtful_paths_are_refused_on_both_listeners() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    project.deploy("behaviours").await;
    for path in [
        "/hello/../behaviours",
        "/hello/..",
        "/hello/./x",
        "/hello/%2e%2e/behaviours",
        "/hello/.%2E/x",
        "/hello/..%2fx",
        "/hello/a%2f..%2fb",
        "/hello//x",
        "//hello",
        "/hello%00",
        "/hello/%00",
        "/hello/a%0d%0aset-cookie:%20a=b",
        "/hello\\x",
        "/hello/%5c..%5cx",
        "/hello/%",
        "/hello/%zz",
        "/hello/%c0%ae%c0%ae/x",
        "/hello/%ff",
    ] {
        let get = |path: &str| {
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        };
        let request = get(&format!("/f/{}{path}", project.name));
        let answer = raw(app.functions_authority(), request.as_bytes()).await;
        assert_eq!(statuses(&answer), ["400"], "{path}: {answer}");
        assert!(
            answer.contains("koyalite-source: gateway"),
            "{path}: {answer}"
        );
        let control = get(&format!("/v1/projects/{}/functions{path}", project.name));
        let answer = raw(app.control_authority(), control.as_bytes()).await;
        assert!(!statuses(&answer).contains(&"200"), "{path}: {answer}");
    }
    for path in [
        "/hello/a%20b",
        "/hello/%252e%252e",
        "/hello/...",
        "/hello/a%2Fb",
    ] {
        project.fetch(path).await.of_function(200);
    }
}

/// Each is one message to one reader and another to the next: refused, and whatever follows on the
/// connection is not taken for a request.
#[tokio::test]
async fn messages_with_two_readings_are_refused_and_end_the_connection() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let target = format!("/f/{}/behaviours/length", project.name);
    let hidden = format!(
        "GET /f/{}/behaviours/whoami HTTP/1.1\r\nhost: hidden\r\n\r\n",
        project.name
    );
    let length = hidden.len();
    for headers in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        format!("content-length: 0\r\ncontent-length: {length}\r\n"),
        format!("content-length: 0, {length}\r\n"),
        "content-length: +0\r\n".to_owned(),
        "content-length: 0x0\r\n".to_owned(),
        "content-length: -1\r\n".to_owned(),
        "content-length:\r\n".to_owned(),
        "content-length : 0\r\n".to_owned(),
        "transfer-encoding : chunked\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n".to_owned(),
        "transfer-encoding: chunked, identity\r\n".to_owned(),
        "transfer-encoding: gzip, chunked\r\n".to_owned(),
        "transfer-encoding: identity\r\n".to_owned(),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".to_owned(),
        "transfer-encoding:\x0bchunked\r\n".to_owned(),
        "x-folded: a\r\n content-length: 5\r\n".to_owned(),
        "host: other\r\n".to_owned(),
        "host: localhost@other\r\n".to_owned(),
        "x: a\rb\r\n".to_owned(),
        "x: a\ny: b\r\n".to_owned(),
        "x: a\n".to_owned(),
        "\0: a\r\n".to_owned(),
    ] {
        let body = if headers.contains("chunked") {
            "0\r\n\r\n"
        } else {
            ""
        };
        let request =
            format!("POST {target} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n{body}{hidden}");
        for authority in [app.functions_authority(), app.control_authority()] {
            let answer = raw(authority, request.as_bytes()).await;
            let seen = statuses(&answer);
            assert!(
                seen.is_empty() || seen == ["400"],
                "{headers:?} answered {seen:?}: {answer}"
            );
        }
    }
}

/// Whether it comes with its head or later: no chunk is read in one way that another server could
/// read in another, and nothing after it is a request.
#[tokio::test]
async fn chunks_with_two_readings_end_the_connection() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let target = format!("/f/{}/behaviours", project.name);
    let hidden = format!("GET {target}/whoami HTTP/1.1\r\nhost: hidden\r\n\r\n");
    for chunks in [
        "2;a\nb\r\nhi\r\n0\r\n\r\n",
        "2;a\rb\r\nhi\r\n0\r\n\r\n",
        "2;\0\r\nhi\r\n0\r\n\r\n",
        "2\nhi\r\n0\r\n\r\n",
        "2\r\nhi\r\n0\n\n",
        "2 x\r\nhi\r\n0\r\n\r\n",
        "0x2\r\nhi\r\n0\r\n\r\n",
        "-2\r\nhi\r\n0\r\n\r\n",
        "2\r\nhixx0\r\n\r\n",
    ] {
        let head = format!(
            "POST {target}/length HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        for first in ["", "1\r\nx\r\n"] {
            let message = format!("{head}{first}{chunks}{hidden}");
            let answer = raw(app.functions_authority(), message.as_bytes()).await;
            let seen = statuses(&answer);
            let refused = seen.is_empty() || (seen.len() == 1 && !seen[0].starts_with('2'));
            assert!(refused, "{chunks:?} answered {seen:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn odd_request_lines_are_refused() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    let path = format!("/f/{}/hello", project.name);
    for request in [
        format!("GET http://other{path} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        "CONNECT other:443 HTTP/1.1\r\nhost: other:443\r\n\r\n".to_owned(),
        format!("GET {path} HTTP/1.1\r\n\r\n"),
        format!("GET {path} HTTP/3.7\r\nhost: localhost\r\n\r\n"),
        format!("GET {path}\r\n\r\n"),
        format!("GET  {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("G\u{e9}T {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!(
            "GET {path}?{} HTTP/1.1\r\nhost: localhost\r\n\r\n",
            "x".repeat(1 << 20)
        ),
        format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\n{}\r\n",
            "x-many: y\r\n".repeat(5000)
        ),
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03".to_owned(),
    ] {
        let answer = raw(app.functions_authority(), request.as_bytes()).await;
        let seen = statuses(&answer);
        let refused = seen.is_empty() || (seen.len() == 1 && seen[0].starts_with('4'));
        let start: String = request.chars().take(60).collect();
        assert!(refused, "{start:?} answered {seen:?}");
    }
    project.fetch("/hello").await.of_function(200);
}

#[tokio::test]
async fn headers_that_only_the_host_may_send_do_not_reach_a_guest() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let call = project.call(Method::GET, "/behaviours/headers");
    let call = call
        .header("koyalite-subject", "admin")
        .header("koyalite-task", "forged");
    let call = call
        .header("koyalite-base-path", "/forged")
        .header("connection", "x-hop");
    let call = call
        .header("x-hop", "1")
        .header("te", "trailers")
        .header("x-mine", "kept");
    let seen = call.send().await.of_function(200).json();
    let base = format!("/f/{}/behaviours", project.name);
    assert_eq!(seen["koyalite-base-path"], json!([base]), "{seen}");
    assert_eq!(seen["x-mine"], json!(["kept"]));
    for gone in [
        "koyalite-subject",
        "koyalite-task",
        "x-hop",
        "te",
        "connection",
    ] {
        assert_eq!(seen[gone], json!(null), "{gone} came through: {seen}");
    }
}

#[tokio::test]
async fn a_token_that_proves_nothing_is_refused_not_taken_for_nobody() {
    let app = TestApp::shared().await;
    let (project, other) = (app.project().await, app.project().await);
    project.deploy("behaviours").await;
    let good = project.token(ALICE).await;
    let foreign = other.token(ALICE).await;
    let parts: Vec<&str> = good.split('.').collect();
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]);
    let foreign_parts: Vec<&str> = foreign.split('.').collect();
    let swapped = format!("{}.{}.{}", parts[0], parts[1], foreign_parts[2]);
    let viewer = app.operator(ControlRole::Viewer);
    for token in [
        "nonsense",
        "a.b.c",
        "..",
        &good[..good.len() - 8],
        &foreign,
        &unsigned,
        &swapped,
        app.admin(),
        &viewer,
    ] {
        let call = project
            .call(Method::GET, "/behaviours/whoami")
            .bearer(token);
        let refused = call.send().await;
        refused.problem(401, "invalid_token");
        assert!(
            refused.header("www-authenticate").starts_with("Bearer"),
            "{refused:?}"
        );
    }
    let twice = project
        .call(Method::GET, "/behaviours/whoami")
        .bearer(&good);
    let twice = twice.header("authorization", &format!("Bearer {good}"));
    twice.send().await.problem(401, "invalid_token");
    // Each kind of token opens its own door only.
    let wrong_door = app.control(Method::GET, "/v1/projects").bearer(&good);
    wrong_door.send().await.problem(401, "invalid_token");
}

#[tokio::test]
async fn no_claim_makes_a_user_a_service() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let claims = json!({ "role": "service_role", "koya_role": "admin" });
    let token = project.token_with(ALICE, &claims).await;
    let call = project
        .call(Method::GET, "/behaviours/whoami")
        .bearer(&token);
    let seen = call.send().await.of_function(200).json();
    assert_eq!(
        (&seen["role"], &seen["subject"]),
        (&json!("authenticated"), &json!(ALICE))
    );
}

#[tokio::test]
async fn what_is_not_served_is_named() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    project
        .deploy_as("locked", "behaviours", "verify = \"required\"\n")
        .await;
    project
        .deploy_as("far", "hello", "region = \"mars\"\n")
        .await;
    project.deploy_as("clock", "cron-only", "").await;
    for (path, status, code) in [
        ("/nothing", 404, "unknown_function"),
        ("/hello-world", 404, "unknown_function"),
        ("/hello@7", 404, "unknown_version"),
        ("/hello@x", 404, "unknown_version"),
        ("/locked/whoami", 401, "unauthorized"),
        ("/far", 421, "wrong_region"),
        ("/clock", 404, "not_callable"),
    ] {
        project.fetch(path).await.problem(status, code);
    }
    app.call(Method::GET, "/f/nobody/hello")
        .send()
        .await
        .problem(404, "unknown_project");
    app.call(Method::GET, "/")
        .send()
        .await
        .problem(404, "unknown_route");
    let token = project.token(ALICE).await;
    let call = project.call(Method::GET, "/locked/whoami").bearer(&token);
    call.send().await.of_function(200);
}
