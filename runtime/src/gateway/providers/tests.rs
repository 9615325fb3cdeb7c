//! When keys are fetched, and when they are not.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const KEYS: &str = include_str!("../../../../tests/support/signers/jwks.json");

/// A server of keys that may be away, and counts how often it was asked.
#[derive(Clone, Default)]
struct Server {
    asked: Arc<AtomicUsize>,
    answer: Arc<std::sync::Mutex<Option<String>>>,
}

impl Server {
    fn with(kids: &[&str]) -> Self {
        let server = Self::default();
        server.rotate(kids);
        server
    }

    fn rotate(&self, kids: &[&str]) {
        let all: serde_json::Value = serde_json::from_str(KEYS).unwrap();
        let keys = all["keys"].as_array().unwrap().iter();
        let keys: Vec<_> = keys
            .filter(|key| kids.contains(&key["kid"].as_str().unwrap()))
            .collect();
        let document = serde_json::json!({ "keys": keys }).to_string();
        *self.answer.lock().unwrap() = Some(document);
    }

    fn leave(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn fetch(&self) -> Fetched {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answer.lock().unwrap().clone();
        Box::pin(async move { answer.map(Bytes::from).ok_or_else(|| "away".to_owned()) })
    }
}

fn provider() -> Arc<ProviderEntry> {
    Arc::new(ProviderEntry {
        id: Uuid::from_u128(1),
        issuer: "https://accounts.example/".to_owned(),
        audience: "shop".to_owned(),
        jwks_url: "https://accounts.example/keys".to_owned(),
    })
}

/// What becomes of a token that names this key.
async fn look(
    (sets, now): (&KeySets, Instant),
    server: &Server,
    kid: Option<&str>,
) -> Result<(), AuthError> {
    let provider = provider();
    sets.prepare(&provider, (kid, now), |_| {
        let server = server.clone();
        Box::pin(async move { server.fetch().await })
    })
    .await;
    sets.find(&provider, kid, now).map(drop)
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_are_rotated() {
    let (sets, server) = (KeySets::default(), Server::with(&["rsa"]));
    let mut now = Instant::now();
    for _ in 0..5 {
        assert_eq!(look((&sets, now), &server, Some("rsa")).await, Ok(()));
    }
    assert_eq!(server.asked(), 1);
    server.rotate(&["ec"]);
    now += REFETCH_INTERVAL;
    assert_eq!(look((&sets, now), &server, Some("ec")).await, Ok(()));
    assert_eq!(server.asked(), 2);
    // The former one went with it.
    let gone = look((&sets, now), &server, Some("rsa")).await;
    assert_eq!(gone, Err(AuthError::UnknownSigner));
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn tokens_that_name_unknown_keys_ask_once_in_a_while_however_many_come() {
    let (sets, server) = (KeySets::default(), Server::with(&["rsa"]));
    let mut now = Instant::now();
    for _ in 0..3 {
        for number in 0..50 {
            let kid = format!("made up {number}");
            let refused = look((&sets, now), &server, Some(&kid)).await;
            assert_eq!(refused, Err(AuthError::UnknownSigner));
        }
        assert_eq!(look((&sets, now), &server, Some("rsa")).await, Ok(()));
        now += REFETCH_INTERVAL;
    }
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn many_who_come_at_once_share_one_fetch() {
    let (sets, server) = (KeySets::default(), Server::with(&["ed"]));
    let now = Instant::now();
    let looks = (0..20).map(|_| look((&sets, now), &server, Some("ed")));
    for seen in futures::future::join_all(looks).await {
        assert_eq!(seen, Ok(()));
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn keys_outlast_an_outage_of_their_server_for_a_day() {
    let (sets, server) = (KeySets::default(), Server::with(&["rsa"]));
    let mut now = Instant::now();
    assert_eq!(look((&sets, now), &server, Some("rsa")).await, Ok(()));
    server.leave();
    now += KEYS_KEPT - Duration::from_secs(1);
    assert_eq!(look((&sets, now), &server, Some("rsa")).await, Ok(()));
    now += Duration::from_secs(1);
    let away = look((&sets, now), &server, Some("rsa")).await;
    assert_eq!(away, Err(AuthError::KeysAway));
    server.rotate(&["rsa"]);
    now += REFETCH_INTERVAL;
    assert_eq!(look((&sets, now), &server, Some("rsa")).await, Ok(()));
}

#[tokio::test]
async fn old_keys_are_asked_for_again_while_they_go_on_serving() {
    let (sets, server) = (KeySets::default(), Server::with(&["rsa", "ec"]));
    let mut now = Instant::now();
    assert_eq!(look((&sets, now), &server, Some("ec")).await, Ok(()));
    server.rotate(&["rsa"]);
    now += KEYS_FRESH;
    // The first who comes does not wait; by then the key may be gone or not.
    let _ = look((&sets, now), &server, Some("ec")).await;
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert_eq!(server.asked(), 2);
    let gone = look((&sets, now), &server, Some("ec")).await;
    assert_eq!(gone, Err(AuthError::UnknownSigner));
}

#[tokio::test]
async fn a_token_that_names_no_key_is_of_the_only_one_there_is() {
    let (sets, server) = (KeySets::default(), Server::with(&["ed"]));
    let mut now = Instant::now();
    assert_eq!(look((&sets, now), &server, None).await, Ok(()));
    server.rotate(&["ed", "rsa"]);
    now += KEYS_FRESH;
    let _ = look((&sets, now), &server, None).await;
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    let guess = look((&sets, now), &server, None).await;
    assert_eq!(guess, Err(AuthError::UnknownSigner));
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_end_the_fetch() {
    let (sets, server) = (KeySets::default(), Server::with(&["ed"]));
    let (provider, now) = (provider(), Instant::now());
    let (open, opened) = tokio::sync::oneshot::channel::<()>();
    let answer = server.clone();
    let slow: Fetched = Box::pin(async move {
        let _ = opened.await;
        answer.fetch().await
    });
    let leaving = sets.prepare(&provider, (Some("ed"), now), |_| slow);
    let left = tokio::time::timeout(Duration::from_secs(1), leaving).await;
    assert!(left.is_err());
    open.send(()).unwrap();
    assert_eq!(look((&sets, now), &server, Some("ed")).await, Ok(()));
    assert_eq!(server.asked(), 1);
}
