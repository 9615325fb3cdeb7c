use serde_json::{Value as Json, json};

use super::schema::{Tables, fields};
use super::*;
use crate::registry::migration::{self, Applied, Author, Plan, SchemaFile, Terms};

impl Tables {
    pub(super) async fn apply(&self, file: Json) -> Result<Applied, RegistryError> {
        self.apply_on(file, &self.terms()).await
    }

    pub(super) async fn apply_on(
        &self,
        file: Json,
        terms: &Terms,
    ) -> Result<Applied, RegistryError> {
        let file: SchemaFile = serde_json::from_value(file).unwrap();
        migration::apply_schema(&self.registry, &self.project, &file, terms).await
    }

    pub(super) async fn plan(&self, file: Json, terms: &Terms) -> Result<Plan, RegistryError> {
        let file: SchemaFile = serde_json::from_value(file).unwrap();
        migration::plan_schema(&self.registry, &self.project, &file, terms).await
    }

    pub(super) fn terms(&self) -> Terms {
        Terms::cautious(Author {
            user: self.registry.admin(),
            name: "a test".to_owned(),
        })
    }
}

fn file() -> Json {
    json!({
        "tables": [
            { "name": "notes", "columns": [
                { "name": "todo", "type": "uuid", "references": { "table": "todos" } } ]},
            { "name": "todos", "columns": [
                { "name": "id", "type": "bigint", "primary_key": true, "default": 0 },
                { "name": "slug", "type": "uuid", "unique": true } ]},
        ],
        "policies": [{ "name": "all", "table": "todos", "commands": ["select"], "using": "true" }],
    })
}

#[tokio::test]
async fn applying_a_file_twice_does_nothing_the_second_time() {
    let t = Tables::new().await;
    let mut file = file();
    file["tables"][0]["columns"][0]["references"]["column"] = json!("slug");
    let applied = t.apply(file.clone()).await.unwrap();
    assert_eq!(applied.created_tables, ["todos", "notes"]);
    assert_eq!(applied.created_policies, ["todos: all"]);
    let seq = t.head().await;
    let again = t.apply(file.clone()).await.unwrap();
    assert!(again.is_nothing(), "{again:?}");
    assert_eq!(t.head().await, seq);

    file["policies"][0]["using"] = json!("id > 0");
    file["tables"][1]["columns"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "title", "type": "text", "nullable": true }));
    let changed = t.apply(file.clone()).await.unwrap();
    assert_eq!(changed.changed_policies, ["todos: all"]);
    assert_eq!(changed.added_columns, ["todos.title"]);

    let less = t
        .apply(json!({ "tables": [{ "name": "notes" }] }))
        .await
        .unwrap();
    assert_eq!(less.kept, ["todos", "notes.todo", "todos: all"]);
}

#[tokio::test]
async fn a_file_that_would_lose_data_or_is_wrong_changes_nothing() {
    let t = Tables::new().await;
    let error = t.apply(file()).await.unwrap_err();
    assert_eq!(
        fields(error),
        ["tables[0].columns[1].type"],
        "notes.todo is a uuid, todos.id a bigint"
    );
    let mut good = file();
    good["tables"][0]["columns"][0]["type"] = json!("bigint");
    t.apply(good.clone()).await.unwrap();
    let seq = t.head().await;
    let mut other = good.clone();
    other["tables"][1]["columns"][1]["type"] = json!("text");
    let error = t.apply(other).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("todos.slug is uuid and would be text"),
        "{error}"
    );
    let mut wrong = good;
    wrong["policies"][0]["using"] = json!("nothing = 1");
    wrong["tables"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "fresh" }));
    assert_eq!(
        fields(t.apply(wrong).await.unwrap_err()),
        ["policies[0].using"]
    );
    assert_eq!(t.head().await, seq);
    assert_eq!(
        tables::list(&t.registry, &t.project).await.unwrap().len(),
        2
    );
}

fn enums(values: &str, using: &str) -> Json {
    json!({
        "tables": [{ "name": "todos", "columns": [{ "name": "state", "type": values }] }],
        "policies": [{ "name": "p", "table": "todos", "commands": ["select"], "using": using }],
    })
}

#[tokio::test]
async fn values_of_an_enum_come_at_any_time_and_go_when_no_row_holds_them() {
    let t = Tables::new().await;
    let three = "enum(open, done, late)";
    t.apply(enums("enum(open, done)", "state = 'done'"))
        .await
        .unwrap();
    let project = projects::get(&t.registry, &t.project).await.unwrap();
    let mut tenant = t.registry.as_tenant(&project).await;
    let mut run = async |statement: &'static str| {
        sqlx::raw_sql(statement)
            .execute(&mut tenant)
            .await
            .map(|_| ())
    };
    let insert = "INSERT INTO todos (state) VALUES ('open'), ('done'), ('late'), ('late')";
    run(insert).await.unwrap_err();
    let done = t.apply(enums(three, "state = 'late'")).await.unwrap();
    assert_eq!(done.changed_columns, ["todos.state"]);
    run(insert).await.unwrap();
    let again = t.apply(enums(three, "state = 'late'")).await.unwrap();
    assert!(again.is_nothing(), "{again:?}");

    let refused = |error: RegistryError, said: &str| {
        assert!(error.to_string().contains(said), "{error}");
    };
    let less = enums("enum(open)", "true");
    refused(
        t.apply(less.clone()).await.unwrap_err(),
        "still hold 2 of the values",
    );
    run("DELETE FROM todos WHERE state <> 'open'")
        .await
        .unwrap();
    let broken = enums("enum(open)", "state = 'late'");
    refused(t.apply(broken).await.unwrap_err(), "policy");
    t.apply(less).await.unwrap();
    run(insert).await.unwrap_err();
}
