//! Sessions: refresh tokens one after the other, at once, and after their time.

use futures::future::join_all;

use super::*;
use crate::registry::email::Email;
use crate::registry::sessions::{self, Opened, RefreshToken, Refreshed, Scope};
use crate::registry::users::{self, NewUser, User};

async fn ada(registry: &Registry) -> User {
    let new = NewUser {
        email: "ada@example.org".parse::<Email>().unwrap(),
        hashed_password: None,
        role: "member".to_owned(),
    };
    users::create(registry, &new).await.unwrap()
}

async fn refreshed(registry: &Registry, token: &RefreshToken) -> Opened {
    match sessions::refresh(registry, token, Scope::Control)
        .await
        .unwrap()
    {
        Refreshed::Fresh(opened) => opened,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn of_many_who_refresh_at_once_all_get_the_same_next_token() {
    let registry = TestRegistry::new().await;
    let user = ada(&registry).await;
    let first = sessions::open(&registry, user.id, Scope::Control)
        .await
        .unwrap();
    let asked = join_all((0..8).map(|_| refreshed(&registry, &first.refresh))).await;
    assert!(
        asked
            .iter()
            .all(|opened| opened.refresh == asked[0].refresh)
    );
    let kept: i64 = registry
        .ask("SELECT count(*) FROM koyalite.refresh_tokens")
        .await;
    assert_eq!(kept, 2, "two tabs fork no family");
    refreshed(&registry, &asked[0].refresh).await;
    // Another node has the same keys, and so the same answers.
    let other = registry.another_node().await;
    let second = sessions::open(&other, user.id, Scope::Control)
        .await
        .unwrap();
    let here = refreshed(&registry, &second.refresh).await;
    let there = refreshed(&other, &second.refresh).await;
    assert_eq!(here.refresh, there.refresh);
}

#[tokio::test]
async fn a_token_shown_again_after_a_while_ends_its_session_and_no_other() {
    let registry = TestRegistry::new().await;
    let user = ada(&registry).await;
    let stolen = sessions::open(&registry, user.id, Scope::Control)
        .await
        .unwrap();
    let other = sessions::open(&registry, user.id, Scope::Control)
        .await
        .unwrap();
    let next = refreshed(&registry, &stolen.refresh).await;
    registry
        .run("UPDATE koyalite.refresh_tokens SET used_at = used_at - interval '11 seconds'")
        .await;
    let again = sessions::refresh(&registry, &stolen.refresh, Scope::Control)
        .await
        .unwrap();
    assert!(
        matches!(again, Refreshed::Reused { user: whose } if whose == user.id),
        "{again:?}"
    );
    for over in [&stolen.refresh, &next.refresh] {
        let over = sessions::refresh(&registry, over, Scope::Control)
            .await
            .unwrap();
        assert!(matches!(over, Refreshed::Over), "{over:?}");
    }
    assert_eq!(
        sessions::user(&registry, stolen.id, Scope::Control)
            .await
            .unwrap(),
        None
    );
    refreshed(&registry, &other.refresh).await;
    let recorded: i64 = registry
        .ask("SELECT count(*) FROM koyalite.audit_logs WHERE action = 'session.token_reuse'")
        .await;
    assert_eq!(recorded, 1);
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_at_last_in_any_case() {
    let registry = TestRegistry::new().await;
    let user = ada(&registry).await;
    let session = sessions::open(&registry, user.id, Scope::Control)
        .await
        .unwrap();
    // Used a day before its last one: it is not longer than half a year in all.
    registry
        .run("UPDATE koyalite.sessions SET created_at = now() - interval '179 days'")
        .await;
    let next = refreshed(&registry, &session.refresh).await;
    let soon: bool = registry
        .ask("SELECT expires_at < now() + interval '25 hours' FROM koyalite.sessions")
        .await;
    assert!(soon);
    registry
        .run("UPDATE koyalite.sessions SET expires_at = now()")
        .await;
    let over = sessions::refresh(&registry, &next.refresh, Scope::Control)
        .await
        .unwrap();
    assert!(matches!(over, Refreshed::Over), "{over:?}");
    // What is over is forgotten at the next sign-in, and so are the oldest of too many.
    for _ in 0..=sessions::SESSIONS_PER_USER_MAX {
        sessions::open(&registry, user.id, Scope::Control)
            .await
            .unwrap();
    }
    let kept: i64 = registry.ask("SELECT count(*) FROM koyalite.sessions").await;
    assert_eq!(kept, sessions::SESSIONS_PER_USER_MAX);
}

#[tokio::test]
async fn what_is_stored_of_a_token_is_its_hash() {
    let registry = TestRegistry::new().await;
    let user = ada(&registry).await;
    let session = sessions::open(&registry, user.id, Scope::Control)
        .await
        .unwrap();
    let stored: String = registry
        .ask(
            "SELECT encode(sha256, 'hex') || encode(sha256, 'escape') FROM koyalite.refresh_tokens",
        )
        .await;
    assert!(!stored.contains(session.refresh.expose()));
    assert_eq!(format!("{:?}", session.refresh), "RefreshToken(…)");
}
