use koyalite_policy::{ProjectName, TableName};
use serde_json::{Value as Json, json};

use super::*;
use crate::registry::condition::Condition;
use crate::registry::definition::{NewColumn, NewTable};
use crate::registry::policies::{self, NewPolicy, PolicyPatch};
use crate::registry::tables::{Data, Table};

pub(super) struct Tables {
    pub(super) registry: TestRegistry,
    pub(super) project: ProjectName,
}

impl Tables {
    pub(super) async fn new() -> Self {
        Self::on(TestRegistry::new().await).await
    }

    pub(super) async fn on(registry: TestRegistry) -> Self {
        let project = registry.project("demo").await.name;
        Self { registry, project }
    }

    pub(super) async fn create(&self, table: Json) -> Result<Table, RegistryError> {
        let new: NewTable = serde_json::from_value(table).unwrap();
        tables::create(&self.registry, &self.project, &new).await
    }

    pub(super) async fn todos(&self) {
        self.create(json!({ "name": "todos", "columns": [
            { "name": "owner_id", "type": "uuid" },
            { "name": "title", "type": "text", "unique": true },
            { "name": "done", "type": "boolean", "default": false },
            { "name": "made", "type": "timestamptz", "default": "now()" },
        ]}))
        .await
        .unwrap();
    }

    async fn own_rows(&self) -> policies::SavedPolicy {
        let new = policy(json!({
            "name": "own rows", "table": "todos", "using": "owner_id = auth.uid()",
        }));
        let by = self.registry.admin();
        policies::create(&self.registry, &self.project, &new, by)
            .await
            .unwrap()
    }

    pub(super) async fn head(&self) -> i64 {
        self.registry.ask("SELECT seq FROM koyalite.head").await
    }

    fn policies_of(&self, table: &str) -> usize {
        let snapshot = self.registry.snapshot();
        let schema = snapshot.project(&self.project).unwrap().schema.clone();
        let name: TableName = table.parse().unwrap();
        schema.table(&name).unwrap().policies().len()
    }
}

fn policy(value: Json) -> NewPolicy {
    serde_json::from_value(value).unwrap()
}

pub(super) fn fields(error: RegistryError) -> Vec<String> {
    match error {
        RegistryError::Invalid { errors } => errors.into_iter().map(|m| m.field).collect(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_table_is_a_real_table() {
    let t = Tables::new().await;
    t.todos().await;
    let columns: Vec<String> = t
        .registry
        .ask(
            "SELECT array_agg(column_name || ' ' || data_type || ' ' || is_nullable || ' ' ||
                 coalesce(collation_name, '-') || ' ' || coalesce(column_default, '-')
                 ORDER BY ordinal_position)
             FROM information_schema.columns WHERE table_name = 'todos'",
        )
        .await;
    assert_eq!(
        columns,
        [
            "id uuid NO - gen_random_uuid()",
            "owner_id uuid NO - -",
            "title text NO C -",
            "done boolean NO - false",
            "made timestamp with time zone NO - now()",
        ]
    );
    let table = tables::get(&t.registry, &t.project, &"todos".parse().unwrap())
        .await
        .unwrap();
    assert!(table.columns[0].primary_key && table.columns[2].unique);
    assert_eq!(t.policies_of("todos"), 0);
}

#[tokio::test]
async fn a_definition_reports_every_mistake_at_once() {
    let t = Tables::new().await;
    let error = t
        .create(json!({ "name": "To Do", "columns": [
            { "name": "id", "type": "serial" },
            { "name": "ctid", "type": "text" },
            { "name": "a", "type": "integer", "default": "nextval('x')" },
            { "name": "a", "type": "text" },
            { "name": "b", "type": "uuid", "references": { "table": "x", "on_delete": "set_null" } },
        ]}))
        .await
        .unwrap_err();
    assert_eq!(
        fields(error),
        [
            "name",
            "columns[0].type",
            "columns[1].name",
            "columns[2].default",
            "columns[3]",
            "columns[4].references.on_delete",
        ]
    );
}

#[tokio::test]
async fn a_reference_points_at_a_unique_column_of_its_own_type() {
    let t = Tables::new().await;
    t.todos().await;
    let to = |ty: &str, table: &str, column: &str| {
        json!({ "name": "notes", "columns": [{ "name": "ref", "type": ty,
            "references": { "table": table, "column": column, "on_delete": "cascade" } }]})
    };
    for (table, field) in [
        (to("uuid", "nothing", "id"), "columns[1].references.table"),
        (
            to("uuid", "todos", "nothing"),
            "columns[1].references.column",
        ),
        (
            to("uuid", "todos", "owner_id"),
            "columns[1].references.column",
        ),
        (to("text", "todos", "id"), "columns[1].type"),
    ] {
        assert_eq!(fields(t.create(table).await.unwrap_err()), [field]);
    }
    let notes = t.create(to("uuid", "todos", "id")).await.unwrap();
    assert_eq!(notes.columns[1].references.as_ref().unwrap().kind, "1:N");
    let todos: TableName = "todos".parse().unwrap();
    let error = tables::drop(&t.registry, &t.project, &todos, Data::Kept)
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Conflict { .. }), "{error}");
    tables::drop(&t.registry, &t.project, &notes.name, Data::Kept)
        .await
        .unwrap();
    tables::drop(&t.registry, &t.project, &todos, Data::Kept)
        .await
        .unwrap();
    // A table may refer to itself, and still be dropped.
    let tree = json!({ "name": "tree", "columns": [{ "name": "parent", "type": "uuid",
        "nullable": true, "references": { "table": "tree" } }]});
    let tree = t.create(tree).await.unwrap();
    tables::drop(&t.registry, &t.project, &tree.name, Data::Kept)
        .await
        .unwrap();
    let left: i64 = t
        .registry
        .ask("SELECT count(*) FROM pg_tables WHERE schemaname LIKE 'p\\_%'")
        .await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_column_that_a_policy_needs_is_not_dropped() {
    let t = Tables::new().await;
    t.todos().await;
    let saved = t.own_rows().await;
    let (todos, owner): (TableName, _) = ("todos".parse().unwrap(), "owner_id".parse().unwrap());
    let seq = t.head().await;
    let drop =
        async || tables::drop_column(&t.registry, &t.project, (&todos, &owner), Data::Kept).await;
    let error = drop().await.unwrap_err();
    assert!(error.to_string().contains("\"own rows\""), "{error}");
    assert_eq!(t.head().await, seq);

    let off = PolicyPatch {
        enabled: Some(false),
        ..PolicyPatch::default()
    };
    let id = saved.policy.source.id;
    policies::update(&t.registry, &t.project, id, (&Condition::Always, off))
        .await
        .unwrap();
    assert_eq!(drop().await.unwrap().columns.len(), 4);
}

#[tokio::test]
async fn a_column_without_a_value_for_the_rows_is_refused() {
    let t = Tables::new().await;
    t.todos().await;
    let project = projects::get(&t.registry, &t.project).await.unwrap();
    let mut tenant = t.registry.as_tenant(&project).await;
    let insert = "INSERT INTO todos (owner_id, title) VALUES (gen_random_uuid(), 'x')";
    sqlx::raw_sql(insert).execute(&mut tenant).await.unwrap();
    let todos: TableName = "todos".parse().unwrap();
    let add = async |column: Json| {
        let new: NewColumn = serde_json::from_value(column).unwrap();
        tables::add_column(&t.registry, &t.project, &todos, &new).await
    };
    let error = add(json!({ "name": "n", "type": "integer" }))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("give the column a default"),
        "{error}"
    );
    add(json!({ "name": "n", "type": "integer", "default": 7 }))
        .await
        .unwrap();
    let error = add(json!({ "name": "n", "type": "text", "nullable": true }))
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Conflict { .. }), "{error}");
}

#[tokio::test]
async fn a_policy_is_checked_when_it_is_saved() {
    let t = Tables::new().await;
    t.todos().await;
    let wrong = policy(json!({ "name": "p", "table": "todos", "using": "owner = auth.uid()" }));
    match policies::check(&t.registry, &t.project, &wrong)
        .await
        .unwrap_err()
    {
        RegistryError::Invalid { errors } => {
            assert_eq!(errors[0].field, "using");
            let place = errors[0].position.unwrap();
            assert_eq!((place.line, place.column), (1, 1));
        }
        other => panic!("{other}"),
    }
    let nowhere = policy(json!({ "name": "p", "table": "nothing", "using": "true" }));
    let error = policies::check(&t.registry, &t.project, &nowhere)
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::NotFound { what: "table", .. }),
        "{error}"
    );

    let saved = t.own_rows().await;
    assert_eq!(t.policies_of("todos"), 1);
    let listed = policies::list(&t.registry, &t.project, None).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&saved.policy));
    let id = saved.policy.source.id;
    let bad = PolicyPatch {
        using: Some(None),
        ..PolicyPatch::default()
    };
    let error = policies::update(&t.registry, &t.project, id, (&Condition::Always, bad))
        .await
        .unwrap_err();
    assert_eq!(fields(error), ["using"]);
    policies::delete(&t.registry, &t.project, id).await.unwrap();
    assert_eq!(t.policies_of("todos"), 0);
    let error = policies::get(&t.registry, &t.project, id)
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn every_change_moves_the_head() {
    let t = Tables::new().await;
    let mut last = t.head().await;
    let mut moved = async || {
        let now = t.head().await;
        assert_eq!((now, t.registry.snapshot().seq), (last + 1, last + 1));
        last = now;
    };
    t.todos().await;
    moved().await;
    let id = t.own_rows().await.policy.source.id;
    moved().await;
    let nothing = (&Condition::Always, PolicyPatch::default());
    policies::update(&t.registry, &t.project, id, nothing)
        .await
        .unwrap();
    moved().await;
    policies::delete(&t.registry, &t.project, id).await.unwrap();
    moved().await;
    let todos: TableName = "todos".parse().unwrap();
    tables::drop_column(
        &t.registry,
        &t.project,
        (&todos, &"done".parse().unwrap()),
        Data::Kept,
    )
    .await
    .unwrap();
    moved().await;
    tables::drop(&t.registry, &t.project, &todos, Data::Kept)
        .await
        .unwrap();
    moved().await;
}

#[tokio::test]
async fn policies_that_read_one_another_in_a_circle_are_refused() {
    let t = Tables::new().await;
    t.todos().await;
    t.create(json!({ "name": "members", "columns": [{ "name": "todo", "type": "uuid" }] }))
        .await
        .unwrap();
    let by = t.registry.admin();
    let reading = |table: &str, other: &str| {
        let using = format!("EXISTS (SELECT 1 FROM {other} WHERE {other}.id = {table}.id)");
        policy(json!({ "name": "p", "table": table, "commands": ["select"], "using": using }))
    };
    let first = reading("todos", "members");
    policies::create(&t.registry, &t.project, &first, by)
        .await
        .unwrap();
    let members: TableName = "members".parse().unwrap();
    let error = tables::drop(&t.registry, &t.project, &members, Data::Kept)
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Conflict { .. }), "{error}");
    let second = reading("members", "todos");
    let error = policies::create(&t.registry, &t.project, &second, by)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("never end"), "{error}");
}
