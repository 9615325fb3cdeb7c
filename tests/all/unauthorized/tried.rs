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
