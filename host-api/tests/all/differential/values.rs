//! Values that are likely to be treated differently by a host and a database.

use koyalite_policy::{ColumnType, ScalarType, Value};
use proptest::prelude::*;
use proptest::sample::select;

/// Two columns of a kind each, so that conditions can compare columns.
pub(super) const COLUMNS: &[&str] = &[
    "id bigint primary key",
    "b boolean",
    "i integer",
    "l bigint",
    "f float8",
    "n numeric",
    "t text",
    "t2 text",
    "u uuid",
    "ts timestamptz",
    "d date",
    "s smallint",
    "r real",
    "c time",
    "ta text[]",
    "ia integer[]",
];

/// The columns that conditions speak of, with their types.
pub(super) const TYPED: &[(&str, ColumnType)] = &[
    ("b", ColumnType::Boolean),
    ("i", ColumnType::Integer),
    ("l", ColumnType::Bigint),
    ("f", ColumnType::Double),
    ("n", ColumnType::Numeric),
    ("t", ColumnType::Text),
    ("t2", ColumnType::Text),
    ("u", ColumnType::Uuid),
    ("ts", ColumnType::Timestamptz),
    ("d", ColumnType::Date),
    ("s", ColumnType::Smallint),
    ("r", ColumnType::Real),
    ("c", ColumnType::Time),
];

/// The columns that hold arrays, with the types of their items.
pub(super) const ARRAYS: &[(&str, ScalarType)] =
    &[("ta", ScalarType::Text), ("ia", ScalarType::Integer)];

/// One row: a value per column.
#[derive(Debug, Clone)]
pub(super) struct RowValues(pub(super) Vec<(&'static str, Value)>);

pub(super) fn row() -> impl Strategy<Value = RowValues> {
    let arrays = ARRAYS
        .iter()
        .map(|(name, item)| (*name, ColumnType::Array(*item)));
    let columns: Vec<_> = TYPED.iter().copied().chain(arrays).collect();
    let values: Vec<_> = columns.iter().map(|(_, ty)| nullable(*ty)).collect();
    values.prop_map(move |values| {
        let named = columns.iter().zip(values);
        RowValues(named.map(|((name, _), value)| (*name, value)).collect())
    })
}

pub(super) fn nullable(ty: ColumnType) -> BoxedStrategy<Value> {
    prop_oneof![1 => Just(Value::Null), 5 => value(ty)].boxed()
}

const DOUBLES: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    1.5,
    0.1,
    -1.0,
    1e300,
    9_007_199_254_740_992.0,
    5e-324,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];
const NUMERICS: &[&str] = &[
    "0",
    "0.00",
    "1",
    "1.0",
    "1.50",
    "0.1",
    "-1",
    "9007199254740993",
    "NaN",
    "Infinity",
    "-Infinity",
    "0.1000000000000000055511151231257827",
    "123456789012345678901234567890.5",
];
const TIMES: &[&str] = &[
    "infinity",
    "-infinity",
    "1970-01-01T00:00:00Z",
    "2000-01-01T00:00:00.000001Z",
    "2024-02-29T12:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z",
];
const DATES: &[&str] = &[
    "infinity",
    "-infinity",
    "1970-01-01",
    "2024-02-29",
    "0001-01-01",
];
const REALS: &[f32] = &[
    0.0,
    -0.0,
    1.0,
    0.1,
    -1.5,
    16_777_216.0,
    f32::MAX,
    f32::MIN_POSITIVE,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
];
const CLOCKS: &[&str] = &["00:00:00", "12:00:00.000001", "23:59:59.999999", "24:00:00"];
const UUIDS: &[u128] = &[0, 1, u128::MAX, 0x123e4567_e89b_12d3_a456_426614174000];

pub(super) fn value(ty: ColumnType) -> BoxedStrategy<Value> {
    match ty {
        ColumnType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        ColumnType::Integer => {
            let some = [0, 1, -1, 2, 10, i32::MAX, i32::MIN];
            select(some.to_vec())
                .prop_map(|i| Value::Integer(i.into()))
                .boxed()
        }
        ColumnType::Bigint => {
            let some = [0, 1, -1, 2, 10, 1 << 53, (1 << 53) + 1, i64::MAX, i64::MIN];
            select(some.to_vec()).prop_map(Value::Integer).boxed()
        }
        ColumnType::Double => select(DOUBLES).prop_map(Value::Float).boxed(),
        ColumnType::Numeric => one_of(NUMERICS, Value::Numeric),
        ColumnType::Text => text().prop_map(Value::Text).boxed(),
        ColumnType::Uuid => select(UUIDS)
            .prop_map(|n| Value::Uuid(uuid::Uuid::from_u128(n)))
            .boxed(),
        ColumnType::Timestamptz => one_of(TIMES, Value::Timestamptz),
        ColumnType::Date => one_of(DATES, Value::Date),
        ColumnType::Smallint => select(vec![0, 1, -1, 2, 10, 32_767, -32_768])
            .prop_map(Value::Integer)
            .boxed(),
        ColumnType::Real => select(REALS)
            .prop_map(|number| Value::Float(number.into()))
            .boxed(),
        ColumnType::Time => one_of(CLOCKS, Value::Time),
        ColumnType::Array(item) => prop::collection::vec(nullable(item.into()), 0..3)
            .prop_map(Value::List)
            .boxed(),
        // No column of these types takes part: they only are NULL or not.
        ColumnType::Bytea | ColumnType::Json | ColumnType::Jsonb | ColumnType::Vector(_) => {
            Just(Value::Null).boxed()
        }
    }
}

fn one_of(texts: &'static [&'static str], make: fn(String) -> Value) -> BoxedStrategy<Value> {
    select(texts)
        .prop_map(move |text| make(text.to_owned()))
        .boxed()
}

fn text() -> BoxedStrategy<String> {
    let known = [
        "",
        " ",
        "a",
        "A",
        "b",
        "aa",
        "ab",
        "a%",
        "a_b",
        "a\\b",
        "\\",
        "%",
        "ä",
        "Ä",
        "a\u{308}",
        "ß",
        "ẞ",
        "ı",
        "İ",
        "I",
        "i",
        "K",
        "ſ",
        "z",
        "👍",
        "\u{ffff}",
        "\u{10000}",
        "\n",
        "'",
        "a\nb",
    ];
    let letters = select(vec!['a', 'A', 'ä', '%', '_', '\\', '👍', '\n', 'İ']);
    let random =
        prop::collection::vec(letters, 0..4).prop_map(|letters| letters.into_iter().collect());
    prop_oneof![select(known.to_vec()).prop_map(str::to_owned), random].boxed()
}

/// A pattern for LIKE. One that ends in a lone backslash is refused, so none is made.
pub(super) fn pattern() -> BoxedStrategy<String> {
    let parts = select(vec![
        "a", "A", "%", "_", "ä", "Ä", "b", "\\%", "\\_", "\\\\", "👍", "i", "K",
    ]);
    prop::collection::vec(parts, 0..5)
        .prop_map(|parts| parts.concat())
        .boxed()
}
