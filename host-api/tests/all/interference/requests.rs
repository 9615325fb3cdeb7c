//! Random requests: every operation, with every part that might ask about a hidden row.

use koyalite_host_api::tables::{
    AggregateQuery, CountQuery, DeleteQuery, EmbedQuery, Filter, InsertQuery, Measure, Nulls,
    Operation, OrderKey, SelectQuery, Summary, UpdateQuery, UpsertQuery,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value as Json, json};

use super::data::{CALLER, HIDDEN, NAMES};

#[derive(Debug, Clone)]
pub(super) enum Request {
    One(Operation),
    /// As many pages as there are.
    Pages(SelectQuery),
}

/// A table, its columns, and atoms of conditions on it.
type Table = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const TABLES: &[Table] = &[
    (
        "people",
        &["id", "owner_id", "name", "grade", "boss_id", "code"],
        &[
            "id > 3",
            "id = 1001",
            "grade > 4",
            "grade is null",
            "name like 'a%'",
            "name = 'bob'",
            "boss_id = 1",
            "boss_id in (1, 1000, 1001)",
            "owner_id = auth.uid()",
            "name ilike '%N%'",
            "lower(name) = 'ann'",
            "code is null",
            "grade between 2 and 8",
            "coalesce(grade, 9) > 8",
        ],
    ),
    // What the mask leaves of others' rows. A request that asks for more sees its own rows only, and
    // nearly all that are made of the columns above do.
    (
        "people",
        &["id", "name", "grade"],
        &[
            "id > 3",
            "id = 1001",
            "grade > 4",
            "grade < 6",
            "name like 'a%'",
            "grade between 2 and 8",
        ],
    ),
    (
        "posts",
        &["id", "author_id", "title", "draft", "rank"],
        &[
            "id < 4",
            "id in (1000, 1, 2)",
            "author_id = 1",
            "author_id = 1000",
            "draft",
            "rank > 1",
            "rank is null",
            "title = 'gone'",
            "title is null",
            "title like '_nn'",
            "length(title) = 3",
            "rank = author_id",
            "title is distinct from 'ann'",
        ],
    ),
    (
        "tags",
        &["id", "word"],
        &["word = 'hidden'", "word > 'c'", "id = 1000", "id < 3"],
    ),
    (
        "post_tags",
        &["post_id", "tag_id", "secret"],
        &[
            "secret",
            "post_id = 1",
            "post_id >= 1000",
            "tag_id = 1000",
            "tag_id <> post_id",
        ],
    ),
];

const KEYS: &[&str] = &["id", "post_id", "tag_id"];

/// Outer table, inner table, and the relationship where it must be named.
const EMBEDS: &[(&str, &str, Option<&str>)] = &[
    ("people", "posts", None),
    ("people", "people", Some("boss_id")),
    ("people", "people", Some("people_boss_id_fkey")),
    ("posts", "people", None),
    ("posts", "tags", None),
    ("posts", "post_tags", None),
    ("tags", "posts", None),
    ("tags", "post_tags", None),
    ("post_tags", "posts", None),
    ("post_tags", "tags", None),
];

pub(super) fn request() -> impl Strategy<Value = Request> {
    let table = select(TABLES);
    table.prop_flat_map(|table| {
        prop_oneof![
            4 => query(table).prop_map(|query| Request::One(Operation::Select(query))),
            2 => query(table).prop_map(Request::Pages),
            1 => filter(table).prop_map(move |filter| {
                Request::One(Operation::Count(CountQuery { table: table.0.into(), filter }))
            }),
            2 => aggregate(table),
            3 => write(table),
        ]
    })
}

fn filter(table: Table) -> BoxedStrategy<Filter> {
    let atom = select(table.2).prop_map(str::to_owned);
    let text = atom.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("not ({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a}) or ({b})")),
        ]
    });
    let text = prop_oneof![Just(String::new()), text];
    text.prop_map(|text| Filter {
        text,
        params: vec![],
    })
    .boxed()
}

fn columns(table: Table) -> impl Strategy<Value = Vec<String>> {
    let some = subsequence(table.1, 0..=table.1.len());
    some.prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

/// Ends in the primary key: what an order leaves open is the database's own affair.
fn order(names: Vec<String>) -> impl Strategy<Value = Vec<OrderKey>> {
    let key = (
        select(names.clone()),
        any::<bool>(),
        option::of(any::<bool>()),
    );
    let key = key.prop_map(|(column, back, nulls)| {
        let key = match back {
            true => OrderKey::descending(column),
            false => OrderKey::ascending(column),
        };
        OrderKey {
            nulls: nulls.map(|first| match first {
                true => Nulls::First,
                false => Nulls::Last,
            }),
            ..key
        }
    });
    let key_columns = names.iter().filter(|name| KEYS.contains(&name.as_str()));
    let last: Vec<_> = key_columns.cloned().map(OrderKey::ascending).collect();
    prop::collection::vec(key, 0..3).prop_map(move |mut order| {
        order.extend(last.clone());
        order
    })
}

fn names(table: Table) -> Vec<String> {
    table.1.iter().map(|name| (*name).to_owned()).collect()
}

fn limit() -> impl Strategy<Value = Option<u32>> {
    option::of(0..5u32)
}

fn query(table: Table) -> BoxedStrategy<SelectQuery> {
    let inner = (columns(table), filter(table), order(names(table)), limit());
    let embeds = prop::collection::vec(embed(table.0, None), 0..3);
    let nested = embed("posts", Some(0));
    (inner, embeds, nested)
        .prop_map(
            move |((columns, filter, order, limit), mut embeds, nested)| {
                for (place, embed) in embeds.iter_mut().enumerate() {
                    embed.name = Some(format!("embed_{place}"));
                }
                // A hop further: from an embed of posts to what they lead to.
                if embeds.first().is_some_and(|first| first.table == "posts") {
                    embeds.push(nested);
                }
                SelectQuery {
                    table: table.0.into(),
                    columns,
                    filter,
                    order,
                    limit,
                    embeds,
                }
            },
        )
        .boxed()
}

fn embed(outer: &str, inside: Option<u32>) -> BoxedStrategy<EmbedQuery> {
    let ways: Vec<_> = EMBEDS.iter().filter(|way| way.0 == outer).collect();
    select(ways)
        .prop_flat_map(move |(_, inner, via)| {
            let table = *TABLES.iter().find(|table| table.0 == *inner).unwrap();
            let parts = (columns(table), filter(table), order(names(table)), limit());
            parts.prop_map(move |(columns, filter, order, limit)| EmbedQuery {
                table: (*inner).to_owned(),
                name: Some("inner".into()),
                via: via.map(str::to_owned),
                inside,
                columns,
                filter,
                order,
                limit,
            })
        })
        .boxed()
}

fn aggregate(table: Table) -> impl Strategy<Value = Request> {
    let summary = select(vec![
        Summary::Count,
        Summary::Sum,
        Summary::Min,
        Summary::Max,
    ]);
    let measure = (summary, option::of(select(names(table))));
    let groups = subsequence(table.1, 0..2);
    let parts = (
        prop::collection::vec(measure, 1..3),
        groups,
        filter(table),
        limit(),
    );
    parts.prop_map(move |(measures, groups, filter, limit)| {
        let measures = measures.into_iter().enumerate();
        let measures = measures.map(|(place, (summary, column))| Measure {
            summary,
            column,
            name: format!("m{place}"),
        });
        let order = groups.iter().map(|group| OrderKey::ascending(*group));
        Request::One(Operation::Aggregate(AggregateQuery {
            table: table.0.into(),
            measures: measures.collect(),
            order: order.collect(),
            group_by: groups.into_iter().map(str::to_owned).collect(),
            filter,
            limit,
        }))
    })
}

/// A row of a table, some of its values fit to be refused. No number of a hidden row, and no value
/// of a unique column that one might have.
fn row(table: &'static str) -> BoxedStrategy<Json> {
    let id = prop_oneof![1..7i64, 100..105i64];
    let other = option::of(prop_oneof![1..7i64, HIDDEN..HIDDEN + 5]);
    let text = option::of(select(NAMES));
    (id, other, text, any::<bool>(), option::of(0..9i64))
        .prop_map(move |(id, other, text, flag, number)| match table {
            "people" => json!({
                "id": id, "name": text, "grade": number, "boss_id": other,
                "owner_id": flag.then_some(CALLER),
            }),
            "posts" => json!({
                "id": id, "author_id": other, "title": text, "draft": flag, "rank": number,
            }),
            "tags" => json!({ "id": id, "word": text.unwrap_or("hidden") }),
            _ => json!({ "post_id": id, "tag_id": other.unwrap_or(3), "secret": flag }),
        })
        .boxed()
}

fn write(table: Table) -> BoxedStrategy<Request> {
    let name = table.0;
    let rows = prop::collection::vec(row(name), 1..3);
    let filtered = (filter(table), option::of(0..4u32));
    let parts = (0..4, rows, columns(table), filtered);
    parts
        .prop_map(move |(what, rows, returning, (filter, max_affected))| {
            let table = name.to_owned();
            Request::One(match what {
                0 => Operation::Insert(InsertQuery {
                    table,
                    rows: Json::from(rows).to_string(),
                    returning,
                }),
                1 => Operation::Upsert(UpsertQuery {
                    table,
                    rows: Json::from(rows).to_string(),
                    conflict: vec![],
                    returning,
                }),
                2 => Operation::Update(UpdateQuery {
                    table,
                    filter,
                    changes: without_key(&rows[0]).to_string(),
                    max_affected,
                    returning,
                }),
                _ => Operation::Delete(DeleteQuery {
                    table,
                    filter,
                    max_affected,
                    returning,
                }),
            })
        })
        .boxed()
}

fn without_key(row: &Json) -> Json {
    let mut row = row.clone();
    let columns = row.as_object_mut().unwrap();
    columns.retain(|name, _| !KEYS.contains(&name.as_str()));
    row
}
