//! Every column type from JSON to Postgres and back.

use koyalite_host_api::tables::{InsertQuery, OrderKey, SelectQuery, insert, select};
use koyalite_policy::{Command, Identity, Value};
use serde_json::{Value as Json, json};

use crate::support::{TestDatabase, TestProject, filter, policy, rows};

const COLUMNS: &[&str] = &[
    "id bigint primary key",
    "b boolean",
    "i integer",
    "l bigint",
    "f float8",
    "n numeric",
    "t text",
    "u uuid",
    "ts timestamptz",
    "d date",
    "j jsonb",
    "s smallint",
    "r real",
    "by bytea",
    "tm time",
    "js json",
    "ia bigint[]",
    "na numeric[]",
    "ta text[]",
    "ra real[]",
    "tsa timestamptz[]",
    "bya bytea[]",
    "tma time[]",
    "ua uuid[]",
    "ba boolean[]",
    "ja jsonb[]",
    "jsa json[]",
];

async fn samples(db: &TestDatabase) -> TestProject {
    let open = policy("samples", &Command::ALL, "true");
    db.project(&[("samples", COLUMNS)], vec![open]).await
}

async fn write(demo: &TestProject, rows: &str) {
    let query = InsertQuery {
        table: "samples".into(),
        rows: rows.to_owned(),
        ..InsertQuery::default()
    };
    insert(&demo.project, &Identity::Anonymous, query)
        .await
        .unwrap();
}

async fn column(demo: &TestProject, name: &str) -> String {
    let query = SelectQuery {
        table: "samples".into(),
        columns: vec![name.to_owned()],
        order: vec![OrderKey::ascending("id")],
        ..SelectQuery::default()
    };
    select(&demo.project, &Identity::Anonymous, query)
        .await
        .unwrap()
}

/// Column, what a guest writes, what a guest reads.
const CASES: &[(&str, &str, &str)] = &[
    ("b", "true", "true"),
    ("b", "\"false\"", "false"),
    ("i", "-2147483648", "-2147483648"),
    ("l", "9007199254740991", "9007199254740991"),
    ("l", "9007199254740993", "\"9007199254740993\""),
    ("l", "\"-9223372036854775808\"", "\"-9223372036854775808\""),
    ("f", "1", "1.0"),
    ("f", "-0.0", "-0.0"),
    ("f", "5e-324", "5e-324"),
    ("f", "\"NaN\"", "\"NaN\""),
    ("f", "\"-Infinity\"", "\"-Infinity\""),
    (
        "n",
        "123456789012345678901234567890.12345678901234567890",
        "123456789012345678901234567890.12345678901234567890",
    ),
    ("n", "0.000000001", "0.000000001"),
    ("n", "-10000", "-10000"),
    ("n", "1.50", "1.50"),
    ("n", "\"NaN\"", "\"NaN\""),
    ("n", "\"Infinity\"", "\"Infinity\""),
    ("t", r#""""#, r#""""#),
    (
        "t",
        r#""a\"\\\n\u0001 k\u00e4se 🧀""#,
        "\"a\\\"\\\\\\n\\u0001 käse 🧀\"",
    ),
    (
        "u",
        "\"123E4567-E89B-12D3-A456-426614174000\"",
        "\"123e4567-e89b-12d3-a456-426614174000\"",
    ),
    (
        "ts",
        "\"2024-02-29T23:30:00.5+01:00\"",
        "\"2024-02-29T22:30:00.500000Z\"",
    ),
    ("ts", "\"1969-12-31T23:59:59Z\"", "\"1969-12-31T23:59:59Z\""),
    ("ts", "\"infinity\"", "\"infinity\""),
    ("d", "\"2024-02-29\"", "\"2024-02-29\""),
    ("d", "\"0001-01-01\"", "\"0001-01-01\""),
    ("d", "\"-infinity\"", "\"-infinity\""),
    (
        "j",
        r#"{"b": [1, 2.50, null], "a": "\u00e4"}"#,
        r#"{"a": "ä", "b": [1, 2.50, null]}"#,
    ),
    ("j", "\"text\"", "\"text\""),
    (
        "j",
        "123456789012345678901234567890",
        "123456789012345678901234567890",
    ),
    ("j", r#""\\u0000""#, r#""\\u0000""#),
    ("j", "null", "null"),
    ("s", "-32768", "-32768"),
    ("r", "0.1", "0.1"),
    ("r", "3.4028235e38", "3.4028235e38"),
    ("r", "\"-Infinity\"", "\"-Infinity\""),
    ("by", "\"AP+A\"", "\"AP+A\""),
    ("by", "\"\"", "\"\""),
    ("tm", "\"23:59:59.000001\"", "\"23:59:59.000001\""),
    ("tm", "\"00:00:00\"", "\"00:00:00\""),
    (
        "js",
        r#"{"b": [1, 2.50, null],  "a": 0.10000000000000000001}"#,
        r#"{"b": [1, 2.50, null],  "a": 0.10000000000000000001}"#,
    ),
    ("ia", "[]", "[]"),
    (
        "ia",
        "[1, null, \"9223372036854775807\", 9007199254740993]",
        "[1,null,\"9223372036854775807\",\"9007199254740993\"]",
    ),
    (
        "na",
        "[12345678901234567890.1234567890, \"NaN\", 1e3, null]",
        "[12345678901234567890.1234567890,\"NaN\",1000,null]",
    ),
    (
        "ta",
        r#"["a\"b", "", "NULL", null, "{x}"]"#,
        r#"["a\"b","","NULL",null,"{x}"]"#,
    ),
    ("ra", "[0.1, 1]", "[0.1,1.0]"),
    (
        "tsa",
        "[\"2024-02-29T23:30:00.5+01:00\"]",
        "[\"2024-02-29T22:30:00.500000Z\"]",
    ),
    ("bya", "[\"AP+A\", null]", "[\"AP+A\",null]"),
    ("tma", "[\"12:00:00\"]", "[\"12:00:00\"]"),
    (
        "ua",
        "[\"123E4567-E89B-12D3-A456-426614174000\"]",
        "[\"123e4567-e89b-12d3-a456-426614174000\"]",
    ),
    ("ba", "[true, null, false]", "[true,null,false]"),
    (
        "ja",
        r#"[{"a": 0.10000000000000000001}, null, "x", [1]]"#,
        r#"[{"a": 0.10000000000000000001},null,"x",[1]]"#,
    ),
    ("jsa", r#"[{"b":1,  "a":1}]"#, r#"[{"b":1,  "a":1}]"#),
    ("t", "null", "null"),
];

#[tokio::test]
async fn every_type_reads_back_as_documented() {
    let db = TestDatabase::new().await;
    let demo = samples(&db).await;
    for (name, written, read) in CASES {
        write(&demo, &format!("[{{\"id\": 1, \"{name}\": {written}}}]")).await;
        assert_eq!(
            column(&demo, name).await,
            format!("[{{\"{name}\":{read}}}]"),
            "{written}"
        );
        let clear = format!("TRUNCATE {}.samples", demo.access.schema);
        db.admin.batch_execute(&clear).await.unwrap();
        // Several rows travel as one array a column.
        let several = format!(
            "[{{\"id\": 1, \"{name}\": {written}}}, {{\"id\": 2, \"{name}\": null}}, \
              {{\"id\": 3, \"{name}\": {written}}}]"
        );
        write(&demo, &several).await;
        let nothing = format!("{{\"{name}\":null}}");
        assert_eq!(
            column(&demo, name).await,
            format!("[{{\"{name}\":{read}}},{nothing},{{\"{name}\":{read}}}]"),
            "{written}"
        );
        db.admin.batch_execute(&clear).await.unwrap();
    }
}

#[tokio::test]
async fn times_that_only_postgres_can_make_are_written_too() {
    let db = TestDatabase::new().await;
    let demo = samples(&db).await;
    let fill = format!(
        "INSERT INTO {0}.samples (id, d, ts) VALUES (1, '0044-03-15 BC', '294276-12-31 23:59:59+00'),
         (2, '5874897-12-31', '4713-01-01 00:00:00+00 BC')",
        demo.access.schema
    );
    db.admin.batch_execute(&fill).await.unwrap();
    assert_eq!(
        column(&demo, "d").await,
        r#"[{"d":"-000043-03-15"},{"d":"+5874897-12-31"}]"#
    );
    let expected = r#"[{"ts":"+294276-12-31T23:59:59Z"},{"ts":"-004712-01-01T00:00:00Z"}]"#;
    assert_eq!(column(&demo, "ts").await, expected);
}

#[tokio::test]
async fn every_type_can_be_a_filters_parameter_and_a_list_of_them() {
    let db = TestDatabase::new().await;
    let demo = samples(&db).await;
    let row = json!({
        "id": 1, "b": true, "i": 7, "l": 7, "f": 0.5, "n": 0.5, "t": "x",
        "u": "123e4567-e89b-12d3-a456-426614174000",
        "ts": "2024-01-01T00:00:00Z", "d": "2024-01-01",
    });
    write(&demo, &json!([row]).to_string()).await;
    let text = |text: &str| Value::Text(text.to_owned());
    let uuid = row["u"].as_str().unwrap();
    for (column, param) in [
        ("b", Value::Boolean(true)),
        ("i", Value::Integer(7)),
        ("l", Value::Integer(7)),
        ("f", Value::Float(0.5)),
        ("n", Value::Float(0.5)),
        ("n", Value::Numeric("0.50".to_owned())),
        ("t", text("x")),
        ("u", text(uuid)),
        ("ts", text("2024-01-01T01:00:00+01:00")),
        ("d", text("2024-01-01")),
    ] {
        let list = Value::List(vec![Value::Null, param.clone()]);
        for (condition, param) in [("=", param), ("= any", list)] {
            let text = match condition {
                "=" => format!("{column} = $1"),
                _ => format!("{column} = any($1)"),
            };
            let query = SelectQuery {
                table: "samples".into(),
                columns: vec!["id".into()],
                filter: filter(&text, vec![param]),
                ..SelectQuery::default()
            };
            let answer = rows(select(&demo.project, &Identity::Anonymous, query).await);
            assert_eq!(answer, json!([{"id": 1}]), "{text}");
        }
    }
}

#[tokio::test]
async fn an_answer_is_json_for_any_text() {
    let db = TestDatabase::new().await;
    let demo = samples(&db).await;
    let texts: Vec<String> = (1..=0x2FFu32)
        .filter_map(char::from_u32)
        .map(|c| format!("{c}\u{2028}\u{fffd}{c}"))
        .collect();
    let all: Vec<_> = (1..)
        .zip(&texts)
        .map(|(id, t)| json!({"id": id, "t": t}))
        .collect();
    write(&demo, &json!(all).to_string()).await;
    let answer: Json = serde_json::from_str(&column(&demo, "t").await).unwrap();
    let read: Vec<_> = answer
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["t"].as_str())
        .collect();
    assert_eq!(
        read,
        texts
            .iter()
            .map(|text| Some(text.as_str()))
            .collect::<Vec<_>>()
    );
}
