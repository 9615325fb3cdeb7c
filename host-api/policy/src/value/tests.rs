use super::*;
use serde_json::json;

#[test]
fn json_reads_as_the_type_of_its_column() {
    let check = |json: Json, ty, expected| assert_eq!(Value::from_json(json, ty), Ok(expected));
    check(json!(null), ColumnType::Jsonb, Value::Null);
    check(json!(3.0), ColumnType::Integer, Value::Integer(3));
    check(json!(3), ColumnType::Double, Value::Float(3.0));
    check(
        json!(0.1),
        ColumnType::Numeric,
        Value::Numeric("0.1".into()),
    );
    check(
        json!(u64::MAX),
        ColumnType::Numeric,
        Value::Numeric(u64::MAX.to_string()),
    );
    check(
        json!("9007199254740993"),
        ColumnType::Bigint,
        Value::Integer(9_007_199_254_740_993),
    );
    check(
        json!("2024-01-01 02:00:00.1234567+02:00"),
        ColumnType::Timestamptz,
        Value::Timestamptz("2024-01-01T00:00:00.123456Z".into()),
    );
    check(json!([1]), ColumnType::Jsonb, Value::Json(json!([1])));
}

#[test]
fn json_that_does_not_fit_is_refused_before_postgres_sees_it() {
    let check =
        |json: Json, ty| assert!(Value::from_json(json.clone(), ty).is_err(), "{json} {ty}");
    check(json!(2_147_483_648_i64), ColumnType::Integer);
    check(json!(u64::MAX), ColumnType::Bigint);
    check(json!(1.5), ColumnType::Bigint);
    check(json!(1e300), ColumnType::Integer);
    check(json!(1), ColumnType::Text);
    check(json!("a\0"), ColumnType::Text);
    check(json!({"a": ["\0"]}), ColumnType::Jsonb);
    check(json!("2024-01-01"), ColumnType::Timestamptz);
    check(json!([1]), ColumnType::Integer);
    check(json!("yes"), ColumnType::Boolean);
}

#[test]
fn json_reads_as_the_larger_types_too() {
    let check = |json: Json, ty: &str, expected| {
        assert_eq!(
            Value::from_json(json, ty.parse().unwrap()),
            Ok(expected),
            "{ty}"
        );
    };
    let text = |text: &str| Value::Text(text.to_owned());
    check(json!(-32_768), "smallint", Value::Integer(-32_768));
    check(json!(0.1), "real", Value::Float(f64::from(0.1_f32)));
    check(json!("aGk="), "bytea", Value::Bytes(b"hi".to_vec()));
    check(
        json!("07:05:00.5"),
        "time",
        Value::Time("07:05:00.500000".into()),
    );
    check(
        json!(["a", null]),
        "text[]",
        Value::List(vec![text("a"), Value::Null]),
    );
    check(
        json!("{a,b}"),
        "text[]",
        Value::List(vec![text("a"), text("b")]),
    );
    check(json!([]), "int[]", Value::List(Vec::new()));
    check(
        json!([1, "2"]),
        "bigint[]",
        Value::List(vec![Value::Integer(1), Value::Integer(2)]),
    );
    check(json!([1, 0.5]), "vector(2)", Value::Vector(vec![1.0, 0.5]));
    check(
        json!("[1, 0.5]"),
        "vector(2)",
        Value::Vector(vec![1.0, 0.5]),
    );
    check(json!({"a": 1}), "json", Value::Json(json!({"a": 1})));
}

#[test]
fn the_larger_types_refuse_what_does_not_fit() {
    let check = |json: Json, ty: &str, expected: &str| {
        let error = Value::from_json(json.clone(), ty.parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains(expected), "{json} {ty}: {error}");
    };
    check(json!(32_768), "smallint", "does not fit smallint");
    check(json!(1e39), "real", "does not fit real");
    check(json!("1e39"), "real", "does not fit real");
    check(
        json!("1e400"),
        "double precision",
        "does not fit double precision",
    );
    check(json!("nope!"), "bytea", "write it as base64");
    check(json!("24:00:01"), "time", "write it as 13:45:00");
    check(json!([[1]]), "int[]", "expected integer");
    check(json!(["x"]), "int[]", "does not read as integer");
    check(json!({}), "text[]", "expected text[], found JSON");
    check(
        json!([1, 2, 3]),
        "vector(2)",
        "expected vector(2), found 3 numbers",
    );
    check(
        json!([1, null]),
        "vector(2)",
        "expected vector(2), found null",
    );
    check(
        json!(["Infinity", 1]),
        "vector(2)",
        "does not fit vector(2)",
    );
}

/// One value of each kind, what it is called, the type it has by itself and what it is as JSON.
fn kinds() -> Vec<(Value, &'static str, &'static str, Json)> {
    let text = |text: &str| text.to_owned();
    vec![
        (Value::Null, "null", "text", json!(null)),
        (Value::Boolean(true), "a boolean", "boolean", json!(true)),
        (Value::Integer(7), "an integer", "bigint", json!(7)),
        (
            Value::Float(0.5),
            "a floating-point number",
            "double precision",
            json!(0.5),
        ),
        (
            Value::Numeric(text("1.50")),
            "a number",
            "numeric",
            json!("1.50"),
        ),
        (Value::Text(text("a")), "text", "text", json!("a")),
        (
            Value::Uuid(Uuid::nil()),
            "a uuid",
            "uuid",
            json!(Uuid::nil().to_string()),
        ),
        (
            Value::Bytes(b"hi".to_vec()),
            "bytes",
            "bytea",
            json!("aGk="),
        ),
        (
            Value::Timestamptz(text("2024-01-01T00:00:00Z")),
            "a moment",
            "timestamptz",
            json!("2024-01-01T00:00:00Z"),
        ),
        (
            Value::Date(text("2024-01-01")),
            "a date",
            "date",
            json!("2024-01-01"),
        ),
        (
            Value::Time(text("10:00:00")),
            "a time of day",
            "time",
            json!("10:00:00"),
        ),
        (
            Value::Json(json!({"a": 1})),
            "JSON",
            "jsonb",
            json!({"a": 1}),
        ),
        (
            Value::List(vec![Value::Null, Value::Integer(1)]),
            "a list",
            "bigint",
            json!([null, 1]),
        ),
        (
            Value::Vector(vec![0.5, 1.0]),
            "a vector",
            "vector(2)",
            json!([0.5, 1.0]),
        ),
    ]
}

#[test]
fn each_kind_of_value_has_a_word_a_type_and_a_form_in_json() {
    for (value, word, ty, json) in kinds() {
        assert_eq!(value.kind(), word, "{value:?}");
        assert_eq!(value.natural_type().to_string(), ty, "{value:?}");
        assert_eq!(value.to_json(), json, "{value:?}");
    }
    for (float, text) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(Value::Float(float).to_json(), json!(text));
    }
    let listed = Value::Json(json!(["a"])).coerce("text[]".parse().unwrap());
    assert_eq!(listed, Ok(Value::List(vec![Value::Text("a".to_owned())])));
    let vector = Value::Json(json!([1, 2])).coerce(ColumnType::Vector(2));
    assert_eq!(vector, Ok(Value::Vector(vec![1.0, 2.0])));
    assert!(Value::Float(3.0).coerce(ColumnType::Text).is_err());
    for (text, truth) in [("t", true), ("true", true), ("f", false), ("false", false)] {
        let read = Value::parse(text, ColumnType::Boolean);
        assert_eq!(read, Ok(Value::Boolean(truth)), "{text}");
    }
    let nul = Value::parse("[\"\\u0000\"]", ColumnType::Jsonb);
    assert_eq!(nul, Err(ValueError::NulCharacter));
    let empty = Value::List(vec![Value::Null]);
    assert_eq!(empty.natural_type(), ColumnType::Text);
}

/// Every kind beside a column of every type: those that fit as they are, or as a number fits another.
#[test]
fn a_value_fits_columns_of_its_own_kind() {
    let fits = |value: &Value| match value {
        Value::Integer(_) => "smallint integer bigint real double_precision numeric",
        Value::Float(_) => "real double_precision numeric",
        Value::Numeric(_) => "real double_precision numeric",
        Value::Text(_) => "text",
        Value::Json(_) => "json jsonb",
        Value::Boolean(_) => "boolean",
        Value::Uuid(_) => "uuid",
        Value::Bytes(_) => "bytea",
        Value::Timestamptz(_) => "timestamptz",
        Value::Date(_) => "date",
        Value::Time(_) => "time",
        Value::Vector(_) => "vector(2)",
        Value::Null | Value::List(_) => "",
    };
    let types = crate::ScalarType::ALL
        .iter()
        .map(|ty| ColumnType::from(*ty));
    let types: Vec<ColumnType> = types.chain([ColumnType::Vector(2)]).collect();
    for (value, ..) in kinds() {
        if let Value::Null | Value::List(_) = value {
            continue;
        }
        let found: Vec<String> = types
            .iter()
            .filter(|ty| value.clone().coerce(**ty).is_ok())
            .map(|ty| ty.to_string().replace(' ', "_"))
            .collect();
        assert_eq!(found.join(" "), fits(&value), "{value:?}");
    }
}

#[test]
fn numbers_fit_to_the_edge_of_their_type() {
    let check = |value: Value, ty: &str, expected: Option<Value>| {
        let found = value.clone().coerce(ty.parse().unwrap());
        let out_of_range = Err(ValueError::OutOfRange {
            expected: ty.parse().unwrap(),
        });
        assert_eq!(found, expected.map_or(out_of_range, Ok), "{value:?} {ty}");
    };
    let whole = |n: i64| Some(Value::Integer(n));
    let numeric = |text: &str| Value::Numeric(text.to_owned());
    for (ty, low, high) in [
        ("smallint", -32_768, 32_767),
        ("integer", i32::MIN.into(), i32::MAX.into()),
    ] {
        check(Value::Integer(low), ty, whole(low));
        check(Value::Integer(high), ty, whole(high));
        check(Value::Integer(low - 1), ty, None);
        check(Value::Integer(high + 1), ty, None);
    }
    let edge = 2f64.powi(63);
    check(Value::Float(-edge), "bigint", whole(i64::MIN));
    check(Value::Float(edge), "bigint", None);
    check(Value::Float(3.0), "smallint", whole(3));
    check(Value::Float(3.5), "bigint", None);
    check(numeric("5"), "bigint", whole(5));
    check(numeric("5.5"), "bigint", None);
    check(numeric("70000"), "smallint", None);
    check(numeric("0.5"), "double precision", Some(Value::Float(0.5)));
    check(Value::Float(1e39), "real", None);
    check(
        Value::Float(f64::INFINITY),
        "real",
        Some(Value::Float(f64::INFINITY)),
    );
    let huge = numeric(&format!("1{}", "0".repeat(999)));
    check(huge.clone(), "numeric", Some(huge));
    check(numeric(&"1".repeat(1001)), "numeric", None);
}
