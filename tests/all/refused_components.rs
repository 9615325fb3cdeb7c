//! Uploads that are not what the host can run: each refused with a code and a word of help, and
//! nothing left behind.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Method;

use crate::support::{Project, TestApp, compile_bomb, component, guest, handler_with, raw, within};

/// Refused with that, and the function does not exist afterwards.
async fn refused(project: &Project<'_>, bytes: Bytes, status: u16, code: &str) -> String {
    let answer = project.upload("odd", bytes).send().await;
    let problem = answer.problem(status, code);
    project.fetch("/odd").await.problem(404, "unknown_function");
    assert_eq!(project.list("/functions").await.len(), 0, "{code}");
    problem.to_string()
}

#[tokio::test]
async fn what_cannot_run_is_refused_with_a_word_of_help() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let hello = guest("hello");
    let half = hello.slice(..hello.len() / 2);
    let mut scratched = hello.to_vec();
    let middle = scratched.len() / 2;
    scratched[middle..middle + 64].fill(0xff);
    let core: Bytes = wat::parse_str(r#"(module (func (export "run")))"#)
        .unwrap()
        .into();
    for (bytes, status, code, help) in [
        (
            Bytes::from_static(b"<html>not found</html>"),
            422,
            "not_wasm",
            "component",
        ),
        (Bytes::from_static(b"\0asm"), 422, "invalid_component", ""),
        (core, 422, "core_module", "wasm32-wasip2"),
        (half, 422, "invalid_component", ""),
        (scratched.into(), 422, "invalid_component", ""),
        (component(""), 422, "no_handler", "wasi:http/handler@0.3"),
        (
            guest("no-handler"),
            422,
            "no_handler",
            "example:library/arithmetic",
        ),
        (Bytes::new(), 400, "bad_request", "component"),
    ] {
        let said = refused(&project, bytes, status, code).await;
        assert!(said.contains(help), "{code}: no {help:?} in {said}");
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_something_else_is_not_read() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    for kind in [
        "text/html",
        "application/json",
        "multipart/mixed; boundary=x",
    ] {
        let upload = project.upload("odd", guest("hello"));
        let answer = upload.header("content-type", kind).send().await;
        answer.problem(415, "unsupported_media_type");
    }
    let form = "application/x-www-form-urlencoded";
    let table = project
        .control(Method::POST, "/tables")
        .header("content-type", form)
        .body("name=notes");
    let problem = table.send().await.problem(415, "unsupported_media_type");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("application/json")
    );
    // What `curl -T` and `curl --data-binary` send.
    for kind in [None, Some(form), Some("application/wasm")] {
        let upload = project.upload("hello", guest("hello"));
        let upload = kind
            .into_iter()
            .fold(upload, |u, kind| u.header("content-type", kind));
        let status = upload.send().await.status;
        assert!(matches!(status, 200 | 201), "{kind:?}: {status}");
    }
}

#[tokio::test]
async fn all_missing_imports_are_named_at_once() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let said = refused(&project, guest("needs-unknown"), 422, "unknown_imports").await;
    for missing in [
        "example:needy/weather",
        "example:needy/tides",
        "koyalite:host/telepathy",
    ] {
        assert!(said.contains(missing), "no {missing} in {said}");
    }
    assert!(
        !said.contains("wasi:http/types"),
        "what is there is not missing: {said}"
    );
}

#[tokio::test]
async fn a_release_candidate_of_wasi_is_named_as_such() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let import = r#"(import "wasi:http/types@0.3.0-rc-2025-09-16" (instance))"#;
    let said = refused(&project, handler_with(import), 422, "unknown_imports").await;
    assert!(said.contains("0.3.0-rc-2025-09-16"), "{said}");
    assert!(said.contains("release candidate"), "{said}");
}

#[tokio::test]
async fn a_component_over_the_size_limit_is_refused_before_and_while_it_is_sent() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    // Told beforehand: the answer comes before the first byte of the body.
    let head = format!(
        "PUT /v1/projects/{}/functions/odd HTTP/1.1\r\nhost: localhost\r\n\
         authorization: Bearer {}\r\ncontent-length: 100000000\r\n\r\n",
        project.name,
        app.admin()
    );
    let answer = raw(app.control_authority(), head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("component_too_large"), "{answer}");

    let mebibyte = Bytes::from(vec![0; 1 << 20]);
    let pieces = stream::repeat(mebibyte).take(65);
    let streamed = project.upload("odd", Bytes::new()).stream(pieces);
    if let Some(answer) = streamed.attempt().await {
        answer.problem(413, "component_too_large");
    }
    assert_eq!(project.list("/functions").await.len(), 0);
}

/// The child that compiles runs into its limit; the server goes on serving.
#[tokio::test]
async fn a_component_that_explodes_in_the_compiler_is_refused_and_harms_nobody() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let neighbour = app.project().await;
    neighbour.deploy("hello").await;
    let bomb = project.upload("odd", compile_bomb()).open();
    let neighbours = async {
        for _ in 0..20 {
            neighbour.fetch("/hello").await.of_function(200);
        }
    };
    let both = async { tokio::join!(bomb, neighbours).0.rest().await };
    let answer = Box::pin(within(
        "the end of the bomb",
        Duration::from_secs(150),
        both,
    ))
    .await;
    answer.problem(422, "compile_limit");
    neighbour.fetch("/hello").await.of_function(200);
}
