use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Map;

use super::*;
use crate::keys::{Audience, ControlToken, Grant, KeyRing, SigningKey, token};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &[u8] = b"fedcba9876543210fedcba9876543210";
const PROJECT: Uuid = Uuid::from_u128(7);
const HOUR: Duration = Duration::from_secs(3600);
const ONE: Option<Wish> = Some(Wish::Number(1));

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn callers() -> Callers {
    let dir = tempfile::tempdir().unwrap();
    let ring = KeyRing::create(&dir.path().join("keys.json")).unwrap();
    Callers {
        authority: ControlAuthority::new(&ring),
        known: KnownTokens::default(),
        key_sets: KeySets::default(),
    }
}

fn user_token(secret: &[u8], audience: Audience) -> String {
    let grant = Grant {
        subject: "alice".to_owned(),
        audience,
        lifetime: HOUR,
        claims: Map::new(),
    };
    let key = SigningKey::hs256(secret).unwrap();
    token::issue(&key, grant, now())
        .unwrap()
        .expose()
        .to_owned()
}

fn control_token(authority: &ControlAuthority, role: ControlRole) -> String {
    let operator = ControlToken {
        subject: "op".to_owned(),
        role,
    };
    authority
        .issue(operator, HOUR, now())
        .unwrap()
        .expose()
        .to_owned()
}

struct Case<'a> {
    callers: &'a Callers,
    wish: Option<Wish>,
    later: TimeDelta,
}

impl Case<'_> {
    fn ask(&self, values: &[&str]) -> Result<Caller, AuthError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        let trust = Trust {
            project: PROJECT,
            environment: Environment::Dev,
            jwt_secret: SECRET,
            providers: &[],
            api_keys: &Keys::default(),
            function: &"hello".parse().unwrap(),
            callers: self.callers,
        };
        authenticate(&headers, &trust, self.wish, now() + self.later)
    }

    fn status(&self, values: &[&str]) -> (u16, &'static str) {
        let problem = Problem::from(self.ask(values).unwrap_err());
        (problem.status().as_u16(), problem.code.as_str())
    }
}

#[test]
fn a_users_token_is_an_identity_and_no_token_is_nobody() {
    let callers = callers();
    let case = Case {
        callers: &callers,
        wish: None,
        later: TimeDelta::zero(),
    };
    let token = user_token(SECRET, Audience::Project(PROJECT));
    let caller = case.ask(&[&format!("Bearer {token}")]).unwrap();
    assert_eq!(caller.identity.subject(), Some("alice"));
    assert_eq!(caller.credential, Credential::Project);
    for nobody in [&[][..], &["Basic YTpi"]] {
        let caller = case.ask(nobody).unwrap();
        assert_eq!(caller.identity, Identity::Anonymous);
        assert_eq!(caller.credential, Credential::None);
    }
}

#[test]
fn a_token_that_is_there_must_be_good() {
    let callers = callers();
    let case = Case {
        callers: &callers,
        wish: None,
        later: TimeDelta::zero(),
    };
    let good = user_token(SECRET, Audience::Project(PROJECT));
    let forged = user_token(OTHER_SECRET, Audience::Project(PROJECT));
    let elsewhere = user_token(SECRET, Audience::Project(Uuid::from_u128(8)));
    let posing = user_token(SECRET, Audience::Control);
    for bad in [
        "",
        "x",
        "a.b.c",
        &forged,
        &elsewhere,
        &posing,
        &format!("{good}x"),
    ] {
        assert_eq!(
            case.status(&[&format!("Bearer {bad}")]),
            (401, "invalid_token"),
            "{bad}"
        );
    }
    let twice = format!("Bearer {good}");
    assert_eq!(case.status(&[&twice, &twice]), (401, "invalid_token"));
    let late = Case {
        later: TimeDelta::hours(2),
        ..case
    };
    assert_eq!(late.status(&[&twice]), (401, "expired_token"));
}

#[test]
fn an_operators_token_unlocks_versions_and_is_never_an_identity() {
    let callers = callers();
    let admin = format!(
        "Bearer {}",
        control_token(&callers.authority, ControlRole::Admin)
    );
    let viewer = format!(
        "Bearer {}",
        control_token(&callers.authority, ControlRole::Viewer)
    );
    let plain = Case {
        callers: &callers,
        wish: None,
        later: TimeDelta::zero(),
    };
    assert_eq!(plain.ask(&[&admin]), Err(AuthError::ControlToken));
    let preview = Case { wish: ONE, ..plain };
    let caller = preview.ask(&[&admin]).unwrap();
    assert_eq!(caller.identity, Identity::Anonymous);
    assert_eq!(
        caller.credential,
        Credential::Control(Right::Signed(ControlRole::Admin))
    );
    assert_eq!(preview.ask(&[&viewer]), Err(AuthError::ControlToken));
}
