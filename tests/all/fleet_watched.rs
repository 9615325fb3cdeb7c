//! A version that is called too seldom on each node to be judged there, and often enough on all of them.

use http::Method;
use serde_json::json;

use super::auto_rollback::taken_back;
use super::deployments::{hello, version_of};
use super::fleet::fleet;
use crate::support::{Launch, guest};

/// Fewer than the rule wants of one node, more of two.
const CALLS: usize = 14;
const TERMS: &str = "?error_percent_max=5&requests_min=20&window_s=30&wait=all";

#[tokio::test]
async fn a_deployment_is_judged_by_the_calls_of_all_nodes() {
    let nodes = fleet(Launch::serve().await, &["eu", "eu"]).await;
    let project = nodes[0].project_named("shop").await;
    let first = project.upload("hello", hello("one"));
    first.send().await.expect(201);
    let path = format!("/functions/hello{TERMS}");
    let second = project
        .control(Method::PUT, &path)
        .body(guest("behaviours"));
    second.send().await.expect(201);
    for node in &nodes {
        let there = node.existing("shop");
        for _ in 0..CALLS {
            let failed = there.fetch("/hello/trap-before").await;
            assert_eq!((failed.status, version_of(&failed)), (500, 2));
        }
    }
    let taken = taken_back(&project).await;
    assert_eq!(taken["versions"], json!([{ "version": 1, "weight": 100 }]));
    let audit = project.list("/audit?action=function.rollback").await;
    assert_eq!(audit.len(), 1, "one decision: {audit:?}");
    let requests = audit[0]["metadata"]["requests"].as_u64().unwrap();
    assert!((20..=2 * CALLS as u64).contains(&requests), "{audit:?}");
}
