//! The policies that people bring with them, each with our verdict (`guide.txt`).

use serde_json::json;

use super::decisions::policy;
use crate::*;

fn tables() -> Vec<TableShape> {
    let table = |name: &str, columns: &str| TableShape {
        name: name.parse().unwrap(),
        columns: columns.split(", ").map(column).collect(),
        unique_together: Vec::new(),
    };
    vec![
        table(
            "posts",
            "id bigint, user_id uuid, team_id uuid?, owner text, status text?, is_public boolean, \
             created_at timestamptz, bucket_id text, name text, tags text[]",
        ),
        table("team_user", "team_id uuid, user_id uuid, role text"),
        table("teams", "id uuid, name text"),
        table("roles_table", "user_id uuid, role text"),
        table("mfa_factors", "user_id uuid, status text"),
    ]
}

fn column(text: &str) -> ColumnShape {
    let (name, ty) = text.split_once(' ').unwrap();
    ColumnShape {
        name: name.parse().unwrap(),
        ty: ty.trim_end_matches('?').parse().unwrap(),
        nullable: ty.ends_with('?'),
        has_default: false,
        primary_key: name == "id",
        unique: false,
        values: None,
    }
}

#[test]
fn every_documented_policy_is_accepted_or_told_what_to_write() {
    let lines = include_str!("guide.txt").lines();
    let cases = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut wrong = Vec::new();
    for line in cases {
        let (condition, expected) = line.split_once(" ==> ").unwrap();
        let source = policy(json!({"table": "posts", "commands": ["select"], "using": condition}));
        let verdict = match check_policy(&source, &tables()) {
            Ok(checked) if checked.warnings().is_empty() => "ok".to_owned(),
            Ok(checked) => format!("warns: {}", checked.warnings()[0].message),
            Err(error) => error.to_string(),
        };
        let as_expected = match expected {
            "ok" => verdict == "ok",
            expected => match expected.strip_prefix("warns: ") {
                Some(warning) => verdict.starts_with("warns: ") && verdict.contains(warning),
                // Every refusal says what to write instead.
                None => verdict.contains(expected) && verdict.contains("; "),
            },
        };
        if !as_expected {
            wrong.push(format!(
                "{condition}\n  expected {expected}\n  found    {verdict}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A restrictive policy is a deny of its opposite: it holds back what is not surely true.
#[test]
fn a_restrictive_policy_is_a_deny_of_its_opposite() {
    let allow = json!({"table": "posts", "commands": ["select"], "using": "true"});
    let second_factor = json!({"table": "posts", "commands": ["select"], "effect": "deny",
        "using": "not ((select auth.jwt() ->> 'aal') = 'aal2')"});
    let schema = Schema::build(tables(), vec![policy(allow), policy(second_factor)]).unwrap();
    let check = |claims: serde_json::Value, allowed: bool| {
        let identity = super::decisions::user(claims.clone());
        let table = "posts".parse().unwrap();
        let now = Timestamp::from_unix_micros(0);
        let decided = decide(&schema, &identity, Command::Select, &table, now);
        assert_eq!(decided.is_ok(), allowed, "{claims}");
    };
    check(json!({"aal": "aal2"}), true);
    check(json!({"aal": "aal1"}), false);
    check(json!({}), false);
}
