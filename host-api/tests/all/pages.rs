//! Answers by other names, orders with nulls, and pages.

use std::collections::BTreeSet;

use koyalite_host_api::tables::{Nulls, OrderKey, SelectQuery, select, select_page};
use koyalite_policy::{Command, Identity};
use serde_json::{Value as Json, json};

use crate::support::{TestDatabase, TestProject, filter, policy, rows};

const COLUMNS: &[&str] = &[
    "id bigint primary key",
    "word text",
    "rank integer not null",
    "score float8",
    "price numeric",
    "at timestamptz",
    "meta jsonb",
];

const FILL: &str = "INSERT INTO samples SELECT i,
    (ARRAY['a', 'b', NULL, 'B', 'ä'])[i % 5 + 1], i % 3,
    (ARRAY['NaN', 'Infinity', 0.1, NULL, -0.0])[i % 5 + 1]::float8,
    CASE WHEN i % 4 > 0 THEN i % 4 + 0.10 END,
    CASE WHEN i % 6 > 0 THEN timestamptz '2024-01-01' + i % 6 * interval '1 us' END
    FROM generate_series(1, 47) AS i";

async fn samples(db: &TestDatabase) -> TestProject {
    let visible = policy("samples", &[Command::Select], "id <> 13");
    let demo = db.project(&[("samples", COLUMNS)], vec![visible]).await;
    let fill = format!("SET search_path = {}; {FILL}", demo.access.schema);
    db.admin.batch_execute(&fill).await.unwrap();
    demo
}

fn query(order: Vec<OrderKey>, limit: u32) -> SelectQuery {
    SelectQuery {
        table: "samples".into(),
        columns: vec!["id".into()],
        order,
        limit: Some(limit),
        ..SelectQuery::default()
    }
}

async fn code(demo: &TestProject, query: &SelectQuery, after: Option<&str>) -> &'static str {
    let answer = select_page(&demo.project, &Identity::Anonymous, query, after).await;
    answer.unwrap_err().code()
}

#[tokio::test]
async fn a_column_is_answered_under_another_name() {
    let db = TestDatabase::new().await;
    let demo = samples(&db).await;
    let named = |columns: &[&str]| SelectQuery {
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        filter: filter("id = 2", vec![]),
        ..query(vec![OrderKey::descending("rank")], 1)
    };
    let ask = async |columns| select(&demo.project, &Identity::Anonymous, named(columns)).await;
    let answer = ask(&["rank as id", "id as someKey", "id as other"]).await;
    assert_eq!(answer.unwrap(), r#"[{"id":2,"someKey":2,"other":2}]"#);
    let check = async |columns, expected: &str| {
        assert_eq!(
            ask(columns).await.unwrap_err().code(),
            expected,
            "{columns:?}"
        );
    };
    check(&["id", "rank as id"], "repeated_column").await;
    check(&["id as "], "invalid_name").await;
    check(&["id as a b"], "invalid_name").await;
    check(&["id as x\", password as \"y"], "invalid_name").await;
    check(&["id as 1st"], "invalid_name").await;
    check(&["secret as id"], "unknown_column").await;
    check(&["t.id as id"], "unknown_column").await;
    // A name of the answer is none in a filter or an order.
    let aliased = SelectQuery {
        columns: vec!["id as hidden".into()],
        ..query(vec![OrderKey::ascending("hidden")], 1)
    };
    let answer = select(&demo.project, &Identity::Anonymous, aliased).await;
    assert_eq!(answer.unwrap_err().code(), "unknown_column");
}

#[tokio::test]
async fn nulls_go_where_the_order_says() {
    let db = TestDatabase::new().await;
    let demo = samples(&db).await;
    let check = async |key: OrderKey, expected: Json| {
        let query = SelectQuery {
            columns: vec!["word".into()],
            filter: filter("id < 6", vec![]),
            ..query(vec![key.clone()], 2)
        };
        let answer = rows(select(&demo.project, &Identity::Anonymous, query).await);
        assert_eq!(answer, expected, "{key:?}");
    };
    let word = || OrderKey::ascending("word");
    let back = || OrderKey::descending("word");
    check(word(), json!([{"word": "B"}, {"word": "a"}])).await;
    check(
        word().nulls(Nulls::First),
        json!([{"word": null}, {"word": "B"}]),
    )
    .await;
    check(back(), json!([{"word": null}, {"word": "ä"}])).await;
    check(
        back().nulls(Nulls::Last),
        json!([{"word": "ä"}, {"word": "b"}]),
    )
    .await;
}

#[tokio::test]
async fn pages_together_are_the_whole_in_every_order() {
    let db = TestDatabase::new().await;
    let demo = samples(&db).await;
    let mut orders = vec![vec![], vec![OrderKey::descending("id")]];
    for column in ["word", "rank", "score", "price", "at"] {
        for nulls in [None, Some(Nulls::First), Some(Nulls::Last)] {
            for key in [OrderKey::ascending(column), OrderKey::descending(column)] {
                let key = OrderKey { nulls, ..key };
                orders.push(vec![key.clone()]);
                if column != "rank" {
                    orders.push(vec![OrderKey::descending("rank"), key]);
                }
            }
        }
    }
    for order in orders {
        let mut complete = order.clone();
        let last = order.last().cloned().unwrap_or(OrderKey::ascending("id"));
        complete.push(OrderKey {
            column: "id".into(),
            nulls: None,
            ..last
        });
        let whole = select(&demo.project, &Identity::Anonymous, query(complete, 100)).await;
        let whole = rows(whole);
        let (mut all, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = query(order.clone(), 7);
            let page = select_page(&demo.project, &Identity::Anonymous, &page, after.as_deref())
                .await
                .unwrap();
            let answered: Json = serde_json::from_str(&page.rows).unwrap();
            all.extend(answered.as_array().unwrap().clone());
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(Json::from(all), whole, "{order:?}");
        assert_eq!(pages, 7, "46 rows by 7: {order:?}");
    }
}

#[tokio::test]
async fn a_page_that_ends_with_the_last_row_has_no_next() {
    let db = TestDatabase::new().await;
    let demo = samples(&db).await;
    let page = query(vec![], 46);
    let page = select_page(&demo.project, &Identity::Anonymous, &page, None).await;
    assert_eq!(page.unwrap().next, None);
    let nothing = SelectQuery {
        filter: filter("id < 0", vec![]),
        ..query(vec![], 46)
    };
    let page = select_page(&demo.project, &Identity::Anonymous, &nothing, None).await;
    let page = page.unwrap();
    assert_eq!((page.rows.as_str(), page.next), ("[]", None));
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_table_and_order_only() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let db = TestDatabase::new().await;
    let demo = samples(&db).await;
    let by_word = query(vec![OrderKey::ascending("word")], 3);
    let first = select_page(&demo.project, &Identity::Anonymous, &by_word, None).await;
    let cursor = first.unwrap().next.unwrap();
    let other = query(vec![OrderKey::descending("word")], 3);
    assert_eq!(code(&demo, &other, Some(&cursor)).await, "invalid_cursor");
    assert_eq!(
        code(&demo, &query(vec![], 3), Some(&cursor)).await,
        "invalid_cursor"
    );

    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(&cursor).unwrap()).unwrap();
    let mut wrong: BTreeSet<String> = ["", "x", "====", "\0", "é"].map(str::to_owned).into();
    for text in [
        plain.replace("\"B\"", "1"),
        plain.replace("\"B\"", "\"\\u0000\""),
        plain.replace("\"B\"", "\"B\",1"),
        plain.replace("\"B\"", "\"B\"]]"),
        plain.replace("samples", "other"),
        plain.replace("\"1\"", "\"2\""),
        plain.replace("\"B\",", ""),
        plain.replace("\"B\"", "\"B\" OR true"),
        format!("{}{}", "[".repeat(4000), plain),
    ] {
        assert_ne!(text, plain);
        wrong.insert(URL_SAFE_NO_PAD.encode(text));
    }
    for end in 0..cursor.len() {
        wrong.insert(cursor[..end].to_owned());
    }
    wrong.insert("A".repeat(1 << 20));
    for text in &wrong {
        assert_eq!(
            code(&demo, &by_word, Some(text)).await,
            "invalid_cursor",
            "{text:.80}"
        );
    }
}

#[tokio::test]
async fn pages_need_columns_with_an_order_and_a_key() {
    let db = TestDatabase::new().await;
    let demo = samples(&db).await;
    let by_meta = query(vec![OrderKey::ascending("meta")], 3);
    assert_eq!(code(&demo, &by_meta, None).await, "unordered_column");
    let open = policy("bare", &Command::ALL, "true");
    let bare = db.project(&[("bare", &["id integer"])], vec![open]).await;
    let page = SelectQuery {
        table: "bare".into(),
        ..query(vec![], 3)
    };
    assert_eq!(code(&bare, &page, None).await, "no_primary_key");
}
