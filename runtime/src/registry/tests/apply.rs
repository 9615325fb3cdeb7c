use serde_json::{Value as Json, json};

use super::schema::{Tables, fields};
use super::*;
use crate::registry::apply::{Applied, SchemaFile};

impl Tables {
    async fn apply(&self, file: Json) -> Result<Applied, RegistryError> {
        let file: SchemaFile = serde_json::from_value(file).unwrap();
        apply_schema(&self.registry, &self.project, &file, self.registry.admin()).await
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
        ["columns[1].type"],
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
