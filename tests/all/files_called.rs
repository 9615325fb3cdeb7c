//! Files from functions: the same files as over HTTP, for guests of both generations.

use http::Method;
use serde_json::json;

use super::files::{file, own_files};
use crate::support::{ALICE, BOB, TestApp};

#[tokio::test]
async fn functions_of_both_generations_have_the_same_files() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    for guest in ["behaviours", "behaviours-02"] {
        project.deploy(guest).await;
    }
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    let older = project
        .call(Method::GET, "/behaviours-02/file")
        .bearer(&alice);
    assert_eq!(older.send().await.of_function(200).text(), "WASI 0.2 true");
    let call = |method: Method, path: &str, token: &str| {
        project
            .call(method, &format!("/behaviours/file/{path}"))
            .bearer(token)
    };
    let large = vec![b'x'; 3 << 20];
    let written = call(Method::PUT, "large?type=text/plain", &alice).body(large.clone());
    assert_eq!(
        written.send().await.of_function(200).json()["size"],
        3 << 20
    );
    let read = call(Method::GET, "large", &alice)
        .send()
        .await
        .of_function(200);
    assert!(read.body == large, "{} bytes", read.body.len());
    let over_http = file(&project, Method::GET, "large")
        .bearer(&alice)
        .send()
        .await
        .expect(200);
    assert!(over_http.body == large);
    let end = call(Method::GET, "notes/02.txt?part=5-8", &alice)
        .send()
        .await
        .of_function(200);
    assert_eq!(end.text(), "WAS");
    let whole = call(Method::PUT, "w?whole", &alice)
        .body("whole")
        .send()
        .await
        .of_function(200);
    assert_eq!(whole.json()["size"], 5);
    call(Method::PUT, "never?give-up", &alice)
        .body("x")
        .send()
        .await
        .of_function(204);
    call(Method::GET, "never?stat", &alice)
        .send()
        .await
        .of_function(404);
    let copied = call(Method::GET, "w?copy=w2", &alice)
        .send()
        .await
        .of_function(200)
        .json();
    assert_eq!(copied["path"], "w2");
    let moved = call(Method::GET, "w2?move=dir/w3", &alice)
        .send()
        .await
        .of_function(200)
        .json();
    assert_eq!(
        (&moved["path"], &moved["etag"]),
        (&json!("dir/w3"), &copied["etag"])
    );
    let taken = call(Method::GET, "w?move=dir/W3", &alice)
        .send()
        .await
        .of_function(409);
    assert_eq!(taken.json()["code"], "file_exists");
    let changed = call(Method::PUT, "w?etag=other", &alice)
        .body("x")
        .send()
        .await
        .of_function(409);
    assert_eq!(changed.json()["code"], "file_changed");
    let theirs = call(Method::GET, "w?stat", &bob)
        .send()
        .await
        .of_function(404);
    assert_eq!(theirs.json()["code"], "unknown_file");
    let listed = project
        .call(Method::GET, "/behaviours/files-under?prefix=dir/")
        .bearer(&alice);
    let listed = listed.send().await.of_function(200).json();
    assert_eq!(listed["files"].as_array().unwrap().len(), 1, "{listed}");
    call(Method::DELETE, "w", &alice)
        .send()
        .await
        .of_function(204);
    let again = call(Method::GET, "dir/w3", &alice)
        .send()
        .await
        .of_function(200);
    assert_eq!(again.text(), "whole", "a copy outlives what it was made of");
}
