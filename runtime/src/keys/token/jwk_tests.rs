//! Key sets as identity servers publish them, and what is passed over in them.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm as Signs, EncodingKey, Header};
use serde_json::{Value as Json, json};

use super::super::{TokenError, verify_for};
use super::{JWKS_KEYS_MAX, JwksError, PublicKey, read_jwks};

const ISSUER: &str = "https://accounts.example/";
const AUDIENCE: &str = "https://shop.example";
const KEYS: &str = include_str!("../../../../tests/support/signers/jwks.json");
const NOW: i64 = 1_800_000_000;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

fn signers() -> [(&'static str, Signs, EncodingKey); 3] {
    let rsa = include_bytes!("../../../../tests/support/signers/rsa.key");
    let ec = include_bytes!("../../../../tests/support/signers/ec.key");
    let ed = include_bytes!("../../../../tests/support/signers/ed.key");
    [
        ("rsa", Signs::RS256, EncodingKey::from_rsa_pem(rsa).unwrap()),
        ("ec", Signs::ES256, EncodingKey::from_ec_pem(ec).unwrap()),
        ("ed", Signs::EdDSA, EncodingKey::from_ed_pem(ed).unwrap()),
    ]
}

fn claims() -> Json {
    json!({ "iss": ISSUER, "aud": [AUDIENCE, "other"], "sub": "auth0|7", "exp": NOW + 60 })
}

fn written(kid: &str) -> Json {
    let keys: Json = serde_json::from_str(KEYS).unwrap();
    let mut keys = keys["keys"].as_array().unwrap().iter();
    keys.find(|key| key["kid"] == kid).unwrap().clone()
}

fn read(keys: &[Json]) -> Result<Vec<PublicKey>, JwksError> {
    let document = json!({ "keys": keys }).to_string();
    read_jwks(document.as_bytes(), ISSUER)
}

#[test]
fn each_kind_of_key_verifies_its_own_algorithm_and_no_other() {
    let keys = read_jwks(KEYS.as_bytes(), ISSUER).unwrap();
    for (kid, algorithm, signer) in signers() {
        let token = jsonwebtoken::encode(&Header::new(algorithm), &claims(), &signer).unwrap();
        for key in &keys {
            let verified = verify_for(&token, &key.key, AUDIENCE, now());
            match key.id.as_deref() == Some(kid) {
                true => assert_eq!(verified.unwrap().subject, "auth0|7", "{kid}"),
                false => assert!(
                    matches!(
                        verified,
                        Err(TokenError::AlgorithmNotAllowed { .. } | TokenError::BadSignature)
                    ),
                    "{kid} by {key:?}"
                ),
            }
        }
    }
}

#[test]
fn issuer_and_audience_must_be_those_of_the_provider() {
    let (_, algorithm, signer) = &signers()[1];
    let key = read(&[written("ec")]).unwrap().remove(0).key;
    let check = |name: &str, value: Json, expected: &str| {
        let mut claims = claims();
        claims[name] = value;
        let token = jsonwebtoken::encode(&Header::new(*algorithm), &claims, signer).unwrap();
        let refused = verify_for(&token, &key, AUDIENCE, now()).unwrap_err();
        assert_eq!(refused.code(), expected, "{name}");
    };
    check("iss", json!("https://other.example/"), "token_wrong_issuer");
    check("iss", Json::Null, "token_wrong_issuer");
    check(
        "aud",
        json!("https://other.example"),
        "token_wrong_audience",
    );
    check("aud", Json::Null, "token_wrong_audience");
    check("aud", json!([]), "token_wrong_audience");
    check("exp", json!(NOW - 31), "token_expired");
    check("exp", Json::Null, "token_malformed");
    check("nbf", json!(NOW + 60), "token_not_yet_valid");
    check("sub", json!(""), "token_no_subject");
}

#[test]
fn a_public_key_is_no_secret_to_sign_with() {
    // The oldest trick: HS256 with the text of a public key as the secret.
    let key = read(&[written("rsa")]).unwrap().remove(0).key;
    for secret in [written("rsa")["n"].as_str().unwrap(), KEYS] {
        let signer = EncodingKey::from_secret(secret.as_bytes());
        let token = jsonwebtoken::encode(&Header::new(Signs::HS256), &claims(), &signer).unwrap();
        let refused = verify_for(&token, &key, AUDIENCE, now()).unwrap_err();
        assert_eq!(refused.code(), "token_algorithm_not_allowed");
    }
}

#[test]
fn keys_that_are_for_something_else_are_passed_over() {
    let check = |kid: &str, name: &str, value: Json| {
        let mut key = written(kid);
        key[name] = value;
        assert_eq!(read(&[key]).err(), Some(JwksError::NoKey), "{kid} {name}");
    };
    check("rsa", "use", json!("enc"));
    check("rsa", "alg", json!("PS256"));
    check("rsa", "alg", json!("HS256"));
    check("rsa", "n", json!("AQAB"));
    check("rsa", "e", json!("not base64!"));
    check("ec", "key_ops", json!(["sign"]));
    check("ec", "alg", json!("RS256"));
    check("ec", "crv", json!("P-384"));
    check("ec", "x", json!("AQAB"));
    check("ed", "crv", json!("X25519"));
    check("ed", "x", Json::Null);
    check("ed", "kty", json!("oct"));
    // One that is good beside one that is not.
    let both = [json!({ "kty": "oct", "k": "AQAB" }), written("ed")];
    assert_eq!(read(&both).unwrap().len(), 1);
}

#[test]
fn what_is_no_set_of_keys_is_refused() {
    let check = |document: &str, expected: JwksError| {
        let refused = read_jwks(document.as_bytes(), ISSUER).unwrap_err();
        assert_eq!(refused, expected, "{document}");
    };
    check("", JwksError::NotASet);
    check("<html>", JwksError::NotASet);
    check("{\"keys\":{}}", JwksError::NotASet);
    check("{\"keys\":[]}", JwksError::NoKey);
    check("{\"keys\":[null,7,{\"kty\":7}]}", JwksError::NoKey);
    let many = vec![written("ed"); JWKS_KEYS_MAX + 1];
    assert_eq!(read(&many).err(), Some(JwksError::TooMany));
}
