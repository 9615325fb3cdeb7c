//! A rate limit on two nodes: its budget is that of both together, and goes to the one that is left when the
//! other ends.

use std::cell::Cell;

use http::Method;
use serde_json::json;

use crate::fleet::{PATIENCE, fleet};
use crate::support::{Answer, Call, Launch, TestApp, eventually, within};

/// No request comes back while a test runs.
const REQUESTS: u32 = 20;

fn hello(app: &TestApp) -> Call {
    app.call(Method::GET, "/f/shop/hello")
}

fn remaining(answer: &Answer) -> u32 {
    answer.header("ratelimit-remaining").parse().unwrap()
}

/// What a node lets through of so many calls; the others are refused with the limit that all share.
async fn passed(app: &TestApp, calls: u32) -> u32 {
    let mut passed = 0;
    for _ in 0..calls {
        let answer = hello(app).send().await;
        match answer.status {
            200 => passed += 1,
            _ => {
                let refused = answer.problem(429, "rate_limited");
                let detail = refused["detail"].as_str().unwrap();
                assert!(detail.contains("may send 20 requests"), "{detail}");
            }
        }
    }
    passed
}

#[tokio::test]
async fn two_nodes_share_the_budget_and_one_that_is_left_has_all_of_it() {
    let mut nodes = fleet(Launch::serve().await, &["local", "local"]).await;
    let (second, first) = (nodes.pop().unwrap(), nodes.pop().unwrap());
    let project = first.project_named("shop").await;
    project.deploy("hello").await;
    // A limit that begins anew forgets the calls that were made to see how many nodes there are.
    let seconds = Cell::new(3600);
    let limit = async || {
        seconds.set(seconds.get() - 1);
        let rate = json!({ "requests": REQUESTS, "seconds": seconds.get() });
        let settings = json!({ "settings": { "rate_limits": { "project": rate } } });
        let change = project.control(Method::PATCH, "?wait=all").json(&settings);
        change.send().await.expect(200);
    };
    for node in [&first, &second] {
        // A call costs as many as there are nodes: of a limit that is new, half less one is left.
        eventually("both nodes know of each other", PATIENCE, async || {
            limit().await;
            let answer = hello(node).send().await.of_function(200);
            (remaining(&answer) == REQUESTS / 2 - 1).then_some(())
        })
        .await;
    }
    limit().await;
    let together = passed(&first, REQUESTS).await + passed(&second, REQUESTS).await;
    assert_eq!(together, REQUESTS, "of twice as many calls");

    second.process.signal(libc::SIGTERM);
    within("the end of a node", PATIENCE, second.process.wait(PATIENCE)).await;
    eventually("the node is alone", PATIENCE, async || {
        limit().await;
        let answer = hello(&first).send().await.of_function(200);
        (remaining(&answer) == REQUESTS - 1).then_some(())
    })
    .await;
    assert_eq!(
        passed(&first, REQUESTS).await,
        REQUESTS - 1,
        "and one before"
    );
}
