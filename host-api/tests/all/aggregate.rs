//! Counting and summing up.

use koyalite_host_api::error::ErrorKind;
use koyalite_host_api::tables::{
    AggregateQuery, CountQuery, Measure, OrderKey, Summary, aggregate, count,
};
use koyalite_policy::{Command, Identity};

use crate::support::{Owner, TestDatabase, TestProject, filter, policy};

const COLUMNS: &[&str] = &[
    "id bigint primary key",
    "owner_id uuid not null",
    "kind text",
    "size bigint not null",
    "price numeric",
    "weight float8",
    "at timestamptz",
    "meta jsonb",
];

async fn sales(db: &TestDatabase, owner: &Owner) -> TestProject {
    let own = policy("sales", &[Command::Select], "owner_id = auth.uid()");
    let demo = db.project(&[("sales", COLUMNS)], vec![own]).await;
    let fill = format!(
        "INSERT INTO {0}.sales VALUES
         (1, '{1}', 'a', 9007199254740993, 0.10, 1, '2024-01-01Z', '1'),
         (2, '{1}', 'a', 2, 0.20, 'NaN', NULL, NULL),
         (3, '{1}', NULL, 3, NULL, NULL, '2024-01-02Z', NULL),
         (4, gen_random_uuid(), 'a', 9223372036854775807, 1000, 1e308, 'infinity', NULL),
         (5, gen_random_uuid(), 'z', 9223372036854775807, 1000, 1e308, 'infinity', NULL)",
        demo.access.schema, owner.id
    );
    db.admin.batch_execute(&fill).await.unwrap();
    demo
}

fn measure(summary: Summary, column: &str) -> Measure {
    Measure {
        summary,
        column: (column != "*").then(|| column.to_owned()),
        name: format!("{summary:?}_{}", column.replace('*', "rows")).to_lowercase(),
    }
}

fn of(measures: Vec<Measure>) -> AggregateQuery {
    AggregateQuery {
        table: "sales".into(),
        measures,
        ..AggregateQuery::default()
    }
}

#[tokio::test]
async fn only_rows_that_may_be_read_are_counted() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = sales(&db, &ann).await;
    let check = async |text: &str, expected: u64| {
        let query = CountQuery {
            table: "sales".into(),
            filter: filter(text, vec![]),
        };
        assert_eq!(
            count(&demo.project, &ann.identity, query).await.unwrap(),
            expected
        );
    };
    check("", 3).await;
    check("kind = 'a'", 2).await;
    check("kind = 'z' or true", 3).await;
    let statements = db.databases.statements();
    check("1 = 2", 0).await;
    assert_eq!(db.databases.statements(), statements);
    let query = CountQuery {
        table: "sales".into(),
        ..CountQuery::default()
    };
    let error = count(&demo.project, &Identity::Anonymous, query)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Denied, "denied_by_claims")
    );
}

#[tokio::test]
async fn measures_are_exact_and_know_no_hidden_row() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = sales(&db, &ann).await;
    let query = of(vec![
        measure(Summary::Count, "*"),
        measure(Summary::Count, "price"),
        measure(Summary::Sum, "size"),
        measure(Summary::Sum, "price"),
        measure(Summary::Avg, "price"),
        measure(Summary::Max, "weight"),
        measure(Summary::Min, "kind"),
        measure(Summary::Max, "at"),
    ]);
    let answer = aggregate(&demo.project, &ann.identity, query)
        .await
        .unwrap();
    let expected = concat!(
        r#"[{"count_rows":3,"count_price":2,"sum_size":9007199254740998,"sum_price":0.30,"#,
        r#""avg_price":0.15000000000000000000,"max_weight":"NaN","min_kind":"a","#,
        r#""max_at":"2024-01-02T00:00:00Z"}]"#
    );
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn groups_are_answered_in_the_order_asked_for() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = sales(&db, &ann).await;
    let query = AggregateQuery {
        group_by: vec!["kind as sort".into()],
        order: vec![
            OrderKey::descending("count_rows"),
            OrderKey::ascending("sort"),
        ],
        ..of(vec![measure(Summary::Count, "*")])
    };
    let ask = async |query| {
        aggregate(&demo.project, &ann.identity, query)
            .await
            .unwrap()
    };
    let expected = r#"[{"sort":"a","count_rows":2},{"sort":null,"count_rows":1}]"#;
    assert_eq!(ask(query.clone()).await, expected);
    let one = AggregateQuery {
        limit: Some(1),
        ..query.clone()
    };
    assert_eq!(ask(one).await, r#"[{"sort":"a","count_rows":2}]"#);
    let none = AggregateQuery {
        filter: filter("1 = 2", vec![]),
        ..query
    };
    assert_eq!(ask(none.clone()).await, "[]");
    let whole = AggregateQuery {
        group_by: vec![],
        order: vec![],
        ..none
    };
    assert_eq!(ask(whole).await, r#"[{"count_rows":0}]"#, "as SQL has it");
}

#[tokio::test]
async fn what_cannot_be_summed_up_is_refused_before_postgres() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = sales(&db, &ann).await;
    let check = async |query: AggregateQuery, expected: &str| {
        let answer = aggregate(&demo.project, &ann.identity, query).await;
        assert_eq!(answer.unwrap_err().code(), expected);
    };
    let all = || measure(Summary::Count, "*");
    check(of(vec![]), "invalid_aggregate").await;
    check(of(vec![measure(Summary::Sum, "*")]), "invalid_aggregate").await;
    check(of(vec![measure(Summary::Sum, "kind")]), "invalid_aggregate").await;
    check(of(vec![measure(Summary::Max, "meta")]), "invalid_aggregate").await;
    check(of(vec![measure(Summary::Sum, "colour")]), "unknown_column").await;
    check(of(vec![all(), all()]), "repeated_column").await;
    check(of(vec![all(); 65]), "too_many_measures").await;
    let named = Measure {
        name: "a\", (select 1) as \"b".into(),
        ..all()
    };
    check(of(vec![named]), "invalid_name").await;
    let order = AggregateQuery {
        order: vec![OrderKey::ascending("size")],
        ..of(vec![all()])
    };
    check(order, "invalid_aggregate").await;
    let group = AggregateQuery {
        group_by: vec!["colour".into()],
        ..of(vec![all()])
    };
    check(group, "unknown_column").await;
    assert_eq!(db.databases.statements(), 0);
}
