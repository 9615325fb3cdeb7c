//! `koyalite run`: one component by itself, as a person tries it who has nothing but a file.

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{CommandLine, Single, component, guest_file};

#[tokio::test]
async fn a_component_is_served_at_every_path_until_it_is_interrupted() {
    for guest in ["hello", "hello-02"] {
        let single = Single::start(guest, &[]).await;
        let hello = single.call(Method::GET, "/").send().await.expect(200);
        assert!(hello.text().starts_with("hello"), "{}", hello.text());
        assert_eq!(hello.header("koyalite-source"), "", "a header of ours");
        assert_eq!(single.interrupt().await, 0, "{guest}");
    }
    let single = Single::start("behaviours", &["--env", "A=b=c", "--env", "EMPTY="]).await;
    let seen = single.call(Method::GET, "/env").send().await.expect(200);
    let variables = json!({ "A": "b=c", "EMPTY": "" });
    assert_eq!(seen.json()["variables"], variables, "{}", seen.text());
    let whole = single.call(Method::GET, "/status/418").send().await;
    whole.expect(418);
    assert_eq!(single.interrupt().await, 0);
}

/// A server of this machine that answers everyone with `inside`.
async fn inside() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 2048];
            let _ = stream.read(&mut head).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\ninside";
            let _ = stream.write_all(answer).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn nothing_goes_out_unless_it_is_allowed() {
    let inside = inside().await;
    let path = format!("/outbound?url={inside}/");
    for (arguments, reached) in [
        (vec![], false),
        (vec!["--allow-outbound", "https://example.com"], false),
        (vec!["--allow-outbound", inside.as_str()], true),
        (vec!["--allow-outbound", "*"], true),
    ] {
        let single = Single::start("behaviours", &arguments).await;
        let said = single.call(Method::GET, &path).send().await.expect(200);
        let said = said.json();
        assert_eq!(
            said["status"] == json!(200),
            reached,
            "{arguments:?}: {said}"
        );
        assert_eq!(said["error"].is_string(), !reached, "{arguments:?}: {said}");
    }
}

/// Each call waits for the next one, until there is no place for one more.
#[tokio::test]
async fn a_component_that_calls_itself_without_end_is_refused_at_last_and_serves_on() {
    let single = Single::start("hostile", &["--allow-outbound", "*"]).await;
    let path = format!("/call-self?at=http://{}", single.authority());
    let refused = single.call(Method::GET, &path).send().await;
    assert!(matches!(refused.status, 502 | 503), "{refused:?}");
    let after = single.call(Method::GET, "/never-read").send().await;
    after.expect(200);
    assert_eq!(single.interrupt().await, 0);
}

#[tokio::test]
async fn the_host_answers_that_there_is_no_project() {
    let single = Single::start("behaviours-02", &[]).await;
    let rows = single.call(Method::GET, "/select").send().await.expect(200);
    assert!(rows.text().contains("no_project"), "{}", rows.text());
    let nobody = single.call(Method::GET, "/whoami").send().await.expect(200);
    assert!(nobody.text().contains("Anon"), "{}", nobody.text());
    let single = Single::start("todo", &[]).await;
    let refused = single.call(Method::GET, "/").send().await.expect(403);
    assert_eq!(refused.json()["code"], "no_project", "{}", refused.text());
}

#[tokio::test]
async fn what_a_component_prints_and_why_it_failed_are_on_the_terminal() {
    let single = Single::start("behaviours", &["--cpu-ms", "200"]).await;
    let trapped = single.call(Method::GET, "/trap-before").send().await;
    trapped.problem(500, "guest_trapped");
    let slow = single.call(Method::GET, "/spin").send().await;
    slow.problem(504, "cpu_limit");
    let log = single.log();
    for seen in [
        "trapped before the first byte, as asked",
        "a call failed:",
        "200 ms of CPU",
    ] {
        assert!(log.contains(seen), "no {seen:?} in {log}");
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.wasm");
    std::fs::write(&other, component("")).unwrap();
    let text = folder.path().join("text.wasm");
    std::fs::write(&text, "no component").unwrap();
    let file = |name: &str| guest_file(name).display().to_string();
    let path = |path: &std::path::Path| path.display().to_string();
    for (arguments, code, said) in [
        (vec![path(&folder.path().join("none"))], 1, "cannot read"),
        (vec![path(&text)], 1, "not WebAssembly"),
        (vec![path(&other)], 1, "wasi:http"),
        (vec![file("cron-only")], 1, "no HTTP handler"),
        (vec![file("needs-unknown")], 1, "imports"),
        (vec![file("hello-02"), "--shared".into()], 1, "0.2 handler"),
        (
            vec![file("hello"), "--env".into(), "A".into()],
            2,
            "NAME=VALUE",
        ),
        (
            vec![file("hello"), "--allow-outbound".into(), "*.com".into()],
            2,
            "two labels",
        ),
        (
            vec![file("hello"), "--addr".into(), "nowhere".into()],
            2,
            "--addr",
        ),
    ] {
        let mut all = vec!["run"];
        all.extend(arguments.iter().map(String::as_str));
        let finished = CommandLine::bare().run(folder.path(), &all).await;
        assert_eq!(finished.code, code, "{arguments:?}: {finished:?}");
        assert!(
            finished.errors.contains(said),
            "{arguments:?}: {finished:?}"
        );
    }
}

#[tokio::test]
async fn a_shared_instance_remembers() {
    let single = Single::start("behaviours", &["--shared"]).await;
    // An instance stays with its connection's thread, and there are some of those.
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut counts = Vec::new();
    for _ in 0..=threads {
        counts.push(single.call(Method::GET, "/count").send().await.text());
    }
    assert!(counts.iter().any(|count| count != "1"), "{counts:?}");
}
