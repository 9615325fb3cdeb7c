//! Tokens: text of any kind, and tokens with a good signature over claims of any kind. Nothing
//! panics, and no text passes that the key did not sign for this audience.
#![no_main]

use chrono::DateTime;
use koyalite_runtime::keys::{Audience, TrustedKey, bearer, token};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_800_000_000;

fuzz_target!(|input: (u8, &str)| {
    let (kind, text) = input;
    let key = TrustedKey::hs256(SECRET).expect("the key is long enough");
    let Some(now) = DateTime::from_timestamp(NOW, 0) else {
        return;
    };
    let audience = Audience::Project(Uuid::from_u128(7));
    if let Ok(header) = http::HeaderValue::from_str(text) {
        let _ = bearer(&header);
    }
    let verified = token::verify(text, &key, audience, now);
    assert!(verified.is_err(), "unsigned text passed: {text}");
    if kind % 2 == 0 {
        // Signed as the owner of the secret can: the claims are anybody's.
        let claims = serde_json::from_str::<serde_json::Value>(text);
        if let Ok(claims) = claims
            && let Some(signed) = signed(&claims)
            && let Ok(verified) = token::verify(&signed, &key, audience, now)
        {
            assert_eq!(
                claims["aud"],
                "project:00000000-0000-0000-0000-000000000007"
            );
            assert_eq!(claims["sub"], verified.subject.as_str());
        }
    }
});

fn signed(claims: &serde_json::Value) -> Option<String> {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).ok()
}
