//! What no answer shows of a statement: that an index can serve it, that it comes again with the same
//! text, that it is not repeated by itself, and what is said where only some servers can be asked.

use koyalite_policy::{
    ColumnShape, ColumnType, Command, Identity, Permit, PolicySource, Residual, Resource, Schema,
    TableName, TableShape, Timestamp, Value, decide,
};
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::bind::Bind;
use super::super::run::{Effect, Plan};
use super::near::{self, Effort};
use super::*;
use crate::vectors::Metric;

const COLUMNS: [(&str, &str, bool); 6] = [
    ("id", "bigint", false),
    ("title", "text", false),
    ("at", "timestamptz", true),
    ("meta", "jsonb", true),
    ("tags", "text[]", true),
    ("place", "vector(2)", true),
];

fn items() -> TableShape {
    let columns = COLUMNS.map(|(name, ty, nullable)| ColumnShape {
        name: name.parse().unwrap(),
        ty: ty.parse().unwrap(),
        nullable,
        has_default: false,
        primary_key: name == "id",
        unique: false,
        values: None,
    });
    TableShape {
        name: "items".parse().unwrap(),
        columns: columns.into(),
        unique_together: Vec::new(),
    }
}

/// The permit of anybody under `true`.
fn permit(command: Command, table: &str) -> Permit {
    let open: PolicySource = serde_json::from_value(json!({
        "id": Uuid::nil(), "name": "open", "table": table, "effect": "allow",
        "commands": Command::ALL, "using": "true",
    }))
    .unwrap();
    let schema = Schema::build(vec![items()], vec![open]).unwrap();
    let (table, now): (TableName, _) = (table.parse().unwrap(), Timestamp::from_unix_micros(0));
    decide(&schema, &Identity::Anonymous, command, &table, now).unwrap()
}

fn bind(value: Value, ty: &str) -> Bind {
    let ty = ty.parse().unwrap();
    Bind::Typed { value, ty }
}

fn key(column: &str, direction: Direction, nulls: Nulls, nullable: bool) -> PageKey {
    let column = column.parse().unwrap();
    let key = Key {
        column,
        direction,
        nulls,
    };
    PageKey { key, nullable }
}

fn begins_after(keys: Vec<PageKey>, after: Vec<Option<Bind>>) -> String {
    let page = Keyset {
        keys,
        after: Some(after),
    };
    page.after(ROW, &mut Binds(Vec::new())).unwrap()
}

#[test]
fn a_page_is_found_by_an_index_where_keys_run_the_same_way_and_hold_something() {
    use Direction::{Ascending, Descending};
    use Nulls::{First, Last};
    let values = || {
        let title = bind(Value::Text("a".into()), "text");
        vec![Some(title), Some(bind(Value::Integer(7), "bigint"))]
    };
    let page = |title: (Direction, Nulls, bool), id: (Direction, Nulls)| {
        let keys = vec![
            key("title", title.0, title.1, title.2),
            key("id", id.0, id.1, false),
        ];
        begins_after(keys, values())
    };
    assert_eq!(
        page((Ascending, Last, false), (Ascending, Last)),
        r#"((t."title", t."id") > ($1, $2))"#
    );
    assert_eq!(
        page((Descending, First, false), (Descending, First)),
        r#"((t."title", t."id") < ($1, $2))"#
    );
    // No index runs both ways; and a column that holds something is not asked whether it does.
    assert_eq!(
        page((Ascending, Last, false), (Descending, Last)),
        r#"((t."title" > $1) OR (t."title" = $1 AND t."id" < $2))"#
    );
    assert_eq!(
        page((Ascending, Last, true), (Ascending, Last)),
        r#"(((t."title" > $1 OR t."title" IS NULL)) OR (t."title" = $1 AND t."id" > $2))"#
    );
}

fn rows_of(columns: &[&str], rows: Vec<Vec<Cell>>) -> (String, Plan) {
    let insert = Insert {
        columns: columns.iter().map(|name| name.parse().unwrap()).collect(),
        rows,
        returning: Vec::new(),
    };
    let permit = permit(Command::Insert, "items");
    let statement = super::insert(&permit, &Residual::True, "p", insert);
    (statement.text, statement.plan)
}

#[test]
fn rows_travel_as_an_array_a_column_in_a_text_that_comes_again() {
    let cells = |id, json: Option<&str>| {
        let meta = match json {
            Some(text) => Bind::Json {
                text: RawValue::from_string(text.to_owned()).unwrap(),
                ty: ColumnType::Jsonb,
            },
            None => bind(Value::Null, "jsonb"),
        };
        let at = Value::Timestamptz("2026-01-01T00:00:00Z".into());
        vec![
            Cell::Value(bind(Value::Integer(id), "bigint")),
            Cell::Value(bind(at, "timestamptz")),
            Cell::Now,
            Cell::Value(meta),
            Cell::Value(bind(Value::Vector(vec![1.0, 2.0]), "vector(2)")),
        ]
    };
    let columns = ["id", "at", "title", "meta", "place"];
    let rows = |count| {
        (0..count)
            .map(|id| cells(id, (id == 0).then_some("{}")))
            .collect()
    };
    let (two, plan) = rows_of(&columns, rows(2));
    assert_eq!(
        two,
        "INSERT INTO \"p\".\"items\" AS t (\"id\", \"at\", \"title\", \"meta\", \"place\") \
         SELECT u.c0, u.c1::timestamptz, now(), u.c2, u.c3::real[] FROM unnest($1, $2, $3, $4) AS u(c0, c1, c2, c3)"
    );
    assert_eq!(plan, Plan::Kept);
    assert_eq!(rows_of(&columns, rows(3)), (two, Plan::Kept));
}

#[test]
fn a_row_alone_and_rows_that_arrays_cannot_say_are_written_value_by_value() {
    let id = |id| Cell::Value(bind(Value::Integer(id), "bigint"));
    let one = "INSERT INTO \"p\".\"items\" AS t (\"id\") VALUES ($1)".to_owned();
    assert_eq!(rows_of(&["id"], vec![vec![id(1)]]), (one, Plan::Kept));

    let tags = || Cell::Value(bind(Value::List(Vec::new()), "text[]"));
    let (text, plan) = rows_of(&["tags"], vec![vec![tags()], vec![tags()]]);
    assert!(text.ends_with("VALUES ($1), ($2)"), "{text}");
    assert_eq!(plan, Plan::Once);

    let (text, plan) = rows_of(&["id"], vec![vec![id(1)], vec![Cell::Default]]);
    assert!(text.ends_with("VALUES ($1), (DEFAULT)"), "{text}");
    assert_eq!(plan, Plan::Once);

    // Nothing would say how many rows there are.
    let (text, _) = rows_of(&["at"], vec![vec![Cell::Now], vec![Cell::Now]]);
    assert!(text.ends_with("VALUES (now()), (now())"), "{text}");
}

#[test]
fn a_statement_that_is_counted_for_a_dry_run_is_not_kept() {
    let delete = Delete {
        filter: None,
        at_most: None,
        returning: Vec::new(),
    };
    let statement = super::delete(&permit(Command::Delete, "items"), "p", &delete);
    assert_eq!(
        (statement.plan, statement.effect),
        (Plan::Kept, Effect::Writes)
    );
    let counted = counted(statement);
    assert_eq!((counted.plan, counted.effect), (Plan::Once, Effect::Writes));
}

fn near() -> Near {
    Near {
        columns: Vec::new(),
        filter: None,
        column: "place".parse().unwrap(),
        vector: bind(Value::Vector(vec![1.0, 2.0]), "vector(2)"),
        dimension: 2,
        metric: Metric::Cosine,
        limit: 3,
        distance: AnswerName::parse("distance").unwrap(),
        place: NearIn {
            schema: "p".into(),
            extension: Some("ext".into()),
        },
    }
}

/// The suite `pgvector` sees the same, on a server that has it.
#[test]
fn distances_are_the_extensions_own_whatever_is_in_the_search_path() {
    let permit = permit(Command::Select, "items");
    let distance = "(t.\"place\"::\"ext\".vector(2) OPERATOR(\"ext\".<=>) $1::\"ext\".vector(2))";
    let graph = near::graph(&permit, &near()).text;
    assert_eq!(
        graph,
        format!(
            "SELECT {distance} AS \"distance\" FROM \"p\".\"items\" AS t \
             WHERE t.\"place\" IS NOT NULL ORDER BY {distance} LIMIT 3"
        )
    );
    let exact = near::exact(&permit, &near()).text;
    assert!(
        exact.ends_with(" + 0::double precision, t.\"id\" LIMIT 3"),
        "{exact}"
    );
}

/// What is asked beside the rows is never answered as one of them.
#[test]
fn what_a_search_is_told_and_asks_of_itself_is_hidden() {
    let effort = near::effort(Effort { ef: 40 });
    assert_eq!(
        effort.reading.hidden,
        effort.text.matches("set_config").count()
    );
    assert_eq!(
        near::reach(&permit(Command::Select, "items"), &near())
            .reading
            .hidden,
        2
    );
}

/// What a lost connection leaves open is not done again by itself, and a run that is over does none of it.
#[test]
fn what_changes_files_is_a_write() {
    let files = Resource::Files.name();
    let text = |value: &str| bind(Value::Text(value.into()), "text");
    let write = FileWrite {
        function: "commit_file",
        row: vec![("path", FileCell::Value(text("a")))],
        more: Vec::new(),
        replaces: None,
    };
    let insert = permit(Command::Insert, files);
    let delete = permit(Command::Delete, files);
    let effects = [
        write_file(&insert, "p", write).effect,
        delete_file(&delete, "p", ("a".into(), Uuid::nil())).effect,
        drop_content(Uuid::nil()).effect,
        call_files(&insert, ("begin", &[], Effect::Writes), Vec::new()).effect,
    ];
    assert_eq!(effects, [Effect::Writes; 4]);
    let looked = call_files(&insert, ("look", &[], Effect::Reads), Vec::new());
    assert_eq!(looked.effect, Effect::Reads);
    assert_eq!(peek_file(&insert, "a".into()).effect, Effect::Reads);
}

#[test]
fn files_are_found_by_path_or_by_what_their_paths_begin_with() {
    let permit = permit(Command::Select, Resource::Files.name());
    let found = |found| {
        let statement = find_files(&permit, "p", found);
        let (_, text) = statement
            .text
            .split_once("koyalite_api.files AS t")
            .unwrap();
        (text.to_owned(), statement.binds.len())
    };
    let under = |prefix: &str, after: Option<&str>| {
        found(Found::Under {
            prefix: prefix.into(),
            after: after.map(Into::into),
            limit: 9,
        })
    };
    assert_eq!(
        found(Found::At("a".into())),
        (" WHERE t.path = $1".into(), 1)
    );
    assert_eq!(under("", None), (" ORDER BY t.path LIMIT $1".into(), 1));
    assert_eq!(
        under("a/", Some("a/b")),
        (
            " WHERE t.path >= $2 AND t.path < $1 AND t.path > $3 ORDER BY t.path LIMIT $4".into(),
            4
        )
    );
}

#[test]
fn a_file_is_written_under_the_policies_of_what_it_replaces_and_of_what_it_is() {
    let schema = |using: &str| {
        let policy: PolicySource = serde_json::from_value(json!({
            "id": Uuid::nil(), "name": "p", "table": Resource::Files.name(), "effect": "allow",
            "commands": Command::ALL, "using": using,
        }))
        .unwrap();
        Schema::build(Vec::new(), vec![policy]).unwrap()
    };
    let written = |using: &str, replaces: Option<&str>| {
        let (table, now) = (Resource::Files.shape().name, Timestamp::from_unix_micros(0));
        let asked = Identity::Anonymous;
        let permit = decide(&schema(using), &asked, Command::Update, &table, now).unwrap();
        let write = FileWrite {
            function: "commit_file",
            row: vec![("path", FileCell::Before), ("created_at", FileCell::Now)],
            more: Vec::new(),
            replaces: replaces.map(Into::into),
        };
        write_file(&permit, "p", write).text
    };
    let open = written("true", None);
    assert!(open.ends_with(" AS done FROM t"), "{open}");
    let guarded = written("size < 9", Some("a"));
    assert!(
        guarded.contains(" AS done FROM t, before WHERE koyalite_api.require((("),
        "{guarded}"
    );
    assert_eq!(
        guarded.matches("koyalite_api.require").count(),
        2,
        "{guarded}"
    );
}

/// Rows that stand equal come in the order of their keys, in both lists and in the answer.
#[test]
fn what_stands_equal_by_distance_and_words_is_ordered_by_its_key() {
    let words = hybrid::Words {
        text: "a".into(),
        columns: vec!["title".parse().unwrap()],
        language: crate::vectors::Language::parse("simple").unwrap(),
    };
    let permit = permit(Command::Select, "items");
    let text = hybrid::hybrid(&permit, &near(), &words, hybrid::Nearest::Here).text;
    assert_eq!(
        text.matches(" + 0::double precision, t.\"id\" LIMIT")
            .count(),
        1
    );
    assert_eq!(text.matches(" DESC, t.\"id\" LIMIT").count(), 2, "{text}");
}
