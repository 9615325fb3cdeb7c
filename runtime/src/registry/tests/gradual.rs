use std::time::Duration;

use koyalite_policy::FunctionName;

use super::deploy::Deploying;
use super::*;
use crate::registry::deploy::affinity::Percent;
use crate::registry::deploy::rollback::{TakenBack, take_back};
use crate::registry::deploy::rule::{AutoRollback, Counts};
use crate::registry::deploy::terms::Terms;
use crate::registry::functions;
use crate::registry::snapshot::FunctionEntry;

const RULE: AutoRollback = AutoRollback {
    error_percent_max: Some(5),
    p99_ms_max: None,
    window_s: 60,
    requests_min: 1,
};

fn name() -> FunctionName {
    "hello".parse().unwrap()
}

/// Version 1 serves, and version 2 has a tenth of the calls under the rule.
async fn canary() -> Deploying {
    let t = Deploying::new().await;
    t.deploy('a', None).await;
    let mut input = t.input("hello", 'b', None);
    input.terms = Terms {
        weight: Percent::new(10),
        auto_rollback: Some(RULE),
        ..Terms::default()
    };
    let deployed = functions::deploy(&t.registry, input).await.unwrap();
    assert_eq!((deployed.version, deployed.weight), (2, 10));
    t
}

fn function(t: &Deploying) -> Arc<FunctionEntry> {
    let snapshot = t.registry.snapshot();
    let project = snapshot.project(&t.project).unwrap();
    Arc::clone(&project.functions[0])
}

#[tokio::test]
async fn of_two_nodes_that_take_a_deployment_back_one_does() {
    let t = canary().await;
    let deployment = function(&t).deployment.id;
    let seen = Counts {
        requests: 10,
        errors: 10,
        slow: 0,
    };
    let crossed = RULE.judge(seen).unwrap();
    let name = name();
    let take = || take_back(&t.registry, (&t.project, &name), deployment, crossed);
    let (one, other) = tokio::join!(take(), take());
    let mut both = [one.unwrap(), other.unwrap()];
    both.sort_by_key(|taken| *taken == TakenBack::Nothing);
    assert_eq!(both, [TakenBack::To(1), TakenBack::Nothing]);
    assert_eq!((t.served(), t.deployments().await), (1, 3));
    let now = function(&t);
    assert!(now.deployment.canary.is_none() && now.deployment.watch.is_none());
}

#[tokio::test]
async fn what_was_counted_stays_while_the_deployment_does() {
    let t = canary().await;
    let before = function(&t);
    let watch = before.deployment.watch.as_ref().unwrap();
    watch.failed(Duration::ZERO);
    let other = t.input("other", 'c', None);
    functions::deploy(&t.registry, other).await.unwrap();
    let snapshot = t.registry.snapshot();
    let project = snapshot.project(&t.project).unwrap();
    let after = project.function_by_id(before.id).unwrap();
    let same = after.deployment.watch.as_ref().unwrap();
    assert!(Arc::ptr_eq(watch, same), "the count goes on");
    // Another share is another deployment, and counts anew.
    let mut input = t.input("hello", 'b', None);
    input.terms.weight = Percent::new(50);
    functions::deploy(&t.registry, input).await.unwrap();
    let snapshot = t.registry.snapshot();
    let project = snapshot.project(&t.project).unwrap();
    let next = project.function_by_id(before.id).unwrap();
    let anew = next.deployment.watch.as_ref().unwrap();
    assert_eq!((anew.rule, anew.counts()), (RULE, Counts::default()));
}
