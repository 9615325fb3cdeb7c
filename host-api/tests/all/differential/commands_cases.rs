//! The cases of `commands`: a table, its rows, policies of all kinds, somebody, and what they do.

use koyalite_host_api::db::DatabaseAccess;
use koyalite_policy::{
    ColumnShape, ColumnType, Command, Effect, Identity, PolicySource, Row, ScalarType, TableShape,
    User, Value,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value as Json, json};

use super::text::condition;
use crate::support::policy;

pub(super) const TABLE: &str = "things";

const ANN: &str = "11111111-1111-4111-8111-111111111111";
const BOB: &str = "22222222-2222-4222-8222-222222222222";

/// A column that a table may have: type, what it may hold, what policies say of it, and what those for
/// updates say of it and the row as it was.
struct Kind {
    name: &'static str,
    ty: ColumnType,
    values: fn() -> Vec<Json>,
    atoms: &'static [&'static str],
    changes: &'static str,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "n",
        ty: ColumnType::Integer,
        values: || vec![json!(0), json!(1), json!(2), json!(-1)],
        atoms: &[
            "n > 0",
            "n in (1, 2)",
            "n is distinct from 1",
            "(auth.jwt() ->> 'level')::int >= n",
        ],
        changes: "n >= old.n",
    },
    Kind {
        name: "owner",
        ty: ColumnType::Uuid,
        values: || vec![json!(ANN), json!(BOB)],
        atoms: &[
            "owner = auth.uid()",
            "owner is not distinct from (select auth.uid())",
            "owner <> auth.uid()",
            "owner = (auth.jwt() ->> 'boss')::uuid",
        ],
        changes: "owner = old.owner",
    },
    Kind {
        name: "t",
        ty: ColumnType::Text,
        values: || vec![json!(""), json!("a"), json!("Éa"), json!("b_"), json!("7")],
        atoms: &[
            "t like 'b\\_%'",
            "t ilike '%A'",
            "lower(t) <> 'a'",
            "t > 'a'",
            "t = auth.jwt() ->> 'team'",
            "coalesce(t, 'a') = 'a'",
            "t in (select auth.jwt() -> 'words')",
            "length(t) between 1 and 2",
        ],
        changes: "t is not distinct from old.t",
    },
    Kind {
        name: "b",
        ty: ColumnType::Boolean,
        values: || vec![json!(true), json!(false)],
        atoms: &["b", "not b", "b is not true", "b is unknown"],
        changes: "b or old.b",
    },
    Kind {
        name: "tags",
        ty: ColumnType::Array(ScalarType::Text),
        values: || vec![json!([]), json!(["a"]), json!(["a", null]), json!([null])],
        atoms: &["'a' = any (tags)", "'a' <> all (tags)", "tags <> '{}'"],
        changes: "tags = old.tags",
    },
];

/// What policies say of the caller, or of every table.
const ATOMS: [&str; 7] = [
    "true",
    "id <> 2",
    "id in (1, 3, 4)",
    "auth.uid() is not null",
    "auth.role() = 'authenticated'",
    "auth.jwt() ->> 'team' = 'a'",
    "(auth.jwt() -> 'app' ->> 'staff')::boolean",
];

/// A column of this table, and whether it may be NULL.
type Column = (usize, bool);

/// What is done.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    Select,
    Insert(Vec<Map<String, Json>>),
    Update(Map<String, Json>),
    Delete,
    Upsert(Vec<Map<String, Json>>),
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    columns: Vec<Column>,
    pub(super) rows: Vec<Map<String, Json>>,
    pub(super) policies: Vec<PolicySource>,
    pub(super) caller: Identity,
    pub(super) deed: Deed,
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let nullable = prop::collection::vec(any::<bool>(), KINDS.len());
    let columns = (
        subsequence((0..KINDS.len()).collect::<Vec<_>>(), 1..=4),
        nullable,
    );
    columns.prop_flat_map(|(chosen, nullable)| {
        let columns: Vec<Column> = chosen.into_iter().zip(nullable).collect();
        (
            Just(columns.clone()),
            prop::collection::vec(row(&columns, 1..8), 1..7),
            policies(&columns),
            select(callers()),
            deed(&columns),
        )
            .prop_map(|(columns, rows, policies, caller, deed)| Case {
                columns,
                rows: apart(rows),
                policies,
                caller,
                deed,
            })
    })
}

fn cell((kind, nullable): Column) -> BoxedStrategy<Json> {
    let value = select((KINDS[kind].values)());
    match nullable {
        true => option::weighted(0.7, value)
            .prop_map(|cell| cell.unwrap_or(Json::Null))
            .boxed(),
        false => value.boxed(),
    }
}

fn row(columns: &[Column], ids: std::ops::Range<i64>) -> BoxedStrategy<Map<String, Json>> {
    let names: Vec<_> = columns.iter().map(|(kind, _)| KINDS[*kind].name).collect();
    let cells: Vec<_> = columns.iter().copied().map(cell).collect();
    let made = (ids, cells).prop_map(move |(id, cells)| {
        let named = names.iter().map(|name| (*name).to_owned()).zip(cells);
        [("id".to_owned(), json!(id))]
            .into_iter()
            .chain(named)
            .collect()
    });
    made.boxed()
}

/// The first row of each key.
fn apart(rows: Vec<Map<String, Json>>) -> Vec<Map<String, Json>> {
    let mut kept: Vec<Map<String, Json>> = Vec::new();
    for row in rows {
        if kept.iter().all(|other| other["id"] != row["id"]) {
            kept.push(row);
        }
    }
    kept.sort_by_key(|row| row["id"].as_i64());
    kept
}

fn deed(columns: &[Column]) -> BoxedStrategy<Deed> {
    let rows = |ids| prop::collection::vec(row(columns, ids), 1..4);
    let changes = (row(columns, 1..2), 1..=columns.len()).prop_map(|(row, count)| {
        let changes = row.into_iter().filter(|(name, _)| name != "id");
        changes.take(count).collect()
    });
    prop_oneof![
        2 => Just(Deed::Select),
        2 => rows(6..10).prop_map(Deed::Insert),
        3 => changes.prop_map(Deed::Update),
        2 => Just(Deed::Delete),
        3 => rows(1..9).prop_map(Deed::Upsert),
    ]
    .boxed()
}

fn policies(columns: &[Column]) -> BoxedStrategy<Vec<PolicySource>> {
    let kinds: Vec<&Kind> = columns.iter().map(|(kind, _)| &KINDS[*kind]).collect();
    let mut atoms = ATOMS.to_vec();
    let mut changes = Vec::new();
    for kind in kinds {
        // Twice, so that rows matter more than callers.
        atoms.extend(kind.atoms);
        atoms.extend(kind.atoms);
        changes.push(kind.changes);
    }
    let one = prop_oneof![
        6 => guard(atoms.clone()),
        1 => transition(atoms, changes),
    ];
    let open = prop::bool::weighted(0.5)
        .prop_map(|open| open.then(|| policy(TABLE, &Command::ALL, "true")));
    let all = (open, prop::collection::vec(one, 1..5));
    let named = all.prop_map(|(open, others)| {
        let all = open.into_iter().chain(others).enumerate();
        all.map(|(number, policy)| PolicySource {
            name: format!("p{number}"),
            ..policy
        })
        .collect()
    });
    named.boxed()
}

/// Of either effect, for some commands and callers.
fn guard(atoms: Vec<&'static str>) -> BoxedStrategy<PolicySource> {
    let roles = select(vec![
        "public",
        "public",
        "public",
        "anon",
        "authenticated",
        "editor",
    ]);
    let commands = prop_oneof![
        Just(Command::ALL.to_vec()),
        subsequence(Command::ALL.to_vec(), 1..=3),
    ];
    let effect = prop_oneof![3 => Just(Effect::Allow), 1 => Just(Effect::Deny)];
    let check = option::weighted(0.4, condition(atoms.clone()));
    let made = (effect, commands, roles, condition(atoms), check).prop_map(
        |(effect, commands, role, using, check)| {
            let written = [Command::Insert, Command::Update];
            let writes = written.iter().any(|command| commands.contains(command));
            let usual = policy(TABLE, &commands, &using);
            PolicySource {
                effect,
                roles: vec![role.to_owned()],
                check: usual.check.clone().or(check.filter(|_| writes)),
                ..usual
            }
        },
    );
    made.boxed()
}

/// For updates, by the row as it was.
fn transition(atoms: Vec<&'static str>, changes: Vec<&'static str>) -> BoxedStrategy<PolicySource> {
    let made = (condition(atoms), condition(changes)).prop_map(|(using, check)| PolicySource {
        check: Some(check),
        ..policy(TABLE, &[Command::Update], &using)
    });
    made.boxed()
}

fn callers() -> Vec<Identity> {
    let user = |subject: &str, claims: Json| {
        let claims = claims.as_object().unwrap().clone();
        Identity::User(User::new(subject.to_owned(), claims))
    };
    let ann = json!({"koya_role": "editor", "team": "a", "level": 1, "boss": BOB,
        "words": ["a", "Éa", 7], "app": {"staff": true}});
    vec![
        user(ANN, ann.clone()),
        user(ANN, ann),
        user(
            BOB,
            json!({"team": 7, "level": "x", "boss": "none", "words": "a", "app": {"staff": "maybe"}}),
        ),
        user(
            "bob",
            json!({"level": 99_999_999_999_i64, "app": [], "words": null}),
        ),
        Identity::Anonymous,
    ]
}

impl Case {
    pub(super) fn shape(&self) -> TableShape {
        let shape = |name: &str, ty, nullable, primary_key| ColumnShape {
            name: name.parse().unwrap(),
            ty,
            nullable,
            has_default: false,
            primary_key,
            unique: primary_key,
            values: None,
        };
        let others = self.columns.iter().map(|(kind, nullable)| {
            let Kind { name, ty, .. } = KINDS[*kind];
            shape(name, ty, *nullable, false)
        });
        let id = shape("id", ColumnType::Bigint, false, true);
        TableShape {
            name: TABLE.parse().unwrap(),
            columns: [id].into_iter().chain(others).collect(),
            unique_together: Vec::new(),
        }
    }

    /// The statements that make the table and fill it.
    pub(super) fn create(&self, access: &DatabaseAccess) -> String {
        let DatabaseAccess { role, schema, .. } = access;
        let mut columns = "id bigint primary key".to_owned();
        for (kind, nullable) in &self.columns {
            let Kind { name, ty, .. } = KINDS[*kind];
            let collation = match ty {
                ColumnType::Text | ColumnType::Array(_) => " COLLATE \"C\"",
                _ => "",
            };
            let null = if *nullable { "" } else { " NOT NULL" };
            columns.push_str(&format!(", {name} {ty}{collation}{null}"));
        }
        let rows = serde_json::to_string(&self.rows).unwrap();
        format!(
            "DROP TABLE IF EXISTS {schema}.{TABLE};
             CREATE TABLE {schema}.{TABLE} ({columns});
             GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.{TABLE} TO {role};
             INSERT INTO {schema}.{TABLE} SELECT * FROM json_populate_recordset(NULL::{schema}.{TABLE}, '{rows}');"
        )
    }

    /// What a deed that is refused leaves behind, or answers.
    pub(super) fn unchanged(&self) -> Vec<Map<String, Json>> {
        match self.deed {
            Deed::Select => Vec::new(),
            _ => self.rows.clone(),
        }
    }

    /// A row as the evaluator takes it.
    pub(super) fn row(&self, stored: &Map<String, Json>) -> Row {
        let shape = self.shape();
        let columns = shape.columns.iter();
        let named = columns.map(|column| {
            let cell = stored[column.name.as_str()].clone();
            let value = Value::from_json(cell, column.ty).unwrap();
            (column.name.clone(), value)
        });
        named.collect()
    }
}
