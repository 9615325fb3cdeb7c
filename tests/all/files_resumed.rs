//! Uploads that go on after they broke off, by TUS 1.0.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;

use super::files::{allow, file, own_files};
use crate::support::{ALICE, Answer, BOB, Call, Project, TestApp};

const CONTENT: &str = "application/offset+octet-stream";

fn tus(call: Call) -> Call {
    call.header("tus-resumable", "1.0.0")
}

async fn create(project: &Project<'_>, token: &str, path: &str, length: usize) -> Answer {
    let call = tus(file(project, Method::POST, path)).bearer(token);
    let kind = format!("filename eA==,filetype {}", STANDARD.encode("text/plain"));
    let call = call.header("upload-metadata", &kind);
    call.header("upload-length", &length.to_string())
        .send()
        .await
}

fn at(project: &Project<'_>, method: Method, token: &str, url: &str) -> Call {
    tus(project.app.call(method, url)).bearer(token)
}

fn patch(project: &Project<'_>, token: &str, (url, offset): (&str, usize), content: &str) -> Call {
    let call = at(project, Method::PATCH, token, url).header("content-type", CONTENT);
    call.header("upload-offset", &offset.to_string())
        .body(content.to_owned())
}

#[tokio::test]
async fn an_upload_goes_on_where_it_broke_off_and_becomes_a_file_at_its_end() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    let created = create(&project, &alice, "film.txt", 10).await.expect(201);
    let url = created.header("location").to_owned();
    assert!(
        created.header("upload-expires").ends_with("GMT"),
        "{created:?}"
    );
    let first = patch(&project, &alice, (&url, 0), "01234")
        .send()
        .await
        .expect(204);
    assert_eq!(first.header("upload-offset"), "5");
    file(&project, Method::GET, "film.txt")
        .bearer(&alice)
        .send()
        .await
        .problem(404, "unknown_file");
    patch(&project, &alice, (&url, 0), "01234")
        .send()
        .await
        .problem(409, "conflict");
    patch(&project, &bob, (&url, 5), "56789")
        .send()
        .await
        .problem(404, "unknown_upload");
    let head = at(&project, Method::HEAD, &alice, &url)
        .send()
        .await
        .expect(200);
    assert_eq!(
        (head.header("upload-offset"), head.header("upload-length")),
        ("5", "10")
    );
    assert_eq!(head.header("cache-control"), "no-store");
    patch(&project, &alice, (&url, 5), "too long")
        .send()
        .await
        .problem(413, "file_too_large");
    patch(&project, &alice, (&url, 5), "56789")
        .send()
        .await
        .expect(204);
    let got = file(&project, Method::GET, "film.txt")
        .bearer(&alice)
        .send()
        .await
        .expect(200);
    assert_eq!(
        (got.text().as_str(), got.header("content-type")),
        ("0123456789", "text/plain")
    );
    at(&project, Method::HEAD, &alice, &url)
        .send()
        .await
        .expect(404);
}

#[tokio::test]
async fn content_comes_with_the_creation_is_checked_and_can_be_given_up() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let alice = project.token(ALICE).await;
    let whole = tus(file(&project, Method::POST, "whole")).bearer(&alice);
    let whole = whole
        .header("upload-length", "5")
        .header("content-type", CONTENT)
        .body("hello");
    assert_eq!(whole.send().await.expect(201).header("upload-offset"), "5");
    let got = file(&project, Method::GET, "whole")
        .bearer(&alice)
        .send()
        .await
        .expect(200);
    assert_eq!(got.text(), "hello");
    create(&project, &alice, "nothing", 0).await.expect(201);
    file(&project, Method::GET, "nothing")
        .bearer(&alice)
        .send()
        .await
        .expect(200);
    let created = create(&project, &alice, "checked", 5).await.expect(201);
    let url = created.header("location").to_owned();
    let sum = "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=";
    let send =
        |content: &str| patch(&project, &alice, (&url, 0), content).header("upload-checksum", sum);
    assert_eq!(send("hellO").send().await.status, 460);
    send("hello").send().await.expect(204);
    let created = create(&project, &alice, "never", 5).await.expect(201);
    let url = created.header("location").to_owned();
    patch(&project, &alice, (&url, 0), "he")
        .send()
        .await
        .expect(204);
    at(&project, Method::DELETE, &alice, &url)
        .send()
        .await
        .expect(204);
    at(&project, Method::HEAD, &alice, &url)
        .send()
        .await
        .expect(404);
}

#[tokio::test]
async fn what_a_sender_that_goes_away_has_sent_is_kept() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let alice = project.token(ALICE).await;
    let created = create(&project, &alice, "big", 100_000).await.expect(201);
    let url = created.header("location").to_owned();
    let (sent, begun) = (vec![b'x'; 40_000], vec![b'x'; 60_000]);
    let raw = format!(
        "PATCH {url} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {alice}\r\ntus-resumable: 1.0.0\r\n\
         upload-offset: 0\r\ncontent-type: {CONTENT}\r\ncontent-length: 100000\r\n\r\n"
    );
    let mut stream = tokio::net::TcpStream::connect(app.functions_authority())
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, raw.as_bytes())
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &sent)
        .await
        .unwrap();
    drop(stream);
    let patience = std::time::Duration::from_secs(30);
    crate::support::eventually("what arrived is kept", patience, async || {
        let head = at(&project, Method::HEAD, &alice, &url)
            .send()
            .await
            .expect(200);
        (head.header("upload-offset") == "40000").then_some(())
    })
    .await;
    let rest = String::from_utf8(begun).unwrap();
    patch(&project, &alice, (&url, 40_000), &rest)
        .send()
        .await
        .expect(204);
    let head = file(&project, Method::HEAD, "big")
        .bearer(&alice)
        .send()
        .await
        .expect(200);
    assert_eq!(head.header("content-length"), "100000");
}

#[tokio::test]
async fn policies_and_limits_are_asked_before_the_first_byte() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    allow(&project, "small", &["select", "insert"], "size < 10").await;
    let alice = project.token(ALICE).await;
    create(&project, &alice, "a", 10)
        .await
        .problem(403, "forbidden");
    create(&project, &alice, "a", 9).await.expect(201);
    let old = file(&project, Method::POST, "a")
        .bearer(&alice)
        .header("tus-resumable", "0.2.2");
    old.header("upload-length", "1")
        .send()
        .await
        .problem(412, "precondition_failed");
    let said = file(&project, Method::OPTIONS, "a")
        .send()
        .await
        .expect(204);
    assert_eq!(
        (said.header("tus-version"), said.header("tus-max-size")),
        ("1.0.0", "5368709120")
    );
}
