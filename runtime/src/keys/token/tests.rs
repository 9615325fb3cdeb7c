//! Tokens that must be refused, each for its own reason, and the few that must not.

use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_800_000_000;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

fn project() -> Audience {
    Audience::Project(Uuid::from_u128(7))
}

fn claims() -> Json {
    json!({"iss": ISSUER, "sub": "ada", "aud": project().to_string(), "exp": NOW + 60})
}

fn with(name: &str, value: Json) -> Json {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Json {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn sign(header: &Json, claims: &Json) -> String {
    let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(SECRET);
    let signed =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
    format!("{message}.{}", signed.unwrap())
}

fn check_token(token: &str) -> Result<VerifiedToken, TokenError> {
    verify(token, &TrustedKey::hs256(SECRET).unwrap(), project(), now())
}

fn code(claims: &Json) -> &'static str {
    check_token(&sign(&json!({"alg": "HS256"}), claims)).map_or_else(|e| e.code(), |_| "ok")
}

fn issued() -> Token {
    let grant = Grant {
        subject: "ada".to_owned(),
        audience: project(),
        lifetime: Duration::from_secs(60),
        claims: Map::from_iter([("team".to_owned(), json!("red"))]),
    };
    issue(&SigningKey::hs256(SECRET).unwrap(), grant, now()).unwrap()
}

#[test]
fn an_issued_token_verifies_with_its_claims() {
    let token = issued();
    let verified = check_token(token.expose()).unwrap();
    assert_eq!(verified.subject, "ada");
    assert_eq!(verified.claims["team"], "red");
    assert_eq!(verified.claims["exp"], NOW + 60);
    assert_eq!(format!("{token:?}"), "Token(…)");
}

#[test]
fn each_claim_is_required_and_checked() {
    let cases = [
        (claims(), "ok"),
        (with("aud", json!(["x", project().to_string()])), "ok"),
        (with("exp", json!(NOW - 29)), "ok"),
        (with("exp", json!(NOW - 30)), "token_expired"),
        (with("exp", json!(-1)), "token_expired"),
        (with("exp", json!(1e300)), "ok"),
        (with("exp", json!("never")), "token_malformed"),
        (with("exp", json!(null)), "token_malformed"),
        (without("exp"), "token_malformed"),
        (with("nbf", json!(NOW + 30)), "ok"),
        (with("nbf", json!(NOW as f64 + 30.5)), "token_not_yet_valid"),
        (with("nbf", json!({})), "token_malformed"),
        (with("iat", json!(NOW + 31)), "token_not_yet_valid"),
        (with("iss", json!("someone")), "token_wrong_issuer"),
        (with("iss", json!([ISSUER])), "token_wrong_issuer"),
        (without("iss"), "token_wrong_issuer"),
        (
            with("aud", json!("koyalite:control")),
            "token_wrong_audience",
        ),
        (
            with("aud", json!(format!("project:{}", Uuid::from_u128(8)))),
            "token_wrong_audience",
        ),
        (with("aud", json!([])), "token_wrong_audience"),
        (with("aud", json!(true)), "token_wrong_audience"),
        (without("aud"), "token_wrong_audience"),
        (with("sub", json!("")), "token_no_subject"),
        (with("sub", json!(7)), "token_no_subject"),
        (with("sub", json!("a\nb")), "token_no_subject"),
        (with("sub", json!("a".repeat(256))), "token_no_subject"),
        (without("sub"), "token_no_subject"),
        (json!([1]), "token_malformed"),
        (json!("text"), "token_malformed"),
    ];
    for (claims, expected) in cases {
        assert_eq!(code(&claims), expected, "{claims}");
    }
}

#[test]
fn no_token_is_the_service_role_whoever_signed_it() {
    for role in ["service_role", "postgres", "supabase_admin"] {
        let claims = with("role", json!(role));
        let verified = check_token(&sign(&json!({"alg": "HS256"}), &claims)).unwrap();
        // Kept for policies that read it as a claim; the identity is the subject and stays so.
        assert_eq!(verified.claims["role"], role);
        assert_eq!(verified.subject, "ada");
    }
}

#[test]
fn the_key_decides_the_algorithm() {
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "NONE"}),
        json!({"alg": ""}),
        json!({"alg": "hs256"}),
        json!({"alg": "HS384"}),
        json!({"alg": "HS512"}),
        json!({"alg": "RS256"}),
        json!({"alg": "EdDSA"}),
    ] {
        let signed = sign(&header, &claims());
        let unsigned = format!("{}.", signed.rsplit_once('.').unwrap().0);
        for token in [signed, unsigned] {
            let refused = check_token(&token).unwrap_err();
            assert_eq!(
                refused,
                TokenError::AlgorithmNotAllowed { expected: "HS256" },
                "{header}"
            );
        }
    }
    for header in [
        json!({}),
        json!({"alg": 1}),
        json!("HS256"),
        json!({"alg": "HS256", "crit": []}),
    ] {
        assert_eq!(
            check_token(&sign(&header, &claims())).unwrap_err().code(),
            "token_malformed"
        );
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_shared_secret() {
    let pem = b"-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----\n";
    let public = TrustedKey::eddsa_pem(pem).unwrap();
    let header = json!({"alg": "HS256"});
    let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(&header), part(&claims()));
    let key = EncodingKey::from_secret(pem);
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
    let forged = format!("{message}.{}", signature.unwrap());
    let refused = verify(&forged, &public, project(), now()).unwrap_err();
    assert_eq!(
        refused,
        TokenError::AlgorithmNotAllowed { expected: "EdDSA" }
    );
    assert!(TrustedKey::rs256_pem(b"no key").is_err());
    assert!(TrustedKey::es256_pem(pem).is_err());
}

#[test]
fn another_key_or_a_short_one_does_not_do() {
    let other = TrustedKey::hs256(b"another secret of at least 32 by").unwrap();
    let refused = verify(issued().expose(), &other, project(), now()).unwrap_err();
    assert_eq!(refused, TokenError::BadSignature);
    assert_eq!(
        SigningKey::hs256(&SECRET[1..]).unwrap_err(),
        KeyError::TooShort { found: 31 }
    );
    assert_eq!(
        TrustedKey::hs256(b"").unwrap_err(),
        KeyError::TooShort { found: 0 }
    );
    assert!(!format!("{:?}{:?}", other, SigningKey::hs256(SECRET)).contains("secret of"));
}

#[test]
fn an_unreasonable_token_is_refused_before_it_is_read() {
    let grant = Grant {
        subject: "ada".to_owned(),
        audience: project(),
        lifetime: Duration::MAX,
        claims: Map::from_iter([("x".to_owned(), json!("y".repeat(TOKEN_BYTES_MAX)))]),
    };
    let key = SigningKey::hs256(SECRET).unwrap();
    assert_eq!(issue(&key, grant, now()).unwrap_err(), TokenError::TOO_LONG);
    assert_eq!(
        check_token(&"a".repeat(TOKEN_BYTES_MAX + 1)).unwrap_err(),
        TokenError::TOO_LONG
    );
}

#[test]
fn no_message_repeats_the_token() {
    let token = issued();
    let parts: Vec<&str> = token.expose().split('.').collect();
    for broken in [
        parts[..2].join("."),
        format!("{}.{}", token.expose(), parts[0]),
        format!("{}.{}.{}", parts[0], parts[1], parts[0]),
        format!("x{}", token.expose()),
    ] {
        let message = check_token(&broken).unwrap_err().to_string();
        assert!(
            parts.iter().all(|part| !message.contains(part)),
            "{message}"
        );
    }
}

proptest! {
    #[test]
    fn a_mutated_token_is_refused(at: prop::sample::Index, byte in "[ -~]") {
        let token = issued();
        let mut mutated = token.expose().to_owned();
        let at = at.index(mutated.len());
        mutated.replace_range(at..=at, &byte);
        prop_assume!(mutated != token.expose());
        prop_assert!(check_token(&mutated).is_err());
    }

    #[test]
    fn a_token_cut_or_spliced_is_refused(from: prop::sample::Index, to: prop::sample::Index, text: String) {
        let token = issued();
        let (from, to) = (from.index(token.expose().len()), to.index(token.expose().len()));
        let mut spliced = token.expose().to_owned();
        spliced.replace_range(from.min(to)..from.max(to), &text);
        prop_assume!(spliced != token.expose());
        prop_assert!(check_token(&spliced).is_err());
    }

    #[test]
    fn arbitrary_text_is_refused_without_a_panic(text: String, parts: [Vec<u8>; 3]) {
        prop_assert!(check_token(&text).is_err());
        let encoded = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        prop_assert!(check_token(&encoded).is_err());
    }
}
