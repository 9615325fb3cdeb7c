//! Files from functions: the same files as over HTTP, for guests of both generations.

use http::Method;
use serde_json::json;

use super::files::{file, own_files};
use crate::support::{ALICE, BOB, Call, Project, TestApp};

/// A call of the guest's way to files, as somebody.
fn call(project: &Project<'_>, method: Method, path: &str, token: &str) -> Call {
    project
        .call(method, &format!("/behaviours/file/{path}"))
        .bearer(token)
}

#[tokio::test]
async fn functions_of_both_generations_have_the_same_files() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    for guest in ["behaviours", "behaviours-02"] {
        project.deploy(guest).await;
    }
    let alice = project.token(ALICE).await;
    let older = project
        .call(Method::GET, "/behaviours-02/file")
        .bearer(&alice);
    assert_eq!(older.send().await.of_function(200).text(), "WASI 0.2 true");
    let call = |method: Method, path: &str| call(&project, method, path, &alice);
    let large = vec![b'x'; 3 << 20];
    let written = call(Method::PUT, "large?type=text/plain").body(large.clone());
    let written = written.send().await.of_function(200).json();
    assert_eq!(written["size"], 3 << 20);
    let read = call(Method::GET, "large").send().await.of_function(200);
    assert!(read.body == large, "{} bytes", read.body.len());
    let over_http = file(&project, Method::GET, "large").bearer(&alice);
    assert!(over_http.send().await.expect(200).body == large);
    let end = call(Method::GET, "notes/02.txt?part=5-8").send().await;
    assert_eq!(end.of_function(200).text(), "WAS");
    let whole = call(Method::PUT, "w?whole").body("whole").send().await;
    assert_eq!(whole.of_function(200).json()["size"], 5);
    let given_up = call(Method::PUT, "never?give-up").body("x").send().await;
    given_up.of_function(204);
    let never = call(Method::GET, "never?stat").send().await;
    never.of_function(404);
}

#[tokio::test]
async fn functions_copy_move_list_and_delete_what_is_theirs() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    project.deploy("behaviours").await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    let call = |method: Method, path: &str, token: &str| call(&project, method, path, token);
    let get = async |path: &str| call(Method::GET, path, &alice).send().await;
    let put = |path: &str| call(Method::PUT, path, &alice);
    put("w?whole").body("whole").send().await.of_function(200);
    let copied = get("w?copy=w2").await.of_function(200).json();
    assert_eq!(copied["path"], "w2");
    let moved = get("w2?move=dir/w3").await.of_function(200).json();
    assert_eq!(
        (&moved["path"], &moved["etag"]),
        (&json!("dir/w3"), &copied["etag"])
    );
    let taken = get("w?move=dir/W3").await.of_function(409);
    assert_eq!(taken.json()["code"], "file_exists");
    let changed = put("w?etag=other").body("x").send().await.of_function(409);
    assert_eq!(changed.json()["code"], "file_changed");
    let theirs = call(Method::GET, "w?stat", &bob).send().await;
    assert_eq!(theirs.of_function(404).json()["code"], "unknown_file");
    let listed = project
        .call(Method::GET, "/behaviours/files-under?prefix=dir/")
        .bearer(&alice);
    let listed = listed.send().await.of_function(200).json();
    assert_eq!(listed["files"].as_array().unwrap().len(), 1, "{listed}");
    let gone = call(Method::DELETE, "w", &alice).send().await;
    gone.of_function(204);
    let again = get("dir/w3").await.of_function(200);
    assert_eq!(again.text(), "whole", "a copy outlives what it was made of");
}
