//! The list, tried: as nobody, with tokens of others, and by operators of each role.

use http::Method;
use koyalite_runtime::keys::ControlRole;
use serde_json::json;

use super::Who::{Admin, Anyone, Developer, Person, Viewer, WayIn};
use super::{ROUTES, filled};
use crate::support::{ALICE, TestApp, guest, own_rows};

#[tokio::test]
async fn nobody_and_bearers_of_other_tokens_get_through_nowhere() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let user = project.token(ALICE).await;
    let mut cut = app.admin().to_owned();
    cut.truncate(cut.len() - 6);
    for (method, path, who) in ROUTES {
        let method: Method = method.parse().unwrap();
        let path = filled(path, &project.name);
        let call = || app.control(method.clone(), &path).json(&json!({}));
        if *who == Anyone {
            // Its pages lead to where they are.
            let status = call().anonymous().send().await.status;
            assert!(matches!(status, 200 | 308), "{method} {path}: {status}");
            continue;
        }
        if *who == WayIn {
            let odd = call().anonymous().send().await;
            odd.problem(400, "invalid_field");
            continue;
        }
        let refused = call().anonymous().send().await;
        refused.problem(401, "unauthorized");
        assert!(
            refused.header("www-authenticate").starts_with("Bearer"),
            "{method} {path}"
        );
        for token in [user.as_str(), "nonsense", &cut] {
            call()
                .bearer(token)
                .send()
                .await
                .problem(401, "invalid_token");
        }
        let basic = call()
            .anonymous()
            .header("authorization", "Basic YWRtaW46YWRtaW4=");
        assert_eq!(basic.send().await.status, 401, "{method} {path}");
    }
    // Nobody learns what exists: an unknown project is refused like a known one.
    let unknown = app.control(Method::GET, "/v1/projects/nobody").anonymous();
    unknown.send().await.problem(401, "unauthorized");
}

#[tokio::test]
async fn every_operator_may_do_what_their_role_says_and_no_more() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.deploy("hello").await;
    let roles = [
        (Viewer, app.operator(ControlRole::Viewer)),
        (Developer, app.operator(ControlRole::Developer)),
        (Admin, app.operator(ControlRole::Admin)),
    ];
    for (method, path, who) in ROUTES {
        let parsed: Method = method.parse().unwrap();
        let place = filled(path, &project.name);
        for (role, token) in &roles {
            // A body that nothing accepts: what is allowed gets as far as a complaint about it.
            let call = app.control(parsed.clone(), &place).bearer(token);
            let answer = match *method {
                "GET" => call.send().await,
                _ => call.json(&json!({ "no_such_field": 1 })).send().await,
            };
            if *who == Person {
                let refused = matches!(answer.status, 400 | 403);
                assert!(refused, "{role:?} {method} {path}: {answer:?}");
            } else if role < who {
                answer.problem(403, "forbidden");
            } else {
                let through = !matches!(answer.status, 401 | 403);
                assert!(through, "{role:?} {method} {path}: {answer:?}");
            }
            // A deletion that was allowed took the table or the function with it.
            if *method == "DELETE" && answer.status < 300 {
                project.schema(&own_rows("notes")).await;
                project.upload("hello", guest("hello")).send().await;
            }
        }
    }
}

/// Who administers another project, and is nobody in this one, learns of nothing that is in it, nor that it
/// is there.
#[tokio::test]
async fn a_member_of_another_project_finds_none_here() {
    let app = TestApp::shared().await;
    let (here, elsewhere) = (app.project().await, app.project().await);
    here.schema(&own_rows("notes")).await;
    here.deploy("hello").await;
    let person = json!({ "email": format!("{}-visitor@example.org", here.name),
        "password": "correct horse battery" });
    app.control(Method::POST, "/v1/users")
        .json(&person)
        .send()
        .await
        .expect(201);
    let member = format!("/members/{}", person["email"].as_str().unwrap());
    let member = elsewhere.control(Method::PUT, &member);
    member
        .json(&json!({ "role": "admin" }))
        .send()
        .await
        .expect(200);
    let signed = app.control(Method::POST, "/v1/auth/sign-in").anonymous();
    let signed = signed.json(&person).send().await.expect(200).json();
    let token = signed["access_token"].as_str().unwrap();
    let mut tried = 0;
    for (method, path, _) in ROUTES {
        if !path.contains("{project}") {
            continue;
        }
        let parsed: Method = method.parse().unwrap();
        let ask = |project: &str| {
            let call = app.control(parsed.clone(), &filled(path, project));
            match *method {
                "GET" => call.bearer(token),
                _ => call.bearer(token).json(&json!({ "no_such_field": 1 })),
            }
        };
        let refused = ask(&here.name).send().await;
        let told = refused.problem(404, "unknown_project");
        let absent = ask("no-such-project").send().await;
        let as_absent = absent.problem(404, "unknown_project");
        assert_eq!(told["title"], as_absent["title"], "{method} {path}");
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
    let mine = app.control(Method::GET, "/v1/projects").bearer(token);
    let mine = mine.send().await.expect(200).json();
    let names: Vec<_> = mine["items"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 1, "{mine}");
    assert_eq!(names[0]["name"], *elsewhere.name);
}
