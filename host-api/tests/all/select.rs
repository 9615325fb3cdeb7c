//! Reading rows.

use koyalite_host_api::error::{ErrorKind, HostError};
use koyalite_host_api::invocation::Project;
use koyalite_host_api::limits::SELECT_ROWS;
use koyalite_host_api::tables::{InsertQuery, OrderKey, SelectQuery, insert, select};
use koyalite_policy::{Command, Identity, Value};
use serde_json::json;

use crate::support::{Owner, TestDatabase, TestProject, filter, policy, rows};

async fn with_todos(db: &TestDatabase, owner: &Owner, titles: &[&str]) -> TestProject {
    let demo = db.todos().await;
    demo.add_todos(owner, 1, titles).await;
    demo
}

fn all() -> SelectQuery {
    SelectQuery {
        table: "todos".into(),
        ..SelectQuery::default()
    }
}

fn titles() -> SelectQuery {
    let order = vec![OrderKey::ascending("title")];
    SelectQuery {
        columns: vec!["title".into()],
        order,
        ..all()
    }
}

#[tokio::test]
async fn a_select_answers_columns_filter_order_and_limit_as_asked() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = with_todos(&db, &ann, &["c", "a", "b", "d"]).await;
    let query = SelectQuery {
        columns: vec!["title".into(), "id".into()],
        filter: filter("title <> $1 and not done", vec![Value::Text("d".into())]),
        order: vec![OrderKey::descending("title")],
        limit: Some(2),
        ..all()
    };
    let answer = select(&demo.project, &ann.identity, query).await.unwrap();
    assert_eq!(answer, r#"[{"title":"c","id":1},{"title":"b","id":3}]"#);

    let everything = SelectQuery {
        filter: filter("id = 2", vec![]),
        ..all()
    };
    let answer = rows(select(&demo.project, &ann.identity, everything).await);
    let expected =
        json!([{"id": 2, "owner_id": ann.id, "title": "a", "done": false, "note": null}]);
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn a_list_is_one_parameter() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = with_todos(&db, &ann, &["a", "b", "c"]).await;
    let list = Value::List(vec![Value::Integer(1), Value::Integer(3), Value::Null]);
    let query = SelectQuery {
        filter: filter("id = any($1)", vec![list]),
        ..titles()
    };
    let answer = rows(select(&demo.project, &ann.identity, query).await);
    assert_eq!(answer, json!([{"title": "a"}, {"title": "c"}]));
}

#[tokio::test]
async fn two_users_see_only_their_own_rows() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = with_todos(&db, &ann, &["ann's"]).await;
    let query = InsertQuery {
        table: "todos".into(),
        rows: json!([bob.todo(7, "bob's")]).to_string(),
        ..InsertQuery::default()
    };
    insert(&demo.project, &bob.identity, query).await.unwrap();
    for (owner, title) in [(&ann, "ann's"), (&bob, "bob's")] {
        let answer = rows(select(&demo.project, &owner.identity, titles()).await);
        assert_eq!(answer, json!([{ "title": title }]));
        // A filter narrows; it can not widen.
        let query = SelectQuery {
            filter: filter("true or id > 0", vec![]),
            ..titles()
        };
        let answer = rows(select(&demo.project, &owner.identity, query).await);
        assert_eq!(answer, json!([{ "title": title }]));
    }
}

#[tokio::test]
async fn an_anonymous_caller_is_refused_without_asking_postgres() {
    let db = TestDatabase::new().await;
    let demo = with_todos(&db, &Owner::new(), &["a"]).await;
    let (statements, decided) = (
        db.databases.statements(),
        db.databases.decided_without_database(),
    );
    let error = select(&demo.project, &Identity::Anonymous, all())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Denied, "denied_by_claims")
    );
    assert_eq!(db.databases.statements(), statements);
    assert_eq!(db.databases.decided_without_database(), decided + 1);
}

#[tokio::test]
async fn a_filter_that_can_match_nothing_is_answered_without_asking_postgres() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = with_todos(&db, &ann, &["a"]).await;
    let statements = db.databases.statements();
    for query in [
        SelectQuery {
            filter: filter("1 = 2", vec![]),
            ..all()
        },
        SelectQuery {
            limit: Some(0),
            ..all()
        },
    ] {
        assert_eq!(
            rows(select(&demo.project, &ann.identity, query).await),
            json!([])
        );
    }
    assert_eq!(db.databases.statements(), statements);
}

#[tokio::test]
async fn a_table_without_a_policy_answers_nobody() {
    let db = TestDatabase::new().await;
    let demo = db
        .project(&[("todos", crate::support::TODOS)], vec![])
        .await;
    let error = select(&demo.project, &Owner::new().identity, all())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Denied, "no_policy")
    );
}

#[tokio::test]
async fn what_is_not_there_or_not_understood_is_named() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let check = async |query: SelectQuery, kind: ErrorKind, code: &str, word: &str| {
        let error: HostError = select(&demo.project, &ann.identity, query)
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (kind, code),
            "{}",
            error.message()
        );
        assert!(
            error.message().contains(word),
            "{} lacks {word}",
            error.message()
        );
    };
    let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let not_found = ErrorKind::NotFound;
    let table = |name: &str| SelectQuery {
        table: name.into(),
        ..all()
    };
    check(table("nope"), not_found, "unknown_table", "nope").await;
    check(
        table("todos\"; drop table todos; --"),
        not_found,
        "unknown_table",
        "table",
    )
    .await;
    check(table(""), not_found, "unknown_table", "table").await;
    let query = SelectQuery {
        columns: columns(&["id", "colour"]),
        ..all()
    };
    check(query, not_found, "unknown_column", "colour").await;
    let query = SelectQuery {
        columns: columns(&["id", "id"]),
        ..all()
    };
    check(query, ErrorKind::Invalid, "repeated_column", "id").await;
    let query = SelectQuery {
        order: vec![OrderKey::ascending("1; --")],
        ..all()
    };
    check(query, not_found, "unknown_column", "1; --").await;
    let query = SelectQuery {
        filter: filter("colour = 1", vec![]),
        ..all()
    };
    check(query, not_found, "unknown_column", "colour").await;
    let error = select(
        &demo.project,
        &ann.identity,
        SelectQuery {
            filter: filter("id = = 1", vec![]),
            ..all()
        },
    );
    assert_eq!(error.await.unwrap_err().kind(), ErrorKind::Invalid);
    let query = SelectQuery {
        filter: filter("id = 1", vec![Value::Integer(1)]),
        ..all()
    };
    check(query, ErrorKind::Invalid, "invalid_filter", "parameter").await;
}

#[tokio::test]
async fn an_answer_ends_at_the_hosts_own_cap() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let fill = format!(
        "INSERT INTO {}.todos (id, owner_id, title) SELECT i, '{}', 'x' FROM generate_series(1, 1200) i",
        demo.access.schema, ann.id
    );
    db.admin.batch_execute(&fill).await.unwrap();
    for limit in [None, Some(5000), Some(u32::MAX)] {
        let answer =
            rows(select(&demo.project, &ann.identity, SelectQuery { limit, ..all() }).await);
        assert_eq!(answer.as_array().unwrap().len(), SELECT_ROWS as usize);
    }
    // Or at what the function's manifest says.
    for (select_rows, limit, rows_read) in [(7, None, 7), (7, Some(3), 3), (1_100, None, 1_100)] {
        let project = Project {
            select_rows,
            ..demo.project.clone()
        };
        let answer = rows(select(&project, &ann.identity, SelectQuery { limit, ..all() }).await);
        assert_eq!(answer.as_array().unwrap().len(), rows_read);
    }
}

#[tokio::test]
async fn requests_over_a_limit_are_told_which() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let check = async |query: SelectQuery, code: &str| {
        let error = select(&demo.project, &ann.identity, query)
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Limit, code),
            "{}",
            error.message()
        );
    };
    let long = "id = 1 or ".repeat(2000) + "id = 2";
    check(
        SelectQuery {
            filter: filter(&long, vec![]),
            ..all()
        },
        "filter_too_long",
    )
    .await;
    let params = vec![Value::Null; 300];
    check(
        SelectQuery {
            filter: filter("id = $1", params),
            ..all()
        },
        "too_many_params",
    )
    .await;
    let params = vec![Value::Text("x".repeat(2 << 20))];
    check(
        SelectQuery {
            filter: filter("title = $1", params),
            ..all()
        },
        "params_too_large",
    )
    .await;
    let order = vec![OrderKey::ascending("id"); 17];
    check(SelectQuery { order, ..all() }, "too_many_order_keys").await;
    check(
        SelectQuery {
            columns: vec!["id".into(); 2000],
            ..all()
        },
        "too_many_columns",
    )
    .await;
}

#[tokio::test]
async fn an_answer_over_the_byte_limit_is_refused_and_the_project_goes_on() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let fill = format!(
        "INSERT INTO {}.todos (id, owner_id, title) SELECT i, '{}', repeat('x', 100000) \
         FROM generate_series(1, 200) i",
        demo.access.schema, ann.id
    );
    db.admin.batch_execute(&fill).await.unwrap();
    let error = select(&demo.project, &ann.identity, all())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Limit, "answer_too_large")
    );
    let query = SelectQuery {
        columns: vec!["id".into()],
        limit: Some(1),
        ..all()
    };
    assert_eq!(
        rows(select(&demo.project, &ann.identity, query).await)
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn everyone_reads_where_the_policy_says_true() {
    let db = TestDatabase::new().await;
    let open = policy("todos", &[Command::Select], "true");
    let demo = db
        .project(&[("todos", crate::support::TODOS)], vec![open])
        .await;
    assert_eq!(
        rows(select(&demo.project, &Identity::Anonymous, all()).await),
        json!([])
    );
}

#[tokio::test]
async fn a_policy_may_look_into_another_table_of_the_project() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let tables: &[(&str, &[&str])] = &[
        ("todos", crate::support::TODOS),
        ("shares", &["todo bigint not null", "reader uuid not null"]),
    ];
    let shared =
        "exists (select 1 from shares where shares.todo = todos.id and shares.reader = auth.uid())";
    let policies = vec![
        policy("todos", &[Command::Select], shared),
        policy("shares", &[Command::Select], "reader = auth.uid()"),
    ];
    let demo = db.project(tables, policies).await;
    let fill = format!(
        "INSERT INTO {0}.todos (id, owner_id, title) VALUES (1, '{1}', 'a'), (2, '{1}', 'b');
         INSERT INTO {0}.shares VALUES (2, '{1}'), (1, '{2}')",
        demo.access.schema,
        ann.id,
        Owner::new().id
    );
    db.admin.batch_execute(&fill).await.unwrap();
    assert_eq!(
        rows(select(&demo.project, &ann.identity, titles()).await),
        json!([{"title": "b"}])
    );
}
