//! A table with a column of every type, a caller with claims of every kind.

use crate::*;

pub(crate) fn shape() -> TableShape {
    let column = |(name, ty): (&str, ColumnType)| ColumnShape {
        name: name.parse().unwrap(),
        ty,
        nullable: true,
        has_default: false,
        primary_key: false,
        unique: false,
        values: None,
    };
    let columns = [
        ("done", ColumnType::Boolean),
        ("n", ColumnType::Integer),
        ("big", ColumnType::Bigint),
        ("ratio", ColumnType::Double),
        ("price", ColumnType::Numeric),
        ("title", ColumnType::Text),
        ("owner_id", ColumnType::Uuid),
        ("created_at", ColumnType::Timestamptz),
        ("day", ColumnType::Date),
        ("meta", ColumnType::Jsonb),
        ("small", ColumnType::Smallint),
        ("factor", ColumnType::Real),
        ("opens", ColumnType::Time),
        ("tags", ColumnType::Array(ScalarType::Text)),
        ("counts", ColumnType::Array(ScalarType::Integer)),
        ("bytes", ColumnType::Bytea),
        ("raw", ColumnType::Json),
        ("spot", ColumnType::Vector(3)),
    ];
    TableShape {
        name: "todos".parse().unwrap(),
        columns: columns.map(column).to_vec(),
        unique_together: Vec::new(),
    }
}

pub(super) fn alice() -> Identity {
    let claims = serde_json::json!({
        "email": "a@example.com", "org": "not a uuid", "level": 3, "levels": [1, "2", "x"], "nul": "\0", "none": [],
        "app_metadata": {"team": "123e4567-e89b-12d3-a456-426614174000", "staff": true, "tags": ["a"]},
    });
    let serde_json::Value::Object(claims) = claims else {
        panic!()
    };
    Identity::User(User::new(
        "123e4567-e89b-12d3-a456-426614174000".to_owned(),
        claims,
    ))
}

pub(super) fn permit() -> Permit {
    let open = PolicySource {
        id: uuid::Uuid::nil(),
        name: "open".to_owned(),
        table: "todos".parse().unwrap(),
        effect: Effect::Allow,
        commands: [Command::Select].into(),
        roles: Vec::new(),
        using: Some("true".to_owned()),
        check: None,
        read: None,
        write: None,
        set: Default::default(),
        enabled: true,
    };
    let schema = Schema::build(vec![shape()], vec![open]).unwrap();
    let now = Timestamp::from_unix_micros(0);
    decide(
        &schema,
        &alice(),
        Command::Select,
        &"todos".parse().unwrap(),
        now,
    )
    .unwrap()
}

pub(super) fn filter(text: &str, params: &[Value]) -> Result<Filter, FilterError> {
    parse_filter(text, params, &permit())
}

pub(super) fn sql(text: &str, params: &[Value]) -> (String, Vec<(Value, ColumnType)>) {
    let filter = filter(text, params).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let mut writer = SqlWriter::new();
    (writer.filter(&filter, "t"), writer.into_binds())
}
