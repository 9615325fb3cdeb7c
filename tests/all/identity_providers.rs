//! Users whose tokens an identity server signs, with keys that it publishes on a real server.

use std::sync::{Arc, Mutex};

use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::policies::{prepared, titles};
use crate::support::{ALICE, BOB, CommandLine, Project, Receiver, ReceiverAnswer, TestApp};

const KEYS: &str = include_str!("../support/signers/jwks.json");
const ISSUER: &str = "https://accounts.example/";

fn signer(kid: &str) -> (Algorithm, EncodingKey) {
    let ec = |pem: &[u8]| (Algorithm::ES256, EncodingKey::from_ec_pem(pem).unwrap());
    match kid {
        "rsa" => {
            let pem = include_bytes!("../support/signers/rsa.key");
            (Algorithm::RS256, EncodingKey::from_rsa_pem(pem).unwrap())
        }
        "ec" => ec(include_bytes!("../support/signers/ec.key")),
        "ec2" => ec(include_bytes!("../support/signers/ec2.key")),
        _ => {
            let pem = include_bytes!("../support/signers/ed.key");
            (Algorithm::EdDSA, EncodingKey::from_ed_pem(pem).unwrap())
        }
    }
}

/// A token of the identity server's, with these claims in place of the usual ones.
fn token(kid: &str, claims: &Value) -> String {
    let (algorithm, key) = signer(kid);
    let header = Header {
        kid: Some(kid.to_owned()),
        ..Header::new(algorithm)
    };
    let expires = chrono::Utc::now().timestamp() + 600;
    let mut all = json!({ "iss": ISSUER, "aud": "shop", "sub": ALICE, "exp": expires });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    jsonwebtoken::encode(&header, &all, &key).unwrap()
}

/// A server with these keys, which may be changed.
async fn identity_server(kids: &[&str]) -> (Receiver, Arc<Mutex<String>>) {
    let keys = Arc::new(Mutex::new(published(kids)));
    let served = Arc::clone(&keys);
    let answering = move |_: &_, _| ReceiverAnswer::Json(served.lock().unwrap().clone());
    (Receiver::answering(answering).await, keys)
}

fn published(kids: &[&str]) -> String {
    let all: Value = serde_json::from_str(KEYS).unwrap();
    let keys = all["keys"].as_array().unwrap().iter();
    let keys: Vec<_> = keys
        .filter(|key| kids.contains(&key["kid"].as_str().unwrap()))
        .collect();
    json!({ "keys": keys }).to_string()
}

async fn add(project: &Project<'_>, server: &Receiver, audience: &str) {
    let provider = json!({
        "name": "accounts", "issuer": ISSUER, "audience": audience, "jwks_url": server.url,
    });
    let add = project.control(Method::POST, "/identity-providers");
    add.json(&provider).send().await.expect(201);
}

#[tokio::test]
async fn a_providers_tokens_are_users_of_the_project_and_policies_know_them() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let (server, _) = identity_server(&["rsa", "ec", "ed"]).await;
    let before = titles(&project, &token("rsa", &json!({}))).await;
    assert_eq!(before, "invalid_token");
    add(&project, &server, "shop").await;
    for kid in ["rsa", "ec", "ed"] {
        let seen = titles(&project, &token(kid, &json!({}))).await;
        assert_eq!(seen, json!(["a"]), "{kid}");
        let seen = titles(&project, &token(kid, &json!({ "sub": BOB }))).await;
        assert_eq!(seen, json!(["b"]), "{kid}");
    }
    assert_eq!(server.received().len(), 1, "the keys are kept");
    let check = async |token: String, code: &str| {
        assert_eq!(titles(&project, &token).await, code);
    };
    check(token("rsa", &json!({ "aud": "other" })), "invalid_token").await;
    check(token("rsa", &json!({ "aud": null })), "invalid_token").await;
    check(token("rsa", &json!({ "iss": "koyalite" })), "invalid_token").await;
    check(token("rsa", &json!({ "exp": 1000 })), "expired_token").await;
    check(token("ec2", &json!({})), "invalid_token").await;
    // No token, whoever signs it, makes its bearer more than a user.
    let claims = json!({ "role": "service_role", "koya_role": "service_role" });
    let posing = titles(&project, &token("rsa", &claims)).await;
    assert_eq!(posing, json!(["a"]));
}

#[tokio::test]
async fn a_providers_tokens_open_one_project_and_neither_door_of_accounts_nor_the_control_api() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let (server, _) = identity_server(&["ed"]).await;
    add(&project, &server, "shop").await;
    let users = token("ed", &json!({}));
    assert_eq!(titles(&project, &users).await, json!(["a"]));

    let (other, _, _) = prepared(&app).await;
    assert_eq!(titles(&other, &users).await, "invalid_token");
    add(&other, &server, "another shop").await;
    assert_eq!(titles(&other, &users).await, "invalid_token");
    let path = format!("/auth/{}/user", project.name);
    let account = app.call(Method::GET, &path).bearer(&users).send().await;
    account.problem(401, "invalid_token");
    let control = project.control(Method::GET, "").bearer(&users).send().await;
    control.problem(401, "invalid_token");
}

#[tokio::test]
async fn a_rotated_key_is_found_and_unknown_ones_do_not_make_the_node_ask_and_ask() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let (server, keys) = identity_server(&["ec"]).await;
    *keys.lock().unwrap() = published(&["ec", "ec2"]);
    add(&project, &server, "shop").await;
    for _ in 0..10 {
        assert_eq!(
            titles(&project, &token("ed", &json!({}))).await,
            "invalid_token"
        );
    }
    assert_eq!(
        titles(&project, &token("ec2", &json!({}))).await,
        json!(["a"])
    );
    assert_eq!(server.received().len(), 1);

    // Another provider is another set of keys, and its server may be away.
    let delete = project.control(Method::DELETE, "/identity-providers/accounts");
    delete.send().await.expect(204);
    assert_eq!(
        titles(&project, &token("ec2", &json!({}))).await,
        "invalid_token"
    );
    let away = json!({
        "name": "away", "issuer": ISSUER, "audience": "shop", "jwks_url": "http://127.0.0.1:1999/",
    });
    let add_away = project.control(Method::POST, "/identity-providers");
    add_away.json(&away).send().await.expect(201);
    assert_eq!(
        titles(&project, &token("ec", &json!({}))).await,
        "unavailable"
    );
}

#[tokio::test]
async fn providers_are_added_listed_and_deleted_and_mistakes_are_named() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| shell.run(folder.path(), arguments).await.expect(0);
    let added = run(&[
        "identity-providers",
        "add",
        "auth",
        "--issuer",
        ISSUER,
        "--audience",
        "shop",
        "--jwks-url",
        "https://accounts.example/keys",
    ])
    .await;
    assert!(added.contains(ISSUER), "{added}");
    let listed = run(&["identity-providers", "list"]).await;
    assert!(listed.contains("https://accounts.example/keys"), "{listed}");
    let again = async |changes: Value| {
        let mut body = json!({
            "name": "new", "issuer": "https://new.example", "audience": "shop",
            "jwks_url": "https://new.example/keys",
        });
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        let add = project.control(Method::POST, "/identity-providers");
        add.json(&body).send().await
    };
    again(json!({ "issuer": ISSUER }))
        .await
        .problem(409, "already_exists");
    again(json!({ "name": "auth" }))
        .await
        .problem(409, "already_exists");
    for wrong in [
        json!({ "issuer": "koyalite" }),
        json!({ "issuer": "" }),
        json!({ "audience": "koyalite:control" }),
        json!({ "audience": "project:7" }),
        json!({ "jwks_url": "file:///etc/passwd" }),
        json!({ "jwks_url": "https://10.0.0.1/keys" }),
        json!({ "jwks_url": "https://169.254.169.254/keys" }),
    ] {
        again(wrong).await.problem(400, "invalid_field");
    }
    run(&["identity-providers", "delete", "auth"]).await;
    let gone = project.control(Method::DELETE, "/identity-providers/auth");
    gone.send().await.problem(404, "unknown_provider");
    let entries = project.list("/audit?limit=100").await;
    let actions: Vec<_> = entries
        .iter()
        .map(|entry| entry["action"].clone())
        .collect();
    assert!(
        actions.contains(&json!("identity_provider.create")),
        "{actions:?}"
    );
    assert!(
        actions.contains(&json!("identity_provider.delete")),
        "{actions:?}"
    );
}
