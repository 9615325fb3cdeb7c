//! Callers of the control API who go before they are answered: what they have asked for is done as a whole
//! or not at all, and whoever comes next finds nothing of it in their way.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::support::{Call, Launch, Project, TestApp};

/// Callers who go, each a little later than the one before.
const GOING: u64 = 120;

fn write(project: &Project<'_>, name: &str) -> Call {
    let value = json!({ "value": "not so secret" });
    let path = format!("/secrets/{name}");
    project.control(Method::PUT, &path).json(&value)
}

#[tokio::test]
async fn callers_who_go_half_way_harm_nobody_who_comes_after() {
    let app = TestApp::launch(Launch::serve().await).await;
    let project = app.project_named("shop").await;
    for number in 0..GOING {
        let patience = Duration::from_micros(500 + number * 100);
        let going = (0..4).map(|_| tokio::time::timeout(patience, write(&project, "A").send()));
        futures::future::join_all(going).await;
    }
    for _ in 0..60 {
        write(&project, "B").send().await.expect(204);
    }
    let report = project.control(Method::GET, "/audit/verify").send().await;
    assert_eq!(report.expect(200).json()["findings"], json!([]));
    let log = app.process.log();
    assert!(!log.contains("transaction in progress"), "{log}");
}
