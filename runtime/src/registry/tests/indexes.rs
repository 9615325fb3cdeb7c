use koyalite_policy::TableName;
use serde_json::{Value as Json, json};

use super::schema::{Tables, fields};
use super::*;
use crate::registry::indexes::{self, INDEXES_MAX, Index, NewIndex};
use crate::registry::tables::{Data, Table};

impl Tables {
    async fn index(&self, index: Json) -> Result<Table, RegistryError> {
        let new: NewIndex = serde_json::from_value(index).unwrap();
        indexes::create(&self.registry, &self.project, &todos(), &new).await
    }

    async fn drop_index(&self, name: &str) -> Result<Table, RegistryError> {
        let name = name.parse().unwrap();
        indexes::drop(&self.registry, &self.project, (&todos(), &name)).await
    }

    /// As Postgres has them, without those of keys.
    async fn in_postgres(&self) -> Vec<String> {
        let ask = "SELECT coalesce(array_agg(regexp_replace(indexdef, 'ON .* USING', 'ON')
                       ORDER BY indexname), '{}')
                   FROM pg_indexes WHERE schemaname LIKE 'p\\_%' AND indexname LIKE '%idx%'";
        self.registry.ask(ask).await
    }
}

fn todos() -> TableName {
    "todos".parse().unwrap()
}

fn names(table: &Table) -> Vec<String> {
    let name = |index: &Index| index.name.to_string();
    table.indexes.iter().map(name).collect()
}

#[tokio::test]
async fn an_index_is_a_real_index_until_it_is_dropped() {
    let t = Tables::new().await;
    t.todos().await;
    t.index(json!({ "columns": ["owner_id", "made"] }))
        .await
        .unwrap();
    let table = t
        .index(json!({ "name": "my_idx", "columns": ["title", "done"], "unique": true }))
        .await
        .unwrap();
    assert_eq!(names(&table), ["my_idx", "todos_owner_id_made_idx"]);
    assert_eq!(
        t.in_postgres().await,
        [
            "CREATE UNIQUE INDEX my_idx ON btree (title, done)",
            "CREATE INDEX todos_owner_id_made_idx ON btree (owner_id, made)",
        ]
    );
    let column = "made".parse().unwrap();
    let error = tables::drop_column(&t.registry, &t.project, (&todos(), &column), Data::MayGo)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("todos_owner_id_made_idx"),
        "{error}"
    );
    let left = t.drop_index("todos_owner_id_made_idx").await.unwrap();
    assert_eq!(names(&left), ["my_idx"]);
    let again = t.drop_index("todos_owner_id_made_idx").await.unwrap_err();
    assert!(
        matches!(again, RegistryError::NotFound { what: "index", .. }),
        "{again}"
    );
    tables::drop(&t.registry, &t.project, &todos(), Data::Kept)
        .await
        .unwrap();
    assert!(t.in_postgres().await.is_empty());
}

#[tokio::test]
async fn an_index_that_cannot_be_is_refused_and_says_why() {
    let t = Tables::new().await;
    t.create(json!({ "name": "todos", "columns": [
        { "name": "title", "type": "text" }, { "name": "extra", "type": "jsonb", "nullable": true },
    ]}))
    .await
    .unwrap();
    for (index, expected) in [
        (json!({ "columns": [] }), vec!["columns"]),
        (json!({ "columns": ["title", "title"] }), vec!["columns[1]"]),
        (
            json!({ "name": "a\"b", "columns": ["To Do"] }),
            vec!["name", "columns[0]"],
        ),
        (
            json!({ "columns": ["nothing", "extra"] }),
            vec!["columns[0]", "columns[1]"],
        ),
    ] {
        assert_eq!(fields(t.index(index).await.unwrap_err()), expected);
    }
    let conflict = |error: RegistryError, expected: Standing, said: &str| match error {
        RegistryError::Conflict { kind, reason, .. } => {
            assert!(kind == expected && reason.contains(said), "{reason}");
        }
        other => panic!("{other}"),
    };
    let named = |name: &str| json!({ "name": name, "columns": ["title"] });
    for n in 1..INDEXES_MAX {
        t.index(named(&format!("n{n}_idx"))).await.unwrap();
    }
    for taken in ["n1_idx", "todos", "todos_pkey"] {
        let error = t.index(named(taken)).await.unwrap_err();
        conflict(error, Standing::AlreadyExists, "name");
    }
    let project = projects::get(&t.registry, &t.project).await.unwrap();
    let mut tenant = t.registry.as_tenant(&project).await;
    let insert = "INSERT INTO todos (title) VALUES ('secret'), ('secret')";
    sqlx::raw_sql(insert).execute(&mut tenant).await.unwrap();
    let unique = json!({ "columns": ["title"], "unique": true });
    let error = t.index(unique).await.unwrap_err();
    conflict(error, Standing::State, "rows agree");
    t.index(named("last_idx")).await.unwrap();
    let error = t.index(named("more_idx")).await.unwrap_err();
    conflict(error, Standing::State, "at most 16 indexes");
}

#[tokio::test]
async fn a_column_with_a_unique_index_of_its_own_can_be_referred_to() {
    let t = Tables::new().await;
    t.todos().await;
    t.index(json!({ "columns": ["owner_id"], "unique": true }))
        .await
        .unwrap();
    t.create(
        json!({ "name": "notes", "columns": [{ "name": "owner", "type": "uuid",
        "references": { "table": "todos", "column": "owner_id" } }]}),
    )
    .await
    .unwrap();
    let error = t.drop_index("todos_owner_id_idx").await.unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::Conflict {
                kind: Standing::InUse,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_makes_indexes_once_and_anew_where_they_are_on_other_columns() {
    let t = Tables::new().await;
    let file = |indexes: Json| {
        json!({ "tables": [{ "name": "todos", "indexes": indexes, "columns": [
            { "name": "title", "type": "text" }, { "name": "rank", "type": "integer" } ]}]})
    };
    let both = json!([{ "columns": ["rank"] }, { "name": "my_idx", "columns": ["title"] }]);
    let made = t.apply(file(both.clone())).await.unwrap();
    assert_eq!(made.created_tables, ["todos"]);
    assert_eq!(t.in_postgres().await.len(), 2);
    let again = t.apply(file(both)).await.unwrap();
    assert!(again.is_nothing(), "{again:?}");

    let other = json!([{ "name": "my_idx", "columns": ["title", "rank"], "unique": true }]);
    let changed = t.apply(file(other)).await.unwrap();
    assert_eq!(changed.created_indexes, ["todos.my_idx"]);
    assert_eq!(changed.kept, ["todos: index todos_rank_idx"]);
    assert_eq!(
        t.in_postgres().await,
        [
            "CREATE UNIQUE INDEX my_idx ON btree (title, rank)",
            "CREATE INDEX todos_rank_idx ON btree (rank)",
        ]
    );
    let wrong = t.apply(file(json!([{ "columns": ["nothing"] }]))).await;
    assert_eq!(
        fields(wrong.unwrap_err()),
        ["tables[0].indexes[0].columns[0]"]
    );
}
