//! Files at a project's own host, and for pages of other origins.

use http::Method;
use serde_json::json;

use super::files::{file, own_files, put};
use crate::support::{ALICE, Call, Project, TestApp};

const PAGE: &str = "https://shop.example";

/// A call at the project's own host.
fn at_host(project: &Project<'_>, method: Method, path: &str) -> Call {
    let host = format!("{}.localhost", project.name);
    project.app.call(method, path).header("host", &host)
}

#[tokio::test]
async fn files_are_at_the_projects_own_host_too() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let alice = project.token(ALICE).await;
    let write = at_host(&project, Method::PUT, "/files/notes/a.txt").bearer(&alice);
    write.body("hello").send().await.expect(201);
    let read = at_host(&project, Method::GET, "/files/notes/a.txt").bearer(&alice);
    assert_eq!(read.send().await.expect(200).text(), "hello");
    let same = file(&project, Method::GET, "notes/a.txt").bearer(&alice);
    assert_eq!(same.send().await.expect(200).text(), "hello");
    let list = at_host(&project, Method::GET, "/files/?prefix=notes/").bearer(&alice);
    let listed = list.send().await.expect(200).json();
    assert_eq!(listed["files"][0]["path"], "notes/a.txt");
    let nobody = at_host(&project, Method::GET, "/files/notes/a.txt");
    nobody.send().await.problem(404, "unknown_file");
    let doubtful = at_host(&project, Method::GET, "/files/notes%2fa.txt");
    doubtful.send().await.problem(400, "bad_path");
    // An upload goes on where it began, even to a file that is called as the project is.
    let path = format!("/files/{}/b.txt", project.name);
    let begin = at_host(&project, Method::POST, &path).bearer(&alice);
    let begin = begin
        .header("tus-resumable", "1.0.0")
        .header("upload-length", "5");
    let begun = begin.send().await.expect(201);
    let location = begun.header("location").to_owned();
    assert!(
        location.starts_with("/files/.koyalite/uploads/"),
        "{location}"
    );
    let go_on = at_host(&project, Method::PATCH, &location).bearer(&alice);
    let go_on = go_on
        .header("tus-resumable", "1.0.0")
        .header("upload-offset", "0")
        .header("content-type", "application/offset+octet-stream");
    go_on.body("later").send().await.expect(204);
    let read = at_host(&project, Method::GET, &path).bearer(&alice);
    assert_eq!(read.send().await.expect(200).text(), "later");
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_and_write_files_and_others_may_not() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let alice = project.token(ALICE).await;
    put(&project, &alice, "a.txt", b"hello").await.expect(201);
    let settings = json!({ "settings": { "allowed_origins": [PAGE] } });
    let patch = project.control(Method::PATCH, "").json(&settings);
    patch.send().await.expect(200);
    let first = async |origin: &str| {
        let call = file(&project, Method::OPTIONS, "a.txt").header("origin", origin);
        call.header("access-control-request-method", "PUT")
            .send()
            .await
            .expect(204)
    };
    let told = first(PAGE).await;
    assert_eq!(told.header("access-control-allow-origin"), PAGE);
    assert!(told.header("access-control-allow-methods").contains("PUT"));
    assert!(
        told.header("access-control-allow-headers")
            .contains("upload-offset")
    );
    let get = async |origin: &str| {
        let call = file(&project, Method::GET, "a.txt").bearer(&alice);
        call.header("origin", origin).send().await.expect(200)
    };
    let got = get(PAGE).await;
    assert_eq!(got.header("access-control-allow-origin"), PAGE);
    assert!(got.header("access-control-expose-headers").contains("etag"));
    // A refusal can be read by the page too.
    let refused = file(&project, Method::GET, "b.txt").header("origin", PAGE);
    let refused = refused.send().await.expect(404);
    assert_eq!(refused.header("access-control-allow-origin"), PAGE);
    for origin in [
        "https://evil.example",
        "https://shop.example.evil.example",
        "null",
    ] {
        for answer in [first(origin).await, get(origin).await] {
            let may = answer.headers.contains_key("access-control-allow-origin");
            assert!(!may, "{origin}");
            let mut vary = answer.headers.get_all("vary").iter();
            assert!(vary.any(|names| names == "origin"), "{origin}");
        }
    }
    // Without a page that asks, it is what clients of resumable uploads ask.
    let asked = file(&project, Method::OPTIONS, "a.txt")
        .send()
        .await
        .expect(204);
    assert_eq!(asked.header("tus-version"), "1.0.0");
}
