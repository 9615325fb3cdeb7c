//! Plans and what applying them does: the same, or neither.

use serde_json::{Value as Json, json};

use super::schema::Tables;
use super::*;
use crate::registry::condition::Condition;
use crate::registry::migration::{self, Action, Terms, Unmentioned};
use crate::registry::mirror;
use crate::registry::page::Page;
use crate::registry::tables::Data;

impl Tables {
    /// Runs a statement as the project's role.
    pub(super) async fn as_role(&self, statement: &'static str) {
        let project = projects::get(&self.registry, &self.project).await.unwrap();
        let mut tenant = self.registry.as_tenant(&project).await;
        sqlx::raw_sql(statement).execute(&mut tenant).await.unwrap();
    }

    fn pruning(&self, data: Data) -> Terms {
        Terms {
            unmentioned: Unmentioned::Dropped,
            data,
            ..self.terms()
        }
    }

    /// What a plan says, one line a step, and then the refusals.
    async fn planned(&self, file: Json, terms: &Terms) -> Vec<String> {
        let before = self.head().await;
        let plan = self.plan(file, terms).await.unwrap();
        assert_eq!(self.head().await, before, "a plan changes nothing");
        let lines = plan.steps.iter().map(|step| {
            let action = serde_json::to_value(step.action).unwrap();
            let loses = step.loses.map_or_else(String::new, |l| format!(" -{l}"));
            format!(
                "{} {} {}{loses}",
                action.as_str().unwrap(),
                step.target,
                step.detail
            )
        });
        let refused = plan
            .refusals
            .iter()
            .map(|error| format!("refused: {error}"));
        lines.chain(refused).collect()
    }
}

fn before() -> Json {
    json!({
        "tables": [
            { "name": "lists", "columns": [
                { "name": "id", "type": "integer", "primary_key": true },
                { "name": "slug", "type": "text", "nullable": true } ]},
            { "name": "todos", "columns": [
                { "name": "id", "type": "integer", "primary_key": true },
                { "name": "list", "type": "integer", "nullable": true },
                { "name": "rank", "type": "integer", "default": 0 },
                { "name": "old", "type": "text", "nullable": true } ],
              "indexes": [{ "columns": ["rank"] }]},
            { "name": "gone", "columns": [
                { "name": "id", "type": "integer", "primary_key": true },
                { "name": "todo", "type": "integer", "nullable": true,
                  "references": { "table": "todos" } } ]},
        ],
        "policies": [
            { "name": "all", "table": "todos", "using": "rank > 0" },
            { "name": "old ones", "table": "todos", "using": "old = 'x'" },
        ],
    })
}

fn after() -> Json {
    json!({
        "tables": [
            { "name": "lists", "columns": [
                { "name": "id", "type": "integer", "primary_key": true },
                { "name": "slug", "type": "text", "unique": true } ]},
            { "name": "todos", "columns": [
                { "name": "id", "type": "integer", "primary_key": true },
                { "name": "list", "type": "integer", "nullable": true,
                  "references": { "table": "lists", "on_delete": "cascade" } },
                { "name": "rank", "type": "bigint", "default": 1 } ]},
            { "name": "tags", "columns": [{ "name": "word", "type": "text" }] },
        ],
        "policies": [{ "name": "all", "table": "todos", "using": "rank > 1" }],
    })
}

const STEPS: [&str; 12] = [
    "drop_policy todos: old ones ",
    "alter_column lists.slug may no longer be NULL",
    "alter_column lists.slug becomes unique",
    "alter_column todos.list refers to lists.id (on delete cascade)",
    "alter_column todos.rank is integer, becomes bigint",
    "alter_column todos.rank gets the default 1",
    "create_table tags id, word",
    "change_policy todos: all ",
    "drop_index todos.todos_rank_idx ",
    "drop_column todos.old ",
    "drop_table gone ",
    "drop_column todos.old  -2 value(s)",
];

#[tokio::test]
async fn a_plan_tells_what_applying_then_does() {
    let t = Tables::new().await;
    t.apply(before()).await.unwrap();
    let terms = t.pruning(Data::Kept);
    assert_eq!(t.planned(after(), &terms).await, STEPS[..11]);
    let plan = t.plan(after(), &terms).await.unwrap();
    let altered = plan
        .steps
        .iter()
        .find(|s| s.target == "todos.list")
        .unwrap();
    assert!(
        altered.sql[0].contains("FOREIGN KEY (\"list\")"),
        "{altered:?}"
    );

    let terms = Terms {
        state: Some(plan.state.clone()),
        ..terms
    };
    let applied = t.apply_on(after(), &terms).await.unwrap();
    assert_eq!(
        applied.dropped,
        [
            "todos: old ones",
            "todos.todos_rank_idx",
            "todos.old",
            "gone"
        ]
    );
    assert_eq!(
        applied.changed_columns,
        ["lists.slug", "todos.list", "todos.rank"]
    );
    let again = t.pruning(Data::Kept);
    assert_eq!(t.planned(after(), &again).await, Vec::<String>::new());
    t.as_role(
        "INSERT INTO lists VALUES (1, 'a'); INSERT INTO todos (id, list) VALUES (1, 1);
         DELETE FROM lists",
    )
    .await;
    assert_eq!(
        t.registry
            .ask::<i64>("SELECT count(*) FROM pg_tables WHERE tablename = 'gone'")
            .await,
        0
    );

    // The same plan is for a state that is no more.
    let stale = t.apply_on(before(), &terms).await.unwrap_err();
    assert!(stale.to_string().contains("plan it again"), "{stale}");
    let history = migration::history(&t.registry, &t.project, &Page::first(10))
        .await
        .unwrap()
        .items;
    let seqs: Vec<i64> = history.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs.first().copied(), applied.seq);
    assert_eq!(history[0].steps.len(), 11);
    assert_eq!(history[0].steps[10].action, Action::DropTable);
    assert_eq!(
        (history.len(), history[0].applied_by.as_str()),
        (2, "a test")
    );
}

#[tokio::test]
async fn what_holds_data_goes_only_where_the_terms_say_so() {
    let t = Tables::new().await;
    t.apply(before()).await.unwrap();
    t.as_role("INSERT INTO todos (id, old) VALUES (1, 'a'), (2, 'b'), (3, NULL)")
        .await;
    t.as_role("INSERT INTO gone VALUES (1, 1)").await;
    let planned = t.planned(after(), &t.pruning(Data::Kept)).await;
    assert!(planned.contains(&STEPS[11].to_owned()), "{planned:?}");
    assert!(
        planned.contains(&"drop_table gone  -1 row(s)".to_owned()),
        "{planned:?}"
    );
    let refused = planned.last().unwrap();
    assert!(
        refused.contains("todos.old has 2 value(s), gone has 1 row(s)"),
        "{refused}"
    );
    let error = t
        .apply_on(after(), &t.pruning(Data::Kept))
        .await
        .unwrap_err();
    assert_eq!(format!("refused: {error}"), *refused);
    t.apply_on(after(), &t.pruning(Data::MayGo)).await.unwrap();
}

#[tokio::test]
async fn everything_in_the_way_is_told_at_once_and_nothing_is_done() {
    let t = Tables::new().await;
    t.apply(before()).await.unwrap();
    t.as_role("INSERT INTO lists VALUES (1, NULL), (2, 'a'), (3, 'a')")
        .await;
    t.as_role("INSERT INTO todos (id, list) VALUES (1, 7)")
        .await;
    let mut file = after();
    file["policies"][0]["using"] = json!("old = 'y'");
    file["tables"][1]["columns"]
        .as_array_mut()
        .unwrap()
        .extend([
            json!({ "name": "must", "type": "text" }),
            json!({ "name": "slug", "type": "text" }),
        ]);
    file["tables"][0]["columns"][0]["type"] = json!("text");
    let planned = t.planned(file.clone(), &t.pruning(Data::Kept)).await;
    let refused: Vec<_> = planned
        .iter()
        .filter(|l| l.starts_with("refused"))
        .collect();
    for (found, expected) in refused.iter().zip([
        "lists.id is integer and would be text",
        "1 row(s) hold no value in lists.slug",
        "agree in 1 value(s) of slug",
        "1 value(s) of todos.list name no row of lists",
        "1 row(s) of todos would hold no value in todos.must",
        "1 row(s) of todos would hold no value in todos.slug",
        "would break a policy",
    ]) {
        assert!(found.contains(expected), "{expected}: {found}");
    }
    assert_eq!(refused.len(), 7, "{refused:?}");
    let seq = t.head().await;
    t.apply_on(file, &t.pruning(Data::Kept)).await.unwrap_err();
    assert_eq!(t.head().await, seq);
}

#[tokio::test]
async fn tables_that_refer_to_each_other_in_a_circle_are_made() {
    let t = Tables::new().await;
    let file = json!({ "tables": [
        { "name": "a", "columns": [{ "name": "b", "type": "uuid", "references": { "table": "b" } }] },
        { "name": "b", "columns": [{ "name": "a", "type": "uuid", "references": { "table": "a" } }] },
    ]});
    t.apply(file.clone()).await.unwrap();
    let again = t.apply(file).await.unwrap();
    assert!(again.is_nothing(), "{again:?}");
    let nothing = json!({});
    let applied = t.apply_on(nothing, &t.pruning(Data::Kept)).await.unwrap();
    assert_eq!(applied.dropped, ["a", "b"]);
}

#[tokio::test]
async fn a_mirrored_project_is_planned_with_all_its_rows_and_mirrored_again() {
    let registry = TestRegistry::without_superuser().await;
    let project = registry.project("demo").await.name;
    let t = Tables { registry, project };
    t.apply(before()).await.unwrap();
    t.as_role("INSERT INTO todos (id, old) VALUES (1, 'a'), (2, 'b')")
        .await;
    let on = (&Condition::Always, mirror::Switch::On);
    mirror::set(&t.registry, &t.project, on).await.unwrap();
    let planned = t.planned(after(), &t.pruning(Data::Kept)).await;
    assert!(planned.contains(&STEPS[11].to_owned()), "{planned:?}");
    t.apply_on(after(), &t.pruning(Data::MayGo)).await.unwrap();
    let forced = "SELECT bool_and(relforcerowsecurity) FROM pg_class
        WHERE relname IN ('todos', 'lists', 'tags')";
    assert!(t.registry.ask::<bool>(forced).await, "mirrored again");
}

#[tokio::test]
async fn a_text_gets_a_list_of_values_and_loses_it_again() {
    let t = Tables::new().await;
    let file = |ty: &str| json!({ "tables": [{ "name": "todos", "columns": [{ "name": "state", "type": ty }] }] });
    t.apply(file("text")).await.unwrap();
    t.as_role("INSERT INTO todos (state) VALUES ('open'), ('odd')")
        .await;
    let refused = t.apply(file("enum(open)")).await.unwrap_err().to_string();
    assert!(refused.contains("1 other values in state"), "{refused}");
    t.apply(file("enum(open, odd)")).await.unwrap();
    t.apply(file("text")).await.unwrap();
    t.as_role("INSERT INTO todos (state) VALUES ('anything')")
        .await;
}
