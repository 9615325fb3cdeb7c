//! Signed URLs: what somebody may do with a file, given to whoever holds a link, for a time.

use http::Method;
use serde_json::json;

use super::files::{file, own_files, put};
use crate::support::{ALICE, BOB, Call, Project, TestApp};

/// Asks the function for a link, as a user; the path of it.
async fn signed(project: &Project<'_>, token: &str, query: &str) -> String {
    let call = project.call(Method::GET, &format!("/behaviours/file/{query}"));
    let url = call.bearer(token).send().await.of_function(200).json()["url"].clone();
    let url = url.as_str().unwrap().to_owned();
    let at = url.find("/files/").unwrap();
    url[at..].to_owned()
}

fn at(project: &Project<'_>, method: Method, url: &str) -> Call {
    project.app.call(method, url)
}

#[tokio::test]
async fn a_link_opens_one_version_of_one_file_by_one_method() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    project.deploy("behaviours").await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    put(
        &project,
        &alice,
        "a/ü.txt".replace('ü', "%C3%BC").as_str(),
        b"one",
    )
    .await
    .expect(201);
    put(&project, &alice, "b.txt", b"two").await.expect(201);
    let link = signed(&project, &alice, "x?sign=get&of=a/%C3%BC.txt").await;
    assert!(
        !link.contains(ALICE),
        "who signed it is nobody's business: {link}"
    );
    let open = |method| at(&project, method, &link);
    assert_eq!(open(Method::GET).send().await.expect(200).text(), "one");
    assert_eq!(
        open(Method::GET)
            .bearer(&bob)
            .send()
            .await
            .expect(200)
            .text(),
        "one"
    );
    open(Method::HEAD).send().await.expect(200);
    open(Method::PUT)
        .body("x")
        .send()
        .await
        .problem(403, "invalid_url");
    open(Method::DELETE)
        .send()
        .await
        .problem(405, "method_not_allowed");
    let other = link.replace("a/%C3%BC.txt", "b.txt");
    at(&project, Method::GET, &other)
        .send()
        .await
        .problem(403, "invalid_url");
    let bent = format!("{link}A");
    at(&project, Method::GET, &bent)
        .send()
        .await
        .problem(403, "invalid_url");
    let elsewhere = own_files(&app).await;
    let there = link.replace(&project.name, &elsewhere.name);
    at(&project, Method::GET, &there)
        .send()
        .await
        .problem(403, "invalid_url");
    put(&project, &alice, "a/%C3%BC.txt", b"new")
        .await
        .expect(200);
    open(Method::GET)
        .send()
        .await
        .problem(412, "precondition_failed");
}

#[tokio::test]
async fn a_link_ends_with_its_time_and_with_the_rights_of_who_signed_it() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    project.deploy("behaviours").await;
    let alice = project.token(ALICE).await;
    put(&project, &alice, "a.txt", b"one").await.expect(201);
    for seconds in ["0", "604801"] {
        let call = project.call(
            Method::GET,
            &format!("/behaviours/file/a.txt?sign=get&seconds={seconds}"),
        );
        let refused = call.bearer(&alice).send().await.of_function(400).json();
        assert_eq!(refused["code"], "invalid_url_time");
    }
    let link = signed(&project, &alice, "a.txt?sign=get").await;
    at(&project, Method::GET, &link).send().await.expect(200);
    for policy in project.list("/policies").await {
        let path = format!("/policies/{}", policy["id"].as_str().unwrap());
        project
            .control(Method::DELETE, &path)
            .send()
            .await
            .expect(204);
    }
    at(&project, Method::GET, &link)
        .send()
        .await
        .problem(403, "forbidden");
}

#[tokio::test]
async fn a_link_to_write_is_good_once_for_its_type_and_size() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    project.deploy("behaviours").await;
    let alice = project.token(ALICE).await;
    let link = signed(&project, &alice, "in.txt?sign=put&type=text/plain&size=5").await;
    let send = |kind: &str, content: &str| {
        let call = at(&project, Method::PUT, &link).header("content-type", kind);
        call.body(content.to_owned())
    };
    send("text/html", "abc")
        .send()
        .await
        .problem(415, "type_refused");
    send("text/plain", "abcdef")
        .send()
        .await
        .problem(413, "file_too_large");
    at(&project, Method::GET, &link)
        .send()
        .await
        .problem(403, "invalid_url");
    let written = send("text/plain", "abcde").send().await.expect(201).json();
    assert_eq!(
        (&written["user_id"], &written["mime_type"]),
        (&json!(ALICE), &json!("text/plain"))
    );
    send("text/plain", "again")
        .send()
        .await
        .problem(409, "url_used");
    let got = file(&project, Method::GET, "in.txt")
        .bearer(&alice)
        .send()
        .await
        .expect(200);
    assert_eq!(got.text(), "abcde");
}
