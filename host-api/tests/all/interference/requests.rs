//! Random requests: every operation, with every part that might ask about a hidden row.

use koyalite_host_api::tables::{
    AggregateQuery, CountQuery, DeleteQuery, EmbedQuery, Filter, InsertQuery, Measure, Nulls,
    Operation, OrderKey, SelectQuery, Summary, UpdateQuery, UpsertQuery,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value as Json, json};

use koyalite_host_api::vectors::{HybridQuery, SearchQuery};

use super::data::{CALLER, HIDDEN, NAMES, SHARED, SHARED_TEAM};
use super::nearest;
use super::spoken::{EMBEDS, KEYS, SCORES, TABLES, Table};

#[derive(Debug, Clone)]
pub(super) enum Request {
    One(Operation),
    /// As many pages as there are.
    Pages(SelectQuery),
    Near(SearchQuery),
    Words(HybridQuery),
}

impl Request {
    /// Whether it reads rows of this table and no other.
    pub(super) fn reads(&self, table: &str) -> bool {
        match self {
            Request::One(Operation::Select(query)) | Request::Pages(query) => {
                query.table == table && query.embeds.is_empty()
            }
            Request::One(_) | Request::Near(_) | Request::Words(_) => false,
        }
    }

    /// Whether it writes rows that are found by more than one column.
    pub(super) fn is_composite_upsert(&self) -> bool {
        matches!(self, Request::One(Operation::Upsert(query)) if query.conflict.len() > 1)
    }
}

pub(super) fn request() -> impl Strategy<Value = Request> {
    let table = select(TABLES);
    let any = table.prop_flat_map(|table| {
        prop_oneof![
            4 => query(table).prop_map(|query| Request::One(Operation::Select(query))),
            2 => (query(table), 1..4u32).prop_map(|(query, rows)| {
                Request::Pages(SelectQuery { limit: Some(rows), ..query })
            }),
            1 => filter(table).prop_map(move |filter| {
                Request::One(Operation::Count(CountQuery { table: table.0.into(), filter }))
            }),
            2 => aggregate(table),
            5 => write(table),
        ]
    });
    let tables = TABLES.iter().copied();
    let linked: Vec<_> = tables
        .filter(|table| ["posts", "tags", "notes"].contains(&table.0))
        .collect();
    let linked = select(linked).prop_flat_map(query);
    prop_oneof![
        8 => any,
        3 => write(SCORES),
        2 => linked.prop_map(|query| Request::One(Operation::Select(query))),
        2 => nearest::search().prop_map(Request::Near),
        1 => nearest::words().prop_map(Request::Words),
    ]
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
    let embeds = match EMBEDS.iter().any(|way| way.0 == table.0) {
        true => prop::collection::vec(embed(table.0, None), 0..3).boxed(),
        false => Just(Vec::new()).boxed(),
    };
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
            "members" => json!({ "id": id, "team": number, "owner_id": flag.then_some(CALLER) }),
            "notes" => json!({ "id": id, "team": number.map(|n| n % 4), "body": text }),
            "scores" => json!({
                "id": if flag && id % 2 == 0 { id } else { SHARED + id % 4 },
                "team": number.map_or(SHARED_TEAM, |n| 1 + n % 2),
                "name": text.unwrap_or("ann"), "points": number.map(|n| n + 3), "note": text,
            }),
            _ => json!({ "post_id": id, "tag_id": other.unwrap_or(3), "secret": flag }),
        })
        .boxed()
}

fn write(table: Table) -> BoxedStrategy<Request> {
    let name = table.0;
    let one_or_two = prop_oneof![2 => Just(1), 1 => Just(2)];
    let rows = one_or_two.prop_flat_map(move |count| prop::collection::vec(row(name), count));
    let filtered = (filter(table), option::of(0..4u32));
    let what = match name {
        "scores" => prop_oneof![1 => 0..4, 3 => 1..3].boxed(),
        _ => (0..4).boxed(),
    };
    // By the primary key, or by what else is unique.
    let conflict = match name {
        "scores" => option::of(Just(vec!["team".to_owned(), "name".to_owned()])).boxed(),
        _ => Just(None).boxed(),
    };
    let parts = (what, rows, columns(table), filtered, conflict);
    parts
        .prop_map(
            move |(what, mut rows, returning, (filter, max_affected), conflict)| {
                if conflict.is_some() {
                    // Numbers that are free, for it is not by them that rows are found.
                    for (id, row) in (200..).zip(&mut rows) {
                        row["id"] = id.into();
                    }
                }
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
                        conflict: conflict.unwrap_or_default(),
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
            },
        )
        .boxed()
}

fn without_key(row: &Json) -> Json {
    let mut row = row.clone();
    let columns = row.as_object_mut().unwrap();
    // Nor a name of scores: all rows with the same one would be refused.
    let scores = columns.contains_key("points");
    columns.retain(|name, _| {
        let is_name = scores && name == "name";
        !(is_name || KEYS.contains(&name.as_str()))
    });
    row
}
