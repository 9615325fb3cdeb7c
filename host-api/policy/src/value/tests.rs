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
