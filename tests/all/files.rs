//! Files over HTTP and from functions: the same files, under the same policies.

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, Answer, BOB, Project, TestApp};

/// The smallest thing that begins as a PNG does.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and some pixels";

/// A project in which everybody who is signed in has their own files, and all may see what is `public/`.
pub(super) async fn own_files(app: &TestApp) -> Project<'_> {
    let project = app.project().await;
    allow(
        &project,
        "own",
        &["select", "insert", "update", "delete"],
        "user_id = auth.uid()",
    )
    .await;
    allow(&project, "public", &["select"], "folder = 'public'").await;
    project
}

pub(super) async fn allow(project: &Project<'_>, name: &str, commands: &[&str], text: &str) {
    let mut policy = json!({ "name": name, "table": "koyalite_files", "commands": commands });
    if commands.iter().any(|command| *command != "insert") {
        policy["using"] = json!(text);
    }
    if commands
        .iter()
        .any(|command| matches!(*command, "insert" | "update"))
    {
        policy["check"] = json!(text);
    }
    let call = project.control(Method::POST, "/policies").json(&policy);
    call.send().await.expect(201);
}

/// A call of the files of a project.
pub(super) fn file(project: &Project<'_>, method: Method, path: &str) -> crate::support::Call {
    let path = format!("/files/{}/{path}", project.name);
    project.app.call(method, &path)
}

pub(super) async fn put(project: &Project<'_>, token: &str, path: &str, content: &[u8]) -> Answer {
    let call = file(project, Method::PUT, path).bearer(token);
    call.body(content.to_vec()).send().await
}

#[tokio::test]
async fn a_file_is_written_read_listed_and_deleted_by_its_owner_alone() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    let made = put(&project, &alice, "notes/a%20b.txt", b"hello")
        .await
        .expect(201);
    let written: Value = made.json();
    assert_eq!(written["path"], "notes/a b.txt");
    assert_eq!(written["user_id"], ALICE);
    assert_eq!(written["size"], 5);
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(written["sha256"], sha256);
    let get = file(&project, Method::GET, "notes/a%20b.txt").bearer(&alice);
    let got = get.send().await.expect(200);
    assert_eq!(got.text(), "hello");
    assert_eq!(got.header("etag"), made.header("etag"));
    assert_eq!(got.header("content-length"), "5");
    assert_eq!(got.header("koyalite-source"), "gateway");
    for token in [Some(&bob), None] {
        let call = file(&project, Method::GET, "notes/a%20b.txt");
        let call = token.map_or(file(&project, Method::GET, "notes/a%20b.txt"), |token| {
            call.bearer(token)
        });
        call.send().await.problem(404, "unknown_file");
    }
    put(&project, &bob, "notes/a%20b.txt", b"mine")
        .await
        .problem(403, "forbidden");
    file(&project, Method::PUT, "x")
        .body("x")
        .send()
        .await
        .problem(403, "forbidden");
    put(&project, &alice, "notes/a%20b.txt", b"again")
        .await
        .expect(200);
    put(&project, &alice, "public/p.txt", b"all")
        .await
        .expect(201);
    let seen = file(&project, Method::GET, "?prefix=")
        .bearer(&bob)
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(seen["files"].as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(seen["files"][0]["path"], "public/p.txt");
    let first = file(&project, Method::GET, "?limit=1")
        .bearer(&alice)
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&first["files"][0]["path"], &first["next"]),
        (&json!("notes/a b.txt"), &json!("notes/a b.txt"))
    );
    let next = file(&project, Method::GET, "?limit=1&after=notes/a%20b.txt").bearer(&alice);
    let next = next.send().await.expect(200).json();
    assert_eq!(
        (&next["files"][0]["path"], &next["next"]),
        (&json!("public/p.txt"), &Value::Null)
    );
    let delete = |token: &str| file(&project, Method::DELETE, "public/p.txt").bearer(token);
    delete(&bob).send().await.problem(404, "unknown_file");
    delete(&alice).send().await.expect(204);
    delete(&alice).send().await.problem(404, "unknown_file");
}

#[tokio::test]
async fn without_a_policy_nobody_has_files() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let alice = project.token(ALICE).await;
    put(&project, &alice, "a", b"a")
        .await
        .problem(403, "forbidden");
    for method in [Method::GET, Method::HEAD, Method::DELETE] {
        let answer = file(&project, method, "a").bearer(&alice).send().await;
        assert_eq!(answer.status, 403);
    }
}

#[tokio::test]
async fn parts_and_conditions_are_those_of_http() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let alice = project.token(ALICE).await;
    let made = put(&project, &alice, "n", b"0123456789").await.expect(201);
    let etag = made.header("etag").to_owned();
    let get = |header: &'static str, value: &str| {
        file(&project, Method::GET, "n")
            .bearer(&alice)
            .header(header, value)
    };
    let check = async |range: &str, status: u16, content: &str, said: &str| {
        let got = get("range", range).send().await.expect(status);
        assert_eq!(
            (got.text().as_str(), got.header("content-range")),
            (content, said),
            "{range}"
        );
    };
    check("bytes=2-4", 206, "234", "bytes 2-4/10").await;
    check("bytes=7-", 206, "789", "bytes 7-9/10").await;
    check("bytes=-2", 206, "89", "bytes 8-9/10").await;
    check("bytes=0-1,3-4", 200, "0123456789", "").await;
    let beyond = get("range", "bytes=10-").send().await;
    beyond.problem(416, "invalid_range");
    assert_eq!(beyond.header("content-range"), "bytes */10");
    get("if-none-match", &etag).send().await.expect(304);
    get("if-match", &etag).send().await.expect(200);
    get("if-match", "\"other\"")
        .send()
        .await
        .problem(412, "precondition_failed");
    let ranged = get("if-range", "\"other\"").header("range", "bytes=0-0");
    assert_eq!(ranged.send().await.expect(200).text(), "0123456789");
    let head = file(&project, Method::HEAD, "n")
        .bearer(&alice)
        .send()
        .await
        .expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("10", 0));
    let write = |header: &'static str, value: &str| {
        let call = file(&project, Method::PUT, "n").bearer(&alice);
        call.header(header, value).body("new")
    };
    write("if-none-match", "*")
        .send()
        .await
        .problem(412, "precondition_failed");
    write("if-match", "\"other\"")
        .send()
        .await
        .problem(412, "precondition_failed");
    let changed = write("if-match", &etag).send().await.expect(200);
    assert_ne!(changed.header("etag"), etag);
    write("if-match", &etag)
        .send()
        .await
        .problem(412, "precondition_failed");
    let gone = file(&project, Method::DELETE, "n")
        .bearer(&alice)
        .header("if-match", &etag);
    gone.send().await.problem(412, "precondition_failed");
}

#[tokio::test]
async fn what_a_browser_could_run_is_not_shown_in_place() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let alice = project.token(ALICE).await;
    let send = async |path: &str, kind: &str, content: &[u8]| {
        let call = file(&project, Method::PUT, path).bearer(&alice);
        call.header("content-type", kind)
            .body(content.to_vec())
            .send()
            .await
    };
    send("a.png", "image/png", PNG).await.expect(201);
    send("a.html", "text/html", b"<script>alert(1)</script>")
        .await
        .expect(201);
    send("a.svg", "image/svg+xml", b"<svg onload=alert(1)>")
        .await
        .expect(201);
    for (path, how) in [
        ("a.png", "inline"),
        ("a.html", "attachment"),
        ("a.svg", "attachment"),
    ] {
        let got = file(&project, Method::GET, path)
            .bearer(&alice)
            .send()
            .await
            .expect(200);
        assert!(got.header("content-disposition").starts_with(how), "{path}");
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert!(got.header("content-security-policy").contains("sandbox"));
    }
    send("b.png", "image/png", b"<script>")
        .await
        .problem(415, "type_refused");
    send("b.txt", "text/plain", PNG)
        .await
        .problem(415, "type_refused");
    send("b", "nonsense", b"x")
        .await
        .problem(415, "type_refused");
    file(&project, Method::GET, "b.png")
        .bearer(&alice)
        .send()
        .await
        .problem(404, "unknown_file");
}

#[tokio::test]
async fn a_path_that_could_be_read_in_two_ways_is_refused_with_the_reason() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let alice = project.token(ALICE).await;
    for path in ["con", "a/NUL.txt", ".koyalite/x", "a.", "a%E2%80%AEgnp.exe"] {
        put(&project, &alice, path, b"x")
            .await
            .problem(400, "invalid_path");
    }
    for path in ["a/%2e%2e/b", "a%2Fb", "a%5Cb", "a%00"] {
        put(&project, &alice, path, b"x")
            .await
            .problem(400, "bad_path");
    }
    put(&project, &alice, "u%CC%88.txt", b"one")
        .await
        .expect(201);
    put(&project, &alice, "%C3%BC.txt", b"two")
        .await
        .expect(200);
    put(&project, &alice, "%C3%9C.TXT", b"three")
        .await
        .problem(409, "file_exists");
}

#[tokio::test]
async fn limits_hold_while_a_file_streams() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let settings =
        json!({ "settings": { "files": { "file_mib": 1, "quota_mib": 2, "types": ["text/*"] } } });
    let patch = project.control(Method::PATCH, "").json(&settings);
    patch.send().await.expect(200);
    let alice = project.token(ALICE).await;
    let send = async |path: &str, mebibytes: usize| {
        let piece = bytes::Bytes::from(vec![b'x'; 1 << 20]);
        let pieces = futures::stream::iter(vec![piece; mebibytes]);
        let call = file(&project, Method::PUT, path).bearer(&alice);
        let call = call.header("content-type", "text/plain").stream(pieces);
        call.send().await
    };
    send("one", 1).await.expect(201);
    send("two", 2).await.problem(413, "file_too_large");
    send("two", 1).await.expect(201);
    send("three", 1).await.problem(507, "storage_quota");
    send("two", 1).await.expect(200);
    let png = file(&project, Method::PUT, "p")
        .bearer(&alice)
        .header("content-type", "image/png");
    png.body(PNG).send().await.problem(415, "type_refused");
    file(&project, Method::DELETE, "one")
        .bearer(&alice)
        .send()
        .await
        .expect(204);
    send("three", 1).await.expect(201);
}

#[tokio::test]
async fn policies_are_asked_again_at_the_end_of_an_upload() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    allow(&project, "small", &["select", "insert"], "size < 10").await;
    let send = async |pieces: Vec<&'static str>| {
        let pieces = pieces
            .into_iter()
            .map(|text| bytes::Bytes::from_static(text.as_bytes()));
        let call = file(&project, Method::PUT, "n").stream(futures::stream::iter(pieces));
        call.send().await
    };
    // Nothing says beforehand how long it will be.
    send(vec!["01234", "56789"]).await.problem(403, "forbidden");
    file(&project, Method::GET, "n")
        .send()
        .await
        .problem(404, "unknown_file");
    send(vec!["01234", "5678"]).await.expect(201);
}
