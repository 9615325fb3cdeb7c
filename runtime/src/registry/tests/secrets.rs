use super::*;
use crate::registry::condition::Condition;
use crate::registry::reseal::reseal;
use crate::registry::secrets;

async fn sealed(registry: &TestRegistry) -> Vec<u8> {
    registry
        .ask(
            "SELECT database_password || jwt_secret || (SELECT value FROM koyalite.secrets)
              FROM koyalite.projects",
        )
        .await
}

fn value(node: &Registry) -> Vec<u8> {
    let name = "one".parse().unwrap();
    let entry = node.snapshot().project(&name).cloned().unwrap();
    entry.secrets["KEY"].expose().to_vec()
}

#[tokio::test]
async fn a_new_key_seals_every_value_anew_and_another_node_reads_them() {
    let registry = TestRegistry::new().await;
    let project = registry.project("one").await.name;
    let (name, first) = ("KEY".parse().unwrap(), secrets::chosen("first".to_owned()));
    secrets::set(
        &registry,
        &project,
        (&name, &first.unwrap()),
        &Condition::Always,
    )
    .await
    .unwrap();
    let other = registry.another_node().await;
    let before = sealed(&registry).await;

    let ring = KeyRing::open(&registry.key_file()).unwrap();
    let rotated = ring.rotate(&registry.key_file()).unwrap();
    let done = reseal(&registry).await.unwrap();
    assert_eq!(done.key, rotated.active_id().to_string());
    assert_eq!((done.resealed, done.unreadable), (3, 0));
    assert_ne!(sealed(&registry).await, before);
    assert_eq!(reseal(&registry).await.unwrap().resealed, 0);

    // What the other node has to read again it reads with the new key.
    let second = secrets::chosen("second".to_owned()).unwrap();
    secrets::set(&registry, &project, (&name, &second), &Condition::Always)
        .await
        .unwrap();
    other.refresh().await.unwrap();
    for node in [&registry.registry, &Arc::new(other)] {
        assert_eq!(value(node), b"second");
    }
    assert_eq!(value(&registry.another_node().await), b"second");
}

#[tokio::test]
async fn a_ring_that_has_lost_a_key_is_not_taken_up() {
    let registry = TestRegistry::new().await;
    registry.project("one").await;
    let before = registry.ring().active_id();
    fs::remove_file(registry.key_file()).unwrap();
    KeyRing::create(&registry.key_file()).unwrap();
    let done = reseal(&registry).await.unwrap();
    assert_eq!((done.key, done.resealed), (before.to_string(), 0));
    assert!(registry.ring().renewed().is_err());
}
