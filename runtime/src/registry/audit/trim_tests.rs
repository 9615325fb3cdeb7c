//! A log whose oldest records were cut off: what is left is found changed, removed or reordered as ever,
//! and so is what was done to the cut itself.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::tests::{logged, tamper};
use super::*;
use crate::registry::condition::Condition;
use crate::registry::project_change::{self, ProjectPatch};
use crate::registry::tests::TestRegistry;
use crate::registry::{removal, retention};

/// A chain of three batches of three records, of which two are old.
async fn aged(registry: &TestRegistry) -> (Chain, DateTime<Utc>) {
    let chain = Chain::Project(Uuid::now_v7());
    for _ in 0..2 {
        logged(registry, chain, 3).await;
        seal(registry).await.unwrap();
    }
    let before = now(registry).await;
    logged(registry, chain, 3).await;
    seal(registry).await.unwrap();
    (chain, before)
}

/// As the database has it, which is what records are dated by.
async fn now(registry: &TestRegistry) -> DateTime<Utc> {
    let now = sqlx::query_scalar("SELECT clock_timestamp()");
    now.fetch_one(&registry.pool).await.unwrap()
}

/// What a verification finds, without ids.
async fn found(registry: &TestRegistry, chain: Chain) -> Value {
    let report = verify(registry, chain).await.unwrap();
    let mut found = serde_json::to_value(report.findings).unwrap();
    for finding in found.as_array_mut().unwrap() {
        finding.as_object_mut().unwrap().remove("id");
    }
    found
}

#[tokio::test]
async fn a_log_that_was_cut_is_whole_goes_on_and_says_what_is_gone() {
    let registry = TestRegistry::new().await;
    let (chain, before) = aged(&registry).await;
    let trimmed = trim(&registry, chain, before).await.unwrap();
    assert_eq!(trimmed, Trimmed::Behind(6));
    assert_eq!(
        trim(&registry, chain, before).await.unwrap(),
        Trimmed::Nothing
    );
    seal(&registry).await.unwrap();

    let report = verify(&registry, chain).await.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(
        (report.sealed, report.unsealed),
        (4, 0),
        "and that it was cut"
    );
    assert_eq!(report.begins.unwrap().after, 6);
    assert_eq!(report.checkpoint.unwrap().position, 10);
    let entries = list(&registry, chain, &Wanted::default(), 10)
        .await
        .unwrap();
    assert_eq!(entries[0].action, "audit.trim");
    let said: Value = serde_json::from_str(entries[0].metadata.get()).unwrap();
    assert_eq!((&said["after"], &said["to"]), (&json!(0), &json!(6)));

    // All of it, and on from there.
    let all = now(&registry).await;
    assert_eq!(
        trim(&registry, chain, all).await.unwrap(),
        Trimmed::Behind(10)
    );
    logged(&registry, chain, 1).await;
    seal(&registry).await.unwrap();
    let report = verify(&registry, chain).await.unwrap();
    assert_eq!((report.sealed, report.findings.len()), (2, 0));
    assert_eq!(report.checkpoint.unwrap().position, 12);
}

#[tokio::test]
async fn a_batch_that_is_old_in_part_stays_whole() {
    let registry = TestRegistry::new().await;
    let chain = Chain::Project(Uuid::now_v7());
    logged(&registry, chain, 2).await;
    let before = now(&registry).await;
    logged(&registry, chain, 2).await;
    seal(&registry).await.unwrap();
    assert_eq!(
        trim(&registry, chain, before).await.unwrap(),
        Trimmed::Nothing
    );
    assert_eq!(verify(&registry, chain).await.unwrap().sealed, 4);
}

#[tokio::test]
async fn what_is_done_to_a_log_after_it_was_cut_is_named() {
    let registry = TestRegistry::new().await;
    for (sql, expected) in [
        ("DELETE FROM koyalite.audit_logs WHERE false", json!([])),
        (
            "UPDATE koyalite.audit_logs SET actor_id = 'somebody else' WHERE position = 8",
            json!([{ "kind": "changed", "position": 8 }]),
        ),
        (
            "DELETE FROM koyalite.audit_logs WHERE position = 7",
            json!([{ "kind": "missing", "from": 7, "to": 7 }]),
        ),
        (
            "UPDATE koyalite.audit_logs SET position = 16 - position WHERE position IN (7, 9)",
            json!([
                { "kind": "moved", "position": 7, "sealed_at": 9 },
                { "kind": "moved", "position": 9, "sealed_at": 7 },
            ]),
        ),
        (
            "INSERT INTO koyalite.audit_logs
             SELECT gen_random_uuid(), project_id, actor_id, action, target_type, target_id, at,
                 request_id, metadata, 6, previous, hash
             FROM koyalite.audit_logs WHERE position = 7",
            json!([{ "kind": "doubled", "position": 6 }]),
        ),
        (
            "DELETE FROM koyalite.audit_trims WHERE true",
            json!([{ "kind": "missing", "from": 1, "to": 6 }]),
        ),
        (
            // To hide that three more are gone.
            "UPDATE koyalite.audit_trims SET (position, hash) =
                 (SELECT position, hash FROM koyalite.audit_logs WHERE position = 9) WHERE true;
             DELETE FROM koyalite.audit_logs WHERE position <= 9",
            json!([{ "kind": "forged", "position": 9 }, { "kind": "missing", "from": 1, "to": 9 }]),
        ),
    ] {
        let (chain, before) = aged(&registry).await;
        trim(&registry, chain, before).await.unwrap();
        let id = chain.to_string();
        let only = format!("WHERE project_id = '{id}' AND");
        tamper(&registry, &sql.replace("WHERE", &only)).await;
        assert_eq!(found(&registry, chain).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn an_older_cut_put_back_does_not_hide_what_is_gone() {
    let registry = TestRegistry::new().await;
    let (chain, before) = aged(&registry).await;
    trim(&registry, chain, before).await.unwrap();
    tamper(&registry, "CREATE TABLE kept AS TABLE koyalite.audit_trims").await;
    logged(&registry, chain, 1).await;
    seal(&registry).await.unwrap();
    let all = now(&registry).await;
    trim(&registry, chain, all).await.unwrap();
    let restore = "DELETE FROM koyalite.audit_trims;
         INSERT INTO koyalite.audit_trims TABLE kept";
    tamper(&registry, restore).await;
    let gone = json!([{ "kind": "missing", "from": 7, "to": 11 }]);
    assert_eq!(found(&registry, chain).await, gone);
}

#[tokio::test]
async fn a_log_that_was_tampered_with_is_not_cut() {
    let registry = TestRegistry::new().await;
    let (chain, before) = aged(&registry).await;
    let change = format!(
        "UPDATE koyalite.audit_logs SET actor_id = 'x' WHERE project_id = '{chain}' AND position = 2"
    );
    tamper(&registry, &change).await;
    assert_eq!(
        trim(&registry, chain, before).await.unwrap(),
        Trimmed::Broken
    );
    let report = verify(&registry, chain).await.unwrap();
    assert_eq!((report.sealed, report.findings.len()), (9, 1));
}

#[tokio::test]
async fn sealing_and_cutting_at_once_leave_one_whole_chain() {
    let registry = TestRegistry::new().await;
    let other = registry.another_node().await;
    let chain = Chain::Installation;
    let work = async |node: &crate::registry::Registry| {
        for _ in 0..10 {
            logged(node, chain, 3).await;
            seal(node).await.unwrap();
            trim(node, chain, Utc::now() - TimeDelta::milliseconds(20))
                .await
                .unwrap();
        }
    };
    tokio::join!(work(&registry), work(&other));
    seal(&registry).await.unwrap();
    assert_eq!(found(&registry, chain).await, json!([]));
}

#[tokio::test]
async fn settings_cut_a_project_s_log_and_the_operator_the_others() {
    let registry = TestRegistry::new().await;
    let kept = registry.project("kept").await;
    let gone = registry.project("gone").await;
    removal::project(&registry, &gone.name).await.unwrap();
    let settings = serde_json::from_value(json!({ "audit_retention_days": 90 })).unwrap();
    let patch = ProjectPatch {
        settings: Some(settings),
        ..ProjectPatch::default()
    };
    project_change::update(&registry, &kept.name, patch, &Condition::Always)
        .await
        .unwrap();
    let age = "UPDATE koyalite.audit_logs SET at = at - interval '60 days'";
    tamper(&registry, age).await;
    seal(&registry).await.unwrap();
    let sealed = async |chain| verify(&registry, chain).await.unwrap().sealed;
    let (own, theirs) = (Chain::Project(kept.id), Chain::Project(gone.id));

    retention::trim_logs(&registry, None, Utc::now())
        .await
        .unwrap();
    let all = (
        sealed(own).await,
        sealed(theirs).await,
        sealed(Chain::Installation).await,
    );
    assert_eq!(all, (2, 1, 1), "nobody has said that anything goes");
    retention::trim_logs(&registry, Some(30), Utc::now())
        .await
        .unwrap();
    seal(&registry).await.unwrap();
    let left = (
        sealed(own).await,
        sealed(theirs).await,
        sealed(Chain::Installation).await,
    );
    assert_eq!(
        left,
        (2, 0, 2),
        "the project's own word counts; two cuts are on record"
    );
    for chain in [own, theirs, Chain::Installation] {
        assert_eq!(found(&registry, chain).await, json!([]));
    }
}
