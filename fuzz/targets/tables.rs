//! What a guest asks of the tables: names, columns, filters, rows and parameters of any kind are
//! refused, or become one statement. Nobody is asked to run it.
#![no_main]

mod shapes;

use std::sync::{Arc, OnceLock};

use koyalite_host_api::Project;
use koyalite_host_api::db::{
    DatabaseAccess, Databases, Mirror, NodeLimits, Password, PostgresConfig,
};
use koyalite_host_api::tables::query::json_param;
use koyalite_host_api::tables::{
    DeleteQuery, Filter, InsertQuery, Operation, OrderKey, SelectQuery, UpdateQuery, UpsertQuery,
    consider,
};
use koyalite_policy::{Identity, PolicySource, Schema, User};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use uuid::Uuid;

#[derive(Arbitrary, Debug)]
struct Asked<'a> {
    kind: u8,
    known_table: bool,
    table: &'a str,
    columns: Vec<&'a str>,
    filter: &'a str,
    params: Vec<&'a str>,
    order: Vec<&'a str>,
    rows: &'a str,
    limit: Option<u32>,
}

fn project() -> &'static Project {
    static PROJECT: OnceLock<Project> = OnceLock::new();
    PROJECT.get_or_init(|| {
        // The pool's housekeeping wants one; nothing of it ever runs.
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime");
        let _inside = runtime.enter();
        let databases = Databases::new(PostgresConfig::new(), NodeLimits::default());
        let access = DatabaseAccess {
            role: String::new(),
            password: Password::new(b""),
            schema: String::new(),
        };
        Project {
            id: Uuid::from_u128(7),
            name: "demo".parse().expect("a name"),
            schema: Arc::new(schema()),
            relationships: Arc::from([]),
            vectors: Arc::default(),
            database: databases
                .expect("no certificates needed")
                .project(Uuid::from_u128(7), &access),
            mirror: Mirror::Off,
            reads: Default::default(),
            files: Default::default(),
        }
    })
}

fn schema() -> Schema {
    let policy: PolicySource = serde_json::from_value(json!({
        "id": "6a3c1f58-0d4e-4b5c-9a43-3f1c2b7d9e10", "name": "own rows", "table": "todos",
        "effect": "allow", "commands": ["select", "insert", "update", "delete"],
        "using": "owner_id = auth.uid()", "check": "owner_id = auth.uid()",
    }))
    .expect("a policy");
    Schema::build(vec![shapes::todos()], vec![policy]).expect("a schema")
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn operation(asked: &Asked<'_>) -> Operation {
    let table = if asked.known_table {
        "todos"
    } else {
        asked.table
    }
    .to_owned();
    let params = asked.params.iter().filter_map(|text| json_param(text).ok());
    let filter = Filter {
        text: asked.filter.to_owned(),
        params: params.collect(),
    };
    let (rows, columns) = (asked.rows.to_owned(), texts(&asked.columns));
    match asked.kind % 5 {
        0 => Operation::Select(SelectQuery {
            table,
            columns,
            filter,
            order: asked
                .order
                .iter()
                .map(|key| OrderKey::ascending(*key))
                .collect(),
            limit: asked.limit,
            embeds: Vec::new(),
        }),
        1 => Operation::Insert(InsertQuery {
            table,
            rows,
            returning: columns,
        }),
        2 => Operation::Upsert(UpsertQuery {
            table,
            rows,
            conflict: texts(&asked.order),
            returning: columns,
        }),
        3 => Operation::Update(UpdateQuery {
            table,
            filter,
            changes: rows,
            max_affected: asked.limit,
            returning: columns,
        }),
        _ => Operation::Delete(DeleteQuery {
            table,
            filter,
            max_affected: asked.limit,
            returning: columns,
        }),
    }
}

fuzz_target!(|asked: Asked<'_>| {
    let subject = "123e4567-e89b-12d3-a456-426614174000".to_owned();
    let user = Identity::User(User::new(subject, serde_json::Map::new()));
    if let Err(error) = consider(project(), &user, &operation(&asked)) {
        assert_ne!(error.code(), "internal", "{error:?}");
    }
});
