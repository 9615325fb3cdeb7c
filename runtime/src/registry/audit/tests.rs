//! The audit log against a real Postgres: what is written, and that nothing can be done to it in the
//! database that a verification does not name.

use futures::future::join_all;
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::*;
use crate::registry::Registry;
use crate::registry::claims;
use crate::registry::condition::Condition;
use crate::registry::tests::TestRegistry;

pub(super) async fn logged(registry: &Registry, chain: Chain, count: usize) {
    for number in 0..count {
        let deed = Deed::new(Action::TokenCreate, format!("user-{number}"));
        record(registry, chain, deed).await.unwrap();
    }
}

pub(super) async fn tamper(registry: &Registry, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(&registry.pool).await.unwrap();
}

/// What a verification finds in a chain of six records in two batches after this statement, whose
/// every `WHERE` is made to mean that chain alone.
async fn check(registry: &Registry, sql: &str, expected: serde_json::Value) {
    let id = Uuid::now_v7();
    let chain = Chain::Project(id);
    for _ in 0..2 {
        logged(registry, chain, 3).await;
        seal(registry).await.unwrap();
    }
    let only = format!("WHERE project_id = '{id}' AND");
    tamper(registry, &sql.replace("WHERE", &only)).await;
    let report = verify(registry, chain).await.unwrap();
    let mut found = serde_json::to_value(report.findings).unwrap();
    for finding in found.as_array_mut().unwrap() {
        finding.as_object_mut().unwrap().remove("id");
    }
    // Which of two records in one place is the copy, their ids decide.
    if expected[0]["kind"] == "doubled" {
        let found = found.as_array_mut().unwrap();
        found.retain(|one| one["kind"] == "doubled");
    }
    assert_eq!(found, expected, "{sql}");
}

#[tokio::test]
async fn what_is_done_to_records_is_named() {
    let registry = TestRegistry::new().await;
    for (sql, expected) in [
        ("DELETE FROM koyalite.audit_logs WHERE false", json!([])),
        (
            "UPDATE koyalite.audit_logs SET actor_id = 'somebody else' WHERE position = 2",
            json!([{ "kind": "changed", "position": 2 }]),
        ),
        (
            "UPDATE koyalite.audit_logs SET at = at + interval '1 us' WHERE position = 6",
            json!([{ "kind": "changed", "position": 6 }]),
        ),
        (
            "DELETE FROM koyalite.audit_logs WHERE position IN (2, 3)",
            json!([{ "kind": "missing", "from": 2, "to": 3 }]),
        ),
        (
            "DELETE FROM koyalite.audit_logs WHERE position > 4",
            json!([{ "kind": "missing", "from": 5, "to": 6 }]),
        ),
        (
            "DELETE FROM koyalite.audit_logs WHERE true",
            json!([{ "kind": "missing", "from": 1, "to": 6 }]),
        ),
        (
            "UPDATE koyalite.audit_logs SET position = 7 - position WHERE position IN (2, 5)",
            json!([
                { "kind": "moved", "position": 2, "sealed_at": 5 },
                { "kind": "moved", "position": 5, "sealed_at": 2 },
            ]),
        ),
        (
            "INSERT INTO koyalite.audit_logs
             SELECT gen_random_uuid(), project_id, actor_id, action, target_type, target_id, at,
                 request_id, metadata, position, previous, hash
             FROM koyalite.audit_logs WHERE position = 4",
            json!([{ "kind": "doubled", "position": 4 }]),
        ),
        (
            "DELETE FROM koyalite.audit_checkpoints WHERE position = 6",
            json!([{ "kind": "unsigned", "from": 4, "to": 6 }]),
        ),
        (
            "UPDATE koyalite.audit_checkpoints SET sealed_at = sealed_at - interval '1 day'
             WHERE position = 3",
            json!([{ "kind": "forged", "position": 3 }]),
        ),
    ] {
        check(&registry, sql, expected).await;
    }
}

#[tokio::test]
async fn whoever_computes_the_hashes_anew_is_caught_by_the_signature() {
    let registry = TestRegistry::new().await;
    logged(&registry, Chain::Installation, 3).await;
    seal(&registry).await.unwrap();
    // As somebody would who has the database and this program's source, but not the key ring.
    let forger = TestRegistry::new().await;
    let rewrite = "UPDATE koyalite.audit_logs SET target_id = 'nobody', position = NULL,
         previous = NULL, hash = NULL;
         CREATE TABLE kept AS TABLE koyalite.audit_checkpoints;
         DELETE FROM koyalite.audit_checkpoints";
    tamper(&registry, rewrite).await;
    let theirs = Registry {
        ring: forger.ring().into(),
        ..registry.another_node().await
    };
    seal(&theirs).await.unwrap();
    let report = verify(&registry, Chain::Installation).await.unwrap();
    assert_eq!(
        report.findings,
        [Finding::Forged { position: 3 }],
        "their own signature"
    );
    let restore = "DELETE FROM koyalite.audit_checkpoints;
         INSERT INTO koyalite.audit_checkpoints TABLE kept";
    tamper(&registry, restore).await;
    let report = verify(&registry, Chain::Installation).await.unwrap();
    assert_eq!(
        report.findings,
        [Finding::Rewritten { after: 0, to: 3 }],
        "ours, kept"
    );
}

#[tokio::test]
async fn every_change_leaves_a_record_of_who_made_it_in_the_project_s_own_chain() {
    let registry = TestRegistry::new().await;
    let project = registry.project("shop").await;
    let request = Uuid::now_v7();
    let author = Author {
        actor: "alice".to_owned(),
        request: Some(request),
    };
    let declared = serde_json::from_value(json!({ "team": { "required": false } })).unwrap();
    let change = claims::replace(&registry, &project.name, (&Condition::Always, &declared));
    on_behalf(author, change).await.unwrap();
    let chain = Chain::Project(project.id);
    let entries = list(&registry, chain, &Wanted::default(), 10)
        .await
        .unwrap();
    let said: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry.actor_id.as_str(),
                entry.action.as_str(),
                entry.request_id,
            )
        })
        .collect();
    let expected = [
        ("alice", "claims.replace", Some(request)),
        ("system", "project.create", None),
    ];
    assert_eq!(said, expected);
    let others = list(&registry, Chain::Installation, &Wanted::default(), 10)
        .await
        .unwrap();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
async fn a_change_that_is_undone_leaves_no_record() {
    let registry = TestRegistry::new().await;
    let project = registry.project("shop").await;
    let refused = serde_json::from_value(json!({ "": { "required": false } })).unwrap();
    claims::replace(&registry, &project.name, (&Condition::Always, &refused))
        .await
        .unwrap_err();
    let entries = list(
        &registry,
        Chain::Project(project.id),
        &Wanted::default(),
        10,
    )
    .await;
    assert_eq!(entries.unwrap().len(), 1, "the project's own creation");
}

#[tokio::test]
async fn two_nodes_seal_what_many_write_at_once_into_one_whole_chain() {
    let registry = TestRegistry::new().await;
    let other = registry.another_node().await;
    let writing = join_all((0..8).map(|_| logged(&registry, Chain::Installation, 10)));
    let sealing = |node| async move {
        for _ in 0..20 {
            seal(node).await.unwrap();
        }
    };
    tokio::join!(writing, sealing(&registry.registry), sealing(&other));
    seal(&registry).await.unwrap();
    let report = verify(&registry, Chain::Installation).await.unwrap();
    assert_eq!((report.sealed, report.unsealed), (80, 0));
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.checkpoint.unwrap().position, 80);
}

#[test]
fn every_action_has_a_name_of_its_own_and_is_in_the_docs() {
    let mut names: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Action::ALL.len());
    let docs = include_str!("../../../../docs/audit.md");
    names.retain(|name| !docs.contains(&format!("`{name}`")));
    assert!(names.is_empty(), "docs/audit.md lacks {names:?}");
}
