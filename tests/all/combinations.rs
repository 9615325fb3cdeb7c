//! Every generation of handler with every package of the host's interface.

use http::Method;
use serde_json::json;

use crate::support::{ALICE, BOB, TestApp, guest, own_rows};

/// Guest, what it exports, what it imports.
const COMBINATIONS: [(&str, &str, &str); 3] = [
    ("behaviours", "wasi:http/handler@0.3", "koyalite:host/"),
    (
        "p3-host-sync",
        "wasi:http/handler@0.3",
        "koyalite:host-sync/",
    ),
    (
        "behaviours-02",
        "wasi:http/incoming-handler@0.2",
        "koyalite:host-sync/",
    ),
];

#[tokio::test]
async fn every_handler_runs_with_every_package_and_acts_for_its_caller() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("todos")).await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    for (guest, export, import) in COMBINATIONS {
        let deployed = project.deploy(guest).await;
        assert!(
            deployed["exports"].to_string().contains(export),
            "{guest}: {deployed}"
        );
        assert!(
            deployed["imports"].to_string().contains(import),
            "{guest}: {deployed}"
        );
        let whoami = project
            .call(Method::GET, &format!("/{guest}/whoami"))
            .bearer(&alice);
        let whoami = whoami.send().await.of_function(200).text();
        assert!(whoami.contains(ALICE), "{guest}: {whoami}");
        let nobody = project
            .fetch(&format!("/{guest}/whoami"))
            .await
            .of_function(200)
            .text();
        assert!(nobody.to_lowercase().contains("anon"), "{guest}: {nobody}");
    }
    let insert = project
        .call(Method::POST, "/behaviours-02/insert")
        .bearer(&alice);
    let inserted = insert.send().await.of_function(200).text();
    assert!(
        inserted.contains("from 0.2") && inserted.contains(ALICE),
        "{inserted}"
    );

    for guest in ["p3-host-sync", "behaviours-02"] {
        let rows = async |token: Option<&str>| {
            let call = project.call(Method::GET, &format!("/{guest}/select"));
            let call = token
                .into_iter()
                .fold(call, |call, token| call.bearer(token));
            call.send().await.of_function(200).text()
        };
        assert!(rows(Some(&alice)).await.contains("from 0.2"), "{guest}");
        assert_eq!(rows(Some(&bob)).await, "[]", "{guest}");
        assert_eq!(rows(None).await, "denied_by_claims", "{guest}");
    }
    let select = project
        .call(Method::POST, "/behaviours/select")
        .bearer(&alice);
    let rows = select
        .json(&json!({ "table": "todos" }))
        .send()
        .await
        .of_function(200)
        .json();
    assert_eq!(rows[0]["title"], "from 0.2");
}

/// The fourth combination: the component model lets no 0.2 handler wait for an `async func`, so its
/// first call would trap. That is said at deploy.
#[tokio::test]
async fn a_handler_that_cannot_wait_for_what_it_imports_is_refused() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let upload = project.upload("p2-host-async", guest("p2-host-async"));
    let refused = upload
        .send()
        .await
        .problem(422, "async_imports")
        .to_string();
    for mention in [
        "koyalite:host/tables",
        "koyalite:host-sync",
        "wasi:http/handler@0.3",
    ] {
        assert!(refused.contains(mention), "no {mention} in {refused}");
    }
    assert!(!refused.contains("koyalite:host/identity"), "{refused}");
    assert_eq!(project.list("/functions").await.len(), 0);
}

#[tokio::test]
async fn config_reaches_a_guest_through_either_package() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let lines = "[config]\ngreeting = \"good day\"\n";
    for name in ["behaviours", "behaviours-02"] {
        project.deploy_as(name, name, lines).await;
    }
    assert_eq!(
        project
            .fetch("/behaviours/config?key=greeting")
            .await
            .json(),
        "good day"
    );
    assert_eq!(
        project.fetch("/behaviours/config?key=other").await.json(),
        json!(null)
    );
    assert_eq!(
        project.fetch("/behaviours-02/config").await.text(),
        "good day"
    );
}
