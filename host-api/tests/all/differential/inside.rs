//! Subqueries of policies, over tables that are `policy_readable` and tables that are not: what the
//! host's evaluator says of each inner row, put together by hand, against Postgres.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use koyalite_host_api::tables::{SelectQuery, select as select_rows};
use koyalite_policy::{
    Claims, Command, Filter, Identity, Row, Schema, Timestamp, Value, decide, evaluate,
    parse_filter,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::text::condition;
use crate::support::{TestDatabase, TestProject, policy, random, user};

/// Conditions that are tried at least. `PROPTEST_CASES` asks for more.
const CASES: u32 = 300;

const ANN: Uuid = Uuid::from_u128(0xA77);
const BOB: Uuid = Uuid::from_u128(0xB0B);

const TABLES: &[(&str, &[&str])] = &[
    ("asked", &["id bigint primary key", "n integer"]),
    (
        "members",
        &["n integer", "owner uuid", "open boolean", "title text"],
    ),
];

const ATOMS: &[&str] = &[
    "owner = auth.uid()",
    "owner is not distinct from auth.uid()",
    "open",
    "open is not true",
    "title = 'a'",
    "title like 'a%'",
    "title is null",
    "n > 1",
    "n in (0, 2)",
    "coalesce(title, 'b') <> 'b'",
];

#[derive(Debug, Clone)]
struct Member {
    n: Option<i64>,
    owner: Option<Uuid>,
    open: Option<bool>,
    title: Option<&'static str>,
}

/// How the policy asks of the inner rows.
#[derive(Debug, Clone, Copy)]
enum Form {
    Exists,
    NotExists,
    In,
    NotIn,
    Any,
}

const FORMS: [Form; 5] = [
    Form::Exists,
    Form::NotExists,
    Form::In,
    Form::NotIn,
    Form::Any,
];

#[derive(Debug, Clone)]
struct Case {
    asked: Vec<Option<i64>>,
    members: Vec<Member>,
    form: Form,
    inner: String,
    own: String,
    readable: bool,
    signed_in: bool,
}

fn number() -> impl Strategy<Value = Option<i64>> {
    option::weighted(0.8, 0..4i64)
}

fn member() -> impl Strategy<Value = Member> {
    let owner = option::of(select(vec![ANN, BOB]));
    let title = option::of(select(vec!["a", "ab", "b", ""]));
    (number(), owner, option::of(any::<bool>()), title).prop_map(|(n, owner, open, title)| Member {
        n,
        owner,
        open,
        title,
    })
}

fn case() -> impl Strategy<Value = Case> {
    let rows = (
        prop::collection::vec(number(), 1..5),
        prop::collection::vec(member(), 0..5),
    );
    let said = (
        select(FORMS.to_vec()),
        condition(ATOMS),
        condition(ATOMS),
        any::<bool>(),
        prop::bool::weighted(0.8),
    );
    (rows, said).prop_map(
        |((asked, members), (form, inner, own, readable, signed_in))| Case {
            asked,
            members,
            form,
            inner,
            own,
            readable,
            signed_in,
        },
    )
}

#[test]
fn subqueries_read_a_table_past_its_policies_or_under_them() {
    let runtime = super::runtime();
    let (db, demo) = runtime.block_on(async {
        let db = TestDatabase::new().await;
        let demo = db.project(TABLES, Vec::new()).await;
        (db, demo)
    });
    let demo = std::cell::RefCell::new(demo);
    let differed = Cell::new(0);
    let agreed = random::Run::at_least(CASES).find(&case(), |case| {
        let mut demo = demo.borrow_mut();
        runtime.block_on(fill(&db, &demo, &case));
        demo.project.schema = schema(&demo, &case);
        let postgres = runtime.block_on(by_postgres(&demo, &case));
        let host = by_host(&demo, &case, case.readable);
        if host != by_host(&demo, &case, !case.readable) {
            differed.set(differed.get() + 1);
        }
        prop_assert_eq!(host, postgres, "{:?}", case);
        Ok(())
    });
    agreed.unwrap_or_else(|disagreement| panic!("{disagreement}"));
    assert!(
        differed.get() > CASES / 10,
        "only {} would show which way the table is read",
        differed.get()
    );
}

impl Case {
    fn caller(&self) -> Identity {
        match self.signed_in {
            true => user(&ANN.to_string()),
            false => Identity::Anonymous,
        }
    }

    fn policy(&self) -> String {
        let inner = &self.inner;
        let linked = format!("exists (select 1 from members m where m.n = asked.n and ({inner}))");
        match self.form {
            Form::Exists => linked,
            Form::NotExists => format!("not {linked}"),
            Form::In => format!("n in (select m.n from members m where {inner})"),
            Form::NotIn => format!("n not in (select m.n from members m where {inner})"),
            Form::Any => format!("exists (select 1 from members m where {inner})"),
        }
    }
}

impl Member {
    fn row(&self) -> Row {
        let text = |title: &str| Value::Text(title.to_owned());
        let cells = [
            ("n", self.n.map_or(Value::Null, Value::Integer)),
            ("owner", self.owner.map_or(Value::Null, Value::Uuid)),
            ("open", self.open.map_or(Value::Null, Value::Boolean)),
            ("title", self.title.map_or(Value::Null, text)),
        ];
        let named = cells.map(|(name, value)| (name.parse().unwrap(), value));
        BTreeMap::from(named)
    }
}

fn schema(demo: &TestProject, case: &Case) -> Arc<Schema> {
    let read = [Command::Select];
    let policies = vec![
        policy("asked", &read, &case.policy()),
        policy("members", &read, &case.own),
    ];
    let rules = demo.project.schema.tables();
    let shapes = rules.map(|rules| rules.shape().clone()).collect();
    let readable: BTreeSet<_> = match case.readable {
        true => ["members".parse().unwrap()].into(),
        false => BTreeSet::new(),
    };
    Arc::new(Schema::build_reading(shapes, policies, Claims::default(), &readable).unwrap())
}

/// The places of the asked rows that pass, where inner rows count past their own policy or not.
fn by_host(demo: &TestProject, case: &Case, readable: bool) -> BTreeSet<usize> {
    let inner = |member: &&Member| holds(demo, case, &case.inner, member);
    let own = |member: &&Member| readable || holds(demo, case, &case.own, member);
    let seen: Vec<_> = case.members.iter().filter(own).filter(inner).collect();
    let passes = |n: Option<i64>| {
        let linked = n.is_some() && seen.iter().any(|member| member.n == n);
        let unknown = !seen.is_empty() && (n.is_none() || seen.iter().any(|m| m.n.is_none()));
        match case.form {
            Form::Exists | Form::In => linked,
            Form::NotExists => !linked,
            Form::NotIn => !linked && !unknown,
            Form::Any => !seen.is_empty(),
        }
    };
    let places = case.asked.iter().enumerate();
    places
        .filter(|(_, n)| passes(**n))
        .map(|(place, _)| place)
        .collect()
}

/// Whether a condition is true of a member, by the evaluator.
fn holds(demo: &TestProject, case: &Case, condition: &str, member: &Member) -> bool {
    let rules = demo
        .project
        .schema
        .table(&"members".parse().unwrap())
        .unwrap();
    let open = policy("members", &[Command::Select], "true");
    let schema = Schema::build(vec![rules.shape().clone()], vec![open]).unwrap();
    let now = Timestamp::from(std::time::SystemTime::now());
    let table = "members".parse().unwrap();
    let permit = decide(&schema, &case.caller(), Command::Select, &table, now).unwrap();
    match parse_filter(condition, &[], &permit).unwrap() {
        Filter::All => true,
        Filter::Nothing => false,
        Filter::When(expr) => evaluate(&expr, &member.row()) == Some(true),
    }
}

async fn by_postgres(demo: &TestProject, case: &Case) -> BTreeSet<usize> {
    let query = SelectQuery {
        table: "asked".into(),
        columns: vec!["id".into()],
        ..SelectQuery::default()
    };
    match select_rows(&demo.project, &case.caller(), query).await {
        Ok(rows) => {
            let rows: Vec<Map<String, Json>> = serde_json::from_str(&rows).unwrap();
            let ids = rows.iter().map(|row| row["id"].as_u64().unwrap());
            ids.map(|id| usize::try_from(id).unwrap()).collect()
        }
        Err(error) => {
            // It was clear without asking that no row passes.
            assert_eq!(error.code(), "denied_by_claims", "{case:?}");
            BTreeSet::new()
        }
    }
}

async fn fill(db: &TestDatabase, demo: &TestProject, case: &Case) {
    let schema = &demo.access.schema;
    let mut text = format!("DELETE FROM {schema}.asked; DELETE FROM {schema}.members;");
    for (place, n) in case.asked.iter().enumerate() {
        let n = sql(*n);
        text.push_str(&format!(
            "INSERT INTO {schema}.asked VALUES ({place}, {n});"
        ));
    }
    for member in &case.members {
        let quoted = |text: String| format!("'{text}'");
        let cells = [
            sql(member.n),
            sql(member.owner.map(|owner| quoted(owner.to_string()))),
            sql(member.open),
            sql(member.title.map(|title| quoted(title.to_owned()))),
        ];
        let cells = cells.join(", ");
        text.push_str(&format!("INSERT INTO {schema}.members VALUES ({cells});"));
    }
    db.admin.batch_execute(&text).await.unwrap();
}

fn sql<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}
