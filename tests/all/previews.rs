//! Preview URLs: one version of one function, for whoever has the URL, until it is over or taken back.

use http::Method;
use koyalite_runtime::keys::ControlRole;
use serde_json::{Value, json};

use super::deployments::{hello, version_of};
use crate::support::{Answer, Call, CommandLine, Project, TestApp, guest};

async fn make(project: &Project<'_>, version: u32, mut body: Value) -> Answer {
    body["version"] = version.into();
    let path = "/functions/hello/previews";
    project.control(Method::POST, path).json(&body).send().await
}

/// The signed part of a URL.
fn signed(made: &Answer) -> String {
    let url = made.json()["url"].as_str().unwrap().to_owned();
    url.split_once("?koyalite-preview=").unwrap().1.to_owned()
}

async fn two_versions<'a>(app: &'a TestApp) -> Project<'a> {
    let project = app.project().await;
    project
        .upload("hello", hello("one"))
        .send()
        .await
        .expect(201);
    project
        .upload("hello", hello("two"))
        .send()
        .await
        .expect(201);
    project
}

async fn look(project: &Project<'_>, path: &str, signed: &str) -> Answer {
    let separator = if path.contains('?') { '&' } else { '?' };
    project
        .fetch(&format!("{path}{separator}koyalite-preview={signed}"))
        .await
}

#[tokio::test]
async fn whoever_has_the_url_sees_that_version_and_the_function_does_not_see_the_url() {
    let app = TestApp::shared().await;
    let project = two_versions(&app).await;
    let made = make(&project, 1, json!({})).await.expect(201);
    let signed = signed(&made);
    let answer = look(&project, "/hello?name=you", &signed)
        .await
        .of_function(200);
    assert_eq!(
        (version_of(&answer), answer.text().as_str()),
        (1, "hello, you\n")
    );
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(
        version_of(&project.fetch("/hello").await),
        2,
        "others see what serves"
    );
    let by_header = project
        .call(Method::GET, "/hello/deep")
        .header("koyalite-preview", &signed);
    assert_eq!(version_of(&by_header.send().await.of_function(200)), 1);
    let user = project.token("alice").await;
    let path = format!("/hello?koyalite-preview={signed}");
    let as_user = project.call(Method::GET, &path).bearer(&user);
    assert_eq!(version_of(&as_user.send().await.of_function(200)), 1);

    project
        .upload("echo", guest("behaviours"))
        .send()
        .await
        .expect(201);
    let path = "/functions/echo/previews";
    let made = project
        .control(Method::POST, path)
        .json(&json!({ "version": 1 }))
        .send()
        .await;
    let signed = self::signed(&made.expect(201));
    for shown in ["paths", "headers"] {
        let path = format!("/echo/{shown}?a=1&koyalite-preview={signed}&b=2");
        let call = project.call(Method::GET, &path);
        let call = call.header("referer", &format!("http://there{path}"));
        let seen = call.send().await.of_function(200).text();
        assert!(shown == "headers" || seen.contains("a=1&b=2"), "{seen}");
        let told = seen.contains(&signed) || seen.contains("koyalite-preview");
        assert!(!told, "{seen}");
    }
    let logs = project.get_logs("echo").await;
    assert!(!logs.contains(&signed), "{logs}");
    let audit = project.list("/audit?action=preview.create").await;
    assert_eq!(audit[0]["metadata"]["version"], 1);
    assert!(
        !audit
            .iter()
            .any(|entry| entry.to_string().contains(&signed))
    );
}

#[tokio::test]
async fn a_url_is_good_for_its_function_alone_until_it_is_changed_or_taken_back() {
    let app = TestApp::shared().await;
    let project = two_versions(&app).await;
    project
        .upload("other", guest("hello"))
        .send()
        .await
        .expect(201);
    let signed = signed(&make(&project, 1, json!({ "ttl_s": 600 })).await.expect(201));
    look(&project, "/hello", &signed).await.of_function(200);
    look(&project, "/other", &signed)
        .await
        .problem(403, "invalid_url");
    let elsewhere = two_versions(&app).await;
    look(&elsewhere, "/hello", &signed)
        .await
        .problem(403, "invalid_url");
    let mut bent = signed.clone();
    let last = if bent.pop() == Some('A') { 'B' } else { 'A' };
    bent.push(last);
    for bad in [bent.as_str(), "", "nonsense"] {
        look(&project, "/hello", bad)
            .await
            .problem(403, "invalid_url");
    }
    let twice = format!("/hello?koyalite-preview={signed}");
    look(&project, &twice, &signed)
        .await
        .problem(400, "invalid_query");
    // It opens one version: naming another one beside it is a contradiction.
    let call = project
        .call(Method::GET, &twice)
        .header("koyalite-version", "2");
    call.send().await.problem(404, "unknown_version");

    let other = make(&project, 1, json!({})).await.expect(201);
    let one = format!(
        "/functions/hello/previews/{}",
        other.json()["id"].as_str().unwrap()
    );
    let revoke = async || project.control(Method::DELETE, &one).send().await;
    revoke().await.expect(204);
    revoke().await.expect(204);
    let other = self::signed(&other);
    look(&project, "/hello", &other)
        .await
        .problem(403, "invalid_url");
    look(&project, "/hello", &signed).await.of_function(200);
    let nonsense = project.control(Method::DELETE, "/functions/hello/previews/nonsense");
    nonsense.send().await.problem(400, "invalid_field");

    let revoke = project.control(Method::DELETE, "/functions/hello/previews");
    revoke.send().await.expect(204);
    look(&project, "/hello", &signed)
        .await
        .problem(403, "invalid_url");
    let next = self::signed(&make(&project, 1, json!({})).await.expect(201));
    look(&project, "/hello", &next).await.of_function(200);
}

#[tokio::test]
async fn a_url_that_is_over_says_so() {
    let app = TestApp::shared().await;
    let project = two_versions(&app).await;
    let signed = signed(&make(&project, 1, json!({ "ttl_s": 1 })).await.expect(201));
    let over = crate::support::eventually("over", std::time::Duration::from_secs(20), async || {
        let answer = look(&project, "/hello", &signed).await;
        (answer.status != 200).then_some(answer)
    });
    let problem = over.await.problem(403, "invalid_url");
    assert!(
        problem["detail"].as_str().unwrap().contains("expired"),
        "{problem}"
    );
}

#[tokio::test]
async fn making_one_takes_the_permission_a_version_and_a_time() {
    let app = TestApp::shared().await;
    let project = two_versions(&app).await;
    let path = "/functions/hello/previews";
    let by = |role| app.operator(role);
    let call = |token: &str| -> Call { project.control(Method::POST, path).bearer(token) };
    let viewer = call(&by(ControlRole::Viewer))
        .json(&json!({ "version": 1 }))
        .send()
        .await;
    viewer.problem(403, "forbidden");
    call(&by(ControlRole::Developer))
        .json(&json!({ "version": 1 }))
        .send()
        .await
        .expect(201);
    make(&project, 9, json!({}))
        .await
        .problem(404, "unknown_version");
    for ttl in [json!(0), json!(-1), json!(604_801)] {
        make(&project, 1, json!({ "ttl_s": ttl }))
            .await
            .problem(400, "invalid_field");
    }
    make(&project, 1, json!({ "time": 1 }))
        .await
        .problem(400, "unknown_field");
    call(app.admin())
        .json(&json!({}))
        .send()
        .await
        .problem(400, "invalid_field");
    let none = project.control(Method::DELETE, "/functions/none/previews");
    none.send().await.problem(404, "unknown_function");

    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| shell.run(folder.path(), arguments).await.expect(0);
    let said = run(&["preview", "hello", "--version", "1", "--ttl", "60"]).await;
    assert!(
        said.contains("?koyalite-preview=") && said.contains("good until"),
        "{said}"
    );
    run(&["preview", "hello", "--revoke"]).await;
}
