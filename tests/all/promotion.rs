//! A function goes from one project to another: the same bytes, with or without the policies.

use http::Method;
use koyalite_runtime::keys::ControlRole;
use serde_json::{Value, json};

use crate::policies::{prepared, titles};
use crate::support::{ALICE, Answer, CommandLine, Project, TestApp, guest, own_rows};

async fn promote(from: &Project<'_>, wanted: Value) -> Answer {
    let call = from.control(Method::POST, "/functions/behaviours/promote");
    call.json(&wanted).send().await
}

async fn sha256(project: &Project<'_>) -> (Value, Value) {
    let function = project.get("/functions/behaviours").await;
    (function["version"].clone(), function["sha256"].clone())
}

#[tokio::test]
async fn a_function_goes_to_its_sibling_with_the_same_bytes_and_its_policies() {
    let app = TestApp::shared().await;
    let (staging, _, _) = prepared(&app).await;
    let shop = app.project().await;
    shop.schema(&own_rows("notes")).await;
    let extra = json!({ "name": "everybody", "table": "notes", "commands": ["select"],
        "using": "true" });
    let made = shop.control(Method::POST, "/policies").json(&extra);
    made.send().await.expect(201);
    let own = staging.list("/policies").await[0].clone();
    let narrow = json!({ "using": "owner_id = auth.uid() and title <> 'hidden'" });
    let path = format!("/policies/{}", own["id"].as_str().unwrap());
    let change = staging.control(Method::PATCH, &path).json(&narrow);
    change.send().await.expect(200);

    let wanted = json!({ "to": shop.name, "with_policies": true });
    let said = promote(&staging, wanted.clone()).await.expect(200).json();
    let expected = json!({ "restored": ["notes: own_rows"], "removed": ["notes: everybody"] });
    assert_eq!(
        (&said["version"], &said["changed"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(said["policies"], expected, "{said}");
    assert_eq!(sha256(&shop).await, sha256(&staging).await);
    let policies = shop.list("/policies").await;
    assert_eq!(policies.len(), 1, "{policies:?}");
    assert_eq!(policies[0]["using"], narrow["using"]);
    let alice = shop.token(ALICE).await;
    assert_eq!(
        titles(&shop, &alice).await,
        json!([]),
        "it serves there, on rows of its own"
    );

    // Again it changes nothing.
    let again = promote(&staging, wanted).await.expect(200).json();
    assert_eq!(
        (&again["version"], &again["changed"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(again["policies"], json!({ "restored": [], "removed": [] }));
    let promotions = shop.list("/audit?action=function.promote").await;
    assert_eq!(promotions.len(), 1, "{promotions:?}");
    assert_eq!(promotions[0]["metadata"]["from"], staging.name.as_str());
}

#[tokio::test]
async fn an_older_version_is_promoted_from_the_command_line_and_policies_stay() {
    let app = TestApp::shared().await;
    let (staging, _, _) = prepared(&app).await;
    let first = sha256(&staging).await.1;
    let second = staging.upload("behaviours", guest("hello"));
    second.send().await.expect(201);
    let shop = app.project().await;
    let shell = CommandLine::of(&app, &staging.name);
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "promote",
        "behaviours",
        "--to",
        shop.name.as_str(),
        "--version",
        "1",
    ];
    let said = shell.run(folder.path(), &arguments).await.expect(0);
    assert!(said.contains("now runs behaviours as version 1"), "{said}");
    assert_eq!(sha256(&shop).await, (json!(1), first));
    assert!(shop.list("/policies").await.is_empty());
    let said = shell.run(folder.path(), &arguments).await.expect(0);
    assert!(said.contains("runs already"), "{said}");
}

#[tokio::test]
async fn what_does_not_fit_there_is_refused_as_a_whole_and_rights_are_needed_in_both() {
    let app = TestApp::shared().await;
    let (staging, _, _) = prepared(&app).await;
    let shop = app.project().await;
    let to_shop = json!({ "to": shop.name, "with_policies": true });
    let homeless = promote(&staging, to_shop).await.problem(409, "in_use");
    assert!(
        homeless["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("no such table")
    );
    let none = shop
        .control(Method::GET, "/functions/behaviours")
        .send()
        .await;
    none.problem(404, "unknown_function");

    let check = async |wanted: Value, status: u16, code: &str| {
        promote(&staging, wanted).await.problem(status, code);
    };
    check(json!({ "to": staging.name }), 400, "invalid_field").await;
    check(json!({ "to": "no-such-project" }), 404, "unknown_project").await;
    check(
        json!({ "to": shop.name, "version": 9 }),
        404,
        "unknown_version",
    )
    .await;
    check(json!({ "too": shop.name }), 400, "unknown_field").await;
    let reside = json!({ "settings": { "data_residency": ["mars"] } });
    let patch = shop.control(Method::PATCH, "").json(&reside);
    patch.send().await.expect(200);
    check(json!({ "to": shop.name }), 400, "invalid_field").await;
    let viewer = app.operator(ControlRole::Viewer);
    let call = staging.control(Method::POST, "/functions/behaviours/promote");
    let refused = call.bearer(&viewer).json(&json!({ "to": shop.name }));
    refused.send().await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_developer_of_one_project_promotes_nothing_into_another() {
    let app = TestApp::shared().await;
    let (staging, _, _) = prepared(&app).await;
    let shop = app.project().await;
    let email = format!("dev@{}.example", staging.name);
    let user = json!({ "email": email, "password": "correct horse battery" });
    app.control(Method::POST, "/v1/users")
        .json(&user)
        .send()
        .await
        .expect(201);
    let member = async |project: &Project<'_>, role: &str| {
        let path = format!("/members/{email}");
        let put = project
            .control(Method::PUT, &path)
            .json(&json!({ "role": role }));
        assert!(put.send().await.status < 300);
    };
    member(&staging, "developer").await;
    let sign_in = app.control(Method::POST, "/v1/auth/sign-in").json(&user);
    let token = sign_in.send().await.expect(200).json()["access_token"].clone();
    let token = token.as_str().unwrap();
    let attempt = async || {
        let call = staging.control(Method::POST, "/functions/behaviours/promote");
        let call = call.bearer(token).json(&json!({ "to": shop.name }));
        call.send().await
    };
    // Whether there is such a project is nobody's business who may not see it.
    attempt().await.problem(404, "unknown_project");
    member(&shop, "viewer").await;
    attempt().await.problem(403, "forbidden");
    member(&shop, "developer").await;
    attempt().await.expect(200);
}
