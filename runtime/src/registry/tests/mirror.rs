use koyalite_host_api::db::Mirror;
use serde_json::json;

use super::*;
use crate::registry::condition::Condition;
use crate::registry::mirror;
use crate::registry::tables::Data;

/// The owner of the tables is subject to forced row security, unless it is a superuser.
#[tokio::test]
async fn an_owner_who_is_no_superuser_still_sees_what_a_drop_would_lose() {
    let registry = TestRegistry::without_superuser().await;
    let name = registry.project("one").await.name;
    let notes = json!({ "name": "notes", "columns": [
        { "name": "body", "type": "text" },
        { "name": "empty", "type": "text", "nullable": true },
    ]});
    let notes = serde_json::from_value(notes).unwrap();
    tables::create(&registry, &name, &notes).await.unwrap();
    let project = projects::get(&registry, &name).await.unwrap();
    let mut tenant = registry.as_tenant(&project).await;
    let insert = "INSERT INTO notes (body) VALUES ('hello')";
    sqlx::raw_sql(insert).execute(&mut tenant).await.unwrap();
    mirror::set(&registry, &name, (&Condition::Always, mirror::Switch::On))
        .await
        .unwrap();

    let table = "notes".parse().unwrap();
    let (body, empty) = ("body".parse().unwrap(), "empty".parse().unwrap());
    let kept = tables::drop(&registry, &name, &table, Data::Kept).await;
    let kept_too = tables::drop_column(&registry, &name, (&table, &body), Data::Kept).await;
    for refused in [kept.unwrap_err(), kept_too.unwrap_err()] {
        let kind = Standing::WouldLoseData;
        assert!(
            matches!(refused, RegistryError::Conflict { kind: found, .. } if found == kind),
            "{refused}"
        );
    }
    let gone = tables::drop_column(&registry, &name, (&table, &empty), Data::Kept).await;
    assert_eq!(gone.unwrap().columns.len(), 2, "an id and the body");
    let forced = "SELECT bool_and(relforcerowsecurity) FROM pg_class WHERE relname = 'notes'";
    assert!(registry.ask::<bool>(forced).await, "mirrored again");
    assert_eq!(mirror::get(&registry, &name).await.unwrap(), Mirror::On);
    tables::drop(&registry, &name, &table, Data::MayGo)
        .await
        .unwrap();
}
