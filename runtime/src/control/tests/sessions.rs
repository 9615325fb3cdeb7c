//! Signing up, in and out of the control API; refresh tokens; passwords; tokens taken back.

use super::api::Api;
use super::*;
use serde_json::{Value, json};

impl Api {
    /// The answer to a POST without a token.
    pub(super) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, answer) = self.ask_as("", "POST", path, body.to_string()).await;
        (status.as_u16(), answer)
    }

    /// A new account, signed in.
    pub(super) async fn person(&self, email: &str) -> Person {
        let claimed = json!({ "email": email, "password": "correct horse" });
        let (status, answer) = self.post("/v1/auth/sign-up", &claimed).await;
        assert_eq!(status, 201, "{answer}");
        Person::of(&answer)
    }

    pub(super) async fn sign_in(&self, email: &str, password: &str) -> (u16, Value) {
        let claimed = json!({ "email": email, "password": password });
        self.post("/v1/auth/sign-in", &claimed).await
    }

    async fn refresh(&self, token: &str) -> (u16, Value) {
        self.post("/v1/auth/refresh", &json!({ "refresh_token": token }))
            .await
    }

    async fn knows(&self, token: &str) -> u16 {
        let (status, _) = self.ask_as(token, "GET", "/v1/auth/user", "").await;
        status.as_u16()
    }
}

/// Somebody who signed in.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) token: String,
    refresh: String,
}

impl Person {
    pub(super) fn of(answer: &Value) -> Person {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Person {
            id: text(&answer["user"]["id"]),
            token: text(&answer["access_token"]),
            refresh: text(&answer["refresh_token"]),
        }
    }
}

#[tokio::test]
async fn whoever_signs_up_is_a_member_and_nothing_more() {
    let api = Api::with_project().await;
    let ada = api.person("Ada@Example.org").await;
    let (_, who) = api.ask_as(&ada.token, "GET", "/v1/auth/user", "").await;
    assert_eq!(who["user"]["email"], "ada@example.org");
    assert_eq!(
        (&who["role"], &who["permissions"]),
        (&json!("member"), &json!([]))
    );
    let (status, list) = api.ask_as(&ada.token, "GET", "/v1/projects", "").await;
    assert_eq!((status.as_u16(), &list["items"]), (200, &json!([])));
    let (status, problem) = api.ask_as(&ada.token, "GET", "/v1/projects/demo", "").await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (404, &json!("unknown_project"))
    );
    let (status, _) = api.ask_as(&ada.token, "GET", "/v1/users", "").await;
    assert_eq!(status.as_u16(), 403);

    let claimed = |email: &str, password: &str| json!({ "email": email, "password": password });
    let again = api
        .post(
            "/v1/auth/sign-up",
            &claimed("ADA@example.org", "correct horse"),
        )
        .await;
    assert_eq!((again.0, &again.1["code"]), (409, &json!("already_exists")));
    for (email, password, field) in [
        ("ada", "correct horse", "email"),
        ("eve@example.org", "short", "password"),
    ] {
        let (status, problem) = api
            .post("/v1/auth/sign-up", &claimed(email, password))
            .await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (400, &json!(field))
        );
    }
}

#[tokio::test]
async fn a_session_ends_with_its_sign_out_at_once() {
    let api = Api::new().await;
    let ada = api.person("ada@example.org").await;
    let (status, answer) = api.sign_in("ada@example.org", "correct horse").await;
    assert_eq!((status, answer["expires_in"].as_u64()), (200, Some(900)));
    let other = Person::of(&answer);
    assert_eq!(api.knows(&ada.token).await, 200);
    let (status, _) = api
        .ask_as(&ada.token, "POST", "/v1/auth/sign-out", "")
        .await;
    assert_eq!(status.as_u16(), 204);
    let (status, problem) = api.ask_as(&ada.token, "GET", "/v1/auth/user", "").await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (401, &json!("session_over"))
    );
    assert_eq!(api.refresh(&ada.refresh).await.0, 401);
    assert_eq!(
        api.knows(&other.token).await,
        200,
        "another session is another one"
    );
    let (status, _) = api.ask("POST", "/v1/auth/sign-out", "").await;
    assert_eq!(
        status.as_u16(),
        403,
        "a token without a session has none to end"
    );
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_theft_ends_the_session() {
    let api = Api::new().await;
    let ada = api.person("ada@example.org").await;
    let (status, first) = api.refresh(&ada.refresh).await;
    assert_eq!(status, 200, "{first}");
    let first = Person::of(&first);
    assert_ne!(first.refresh, ada.refresh);
    // Asked twice at the same moment, or the answer was lost: the same answer.
    let twice = Person::of(&api.refresh(&ada.refresh).await.1);
    assert_eq!(twice.refresh, first.refresh);
    let second = Person::of(&api.refresh(&first.refresh).await.1);
    assert_eq!(api.knows(&second.token).await, 200);
    // The one before the last: its successor was used, so whoever shows it has an old copy.
    let (status, problem) = api.refresh(&ada.refresh).await;
    assert_eq!((status, &problem["code"]), (401, &json!("session_over")));
    assert!(
        problem["detail"].as_str().unwrap().contains("used before"),
        "{problem}"
    );
    assert_eq!(
        api.refresh(&second.refresh).await.0,
        401,
        "the family is revoked"
    );
    assert_eq!(
        api.knows(&second.token).await,
        401,
        "and so are its access tokens"
    );
    for odd in ["", "x", &"x".repeat(10_000)] {
        assert_eq!(api.refresh(odd).await.0, 401);
    }
}

#[tokio::test]
async fn another_password_ends_the_other_sessions_and_wrong_ones_are_all_refused_alike() {
    let api = Api::new().await;
    let ada = api.person("ada@example.org").await;
    let other = Person::of(&api.sign_in("ada@example.org", "correct horse").await.1);
    let change = async |current: &str, new: &str| {
        let body = json!({ "current": current, "new": new }).to_string();
        let (status, problem) = api
            .ask_as(&ada.token, "POST", "/v1/auth/password", body)
            .await;
        (status.as_u16(), problem["code"].clone())
    };
    let wrong = change("wrong horse", "battery staple").await;
    assert_eq!(wrong, (401, json!("wrong_credentials")));
    assert_eq!(
        change("correct horse", "short").await,
        (400, json!("invalid_field"))
    );
    assert_eq!(change("correct horse", "battery staple").await.0, 204);
    assert_eq!(api.knows(&ada.token).await, 200);
    assert_eq!(api.knows(&other.token).await, 401);
    assert_eq!(api.refresh(&other.refresh).await.0, 401);
    let mut refused = Vec::new();
    for (email, password) in [
        ("ada@example.org", "correct horse"),
        ("nobody@example.org", "correct horse"),
        ("admin@localhost", "!"),
        ("no address", "correct horse"),
    ] {
        let (status, mut problem) = api.sign_in(email, password).await;
        assert_eq!(status, 401);
        problem["request_id"].take();
        refused.push(problem);
    }
    assert!(
        refused.windows(2).all(|two| two[0] == two[1]),
        "{refused:?}"
    );
    assert_eq!(
        api.sign_in("ada@example.org", "battery staple").await.0,
        200
    );
}

#[tokio::test]
async fn whoever_guesses_is_slowed_down_and_told_for_how_long() {
    let api = Api::new().await;
    let _ada = api.person("ada@example.org").await;
    let mut guesses = 0;
    let refused = loop {
        let (status, problem) = api
            .sign_in("ada@example.org", &format!("guess {guesses}"))
            .await;
        if status == 429 {
            break problem;
        }
        guesses += 1;
        assert!(status == 401 && guesses < 100, "{status} {problem}");
    };
    assert_eq!(guesses, crate::accounts::limits::FAILURES_PER_EMAIL);
    assert_eq!(refused["code"], "too_many_requests");
    let claimed = json!({ "email": "ada@example.org", "password": "x" }).to_string();
    let answer = api
        .send("", ("POST", "/v1/auth/sign-in", None), claimed)
        .await;
    let wait = answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse::<u64>()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let (status, _) = api.sign_in("bob@example.org", "another one").await;
    assert_eq!(status, 401, "others are not slowed down");
}

#[tokio::test]
async fn a_token_that_was_given_out_is_listed_and_taken_back() {
    let api = Api::with_project().await;
    let wanted = json!({ "subject": "ci", "role": "developer" }).to_string();
    let (status, made) = api.ask("POST", "/v1/tokens", wanted).await;
    assert_eq!(status.as_u16(), 201, "{made}");
    let token = made["token"].as_str().unwrap();
    let ask = async |method: &'static str, path: &str| {
        let (status, problem) = api.ask_as(token, method, path, "{}").await;
        (status.as_u16(), problem["code"].clone())
    };
    assert_eq!(ask("GET", "/v1/projects/demo").await.0, 200);
    assert_eq!(ask("GET", "/v1/tokens").await, (403, json!("forbidden")));
    let (_, list) = api.ask("GET", "/v1/tokens", "").await;
    assert_eq!(list["items"][0]["subject"], "ci");
    assert!(!list.to_string().contains(token), "a list shows no token");
    let path = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(api.ask("DELETE", &path, "").await.0.as_u16(), 204);
    assert_eq!(
        ask("GET", "/v1/projects/demo").await,
        (401, json!("session_over"))
    );
    let (_, list) = api.ask("GET", "/v1/tokens", "").await;
    assert!(list["items"][0]["revoked_at"].is_string(), "{list}");
    let unknown = format!("/v1/tokens/{}", Uuid::nil());
    assert_eq!(api.ask("DELETE", &unknown, "").await.0.as_u16(), 404);
    for (body, code) in [
        (
            json!({ "subject": "ci", "role": "nothing" }),
            "unknown_role",
        ),
        (
            json!({ "subject": "ci", "role": "member" }),
            "invalid_field",
        ),
    ] {
        let (_, problem) = api.ask("POST", "/v1/tokens", body.to_string()).await;
        assert_eq!(problem["code"], code);
    }
}
