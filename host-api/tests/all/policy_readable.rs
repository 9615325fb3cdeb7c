//! Tables that policies read past their own: inside a subquery all of their rows count, and whoever
//! asks for rows of them sees no more than before.

use std::collections::BTreeSet;
use std::sync::Arc;

use koyalite_host_api::tables::verify::{Verified, verify};
use koyalite_host_api::tables::{SelectQuery, select};
use koyalite_policy::{Claims, Command, Identity, PolicySource, Schema};
use serde_json::{Value as Json, json};

use crate::native::{filled, identities};
use crate::support::{TestDatabase, TestProject, policy};

/// Conditions that read `members`, each for the rows of `t0`.
const CONDITIONS: &[&str] = &[
    "exists (select 1 from members where members.owner = auth.uid())",
    "not exists (select 1 from members where members.id = t0.id and open)",
    "n in (select id from members where title is not null)",
    "owner in (select owner from members m where m.n > t0.n) or n is null",
    "exists (select 1 from members m where m.id = t0.id and m.id in (select n from members))",
];

/// The project's tables under these policies; `members` read past its own or not.
fn schema(demo: &TestProject, policies: Vec<PolicySource>, readable: bool) -> Arc<Schema> {
    let rules = demo.project.schema.tables();
    let shapes = rules.map(|rules| rules.shape().clone()).collect();
    let readable: BTreeSet<_> = match readable {
        true => ["members".parse().unwrap()].into(),
        false => BTreeSet::new(),
    };
    Arc::new(Schema::build_reading(shapes, policies, Claims::default(), &readable).unwrap())
}

/// What a caller sees of a table, or the code of the refusal.
async fn seen(demo: &TestProject, identity: &Identity, table: &str) -> Json {
    let query = SelectQuery {
        table: table.to_owned(),
        columns: vec!["id".into()],
        ..SelectQuery::default()
    };
    match select(&demo.project, identity, query).await {
        Ok(rows) => serde_json::from_str(&rows).unwrap(),
        Err(error) => error.code().into(),
    }
}

#[tokio::test]
async fn inside_a_policy_all_rows_count_as_if_the_table_were_open_and_outside_none_more() {
    let db = TestDatabase::new().await;
    let mut demo = filled(&db).await;
    let read = [Command::Select];
    let mut differed = 0;
    for condition in CONDITIONS {
        for identity in identities() {
            let policies = |members: &str| {
                vec![
                    policy("t0", &read, condition),
                    policy("members", &read, members),
                ]
            };
            let own = "owner = auth.uid() and open";
            demo.project.schema = schema(&demo, policies("true"), false);
            let open = seen(&demo, &identity, "t0").await;
            demo.project.schema = schema(&demo, policies(own), false);
            let (guarded, members) = (
                seen(&demo, &identity, "t0").await,
                seen(&demo, &identity, "members").await,
            );
            demo.project.schema = schema(&demo, policies(own), true);
            assert_eq!(seen(&demo, &identity, "t0").await, open, "{condition}");
            assert_eq!(
                seen(&demo, &identity, "members").await,
                members,
                "{condition}"
            );
            differed += usize::from(open != guarded);
        }
    }
    assert!(differed > 5, "only {differed} would have shown a mistake");
}

#[tokio::test]
async fn a_table_of_members_says_itself_who_reads_it() {
    let db = TestDatabase::new().await;
    let mut demo = filled(&db).await;
    let same = "n in (select m.n from members m where m.owner = auth.uid())";
    let members = || vec![policy("members", &[Command::Select], same)];
    let rules = demo.project.schema.tables();
    let shapes = rules.map(|rules| rules.shape().clone()).collect();
    let endless = Schema::build(shapes, members()).unwrap_err();
    assert!(endless[0].to_string().contains("never end"), "{endless:?}");
    demo.project.schema = schema(&demo, members(), true);
    let ann = &identities()[1];
    // Ann is in three teams, each with a row.
    assert_eq!(
        seen(&demo, ann, "members").await,
        json!([{"id": 1}, {"id": 4}, {"id": 7}])
    );
}

/// Row security always applies inside, so the mirror would say something else: it is refused, and
/// nothing is compared.
#[tokio::test]
async fn row_security_cannot_say_a_policy_that_reads_past_another_tables() {
    let db = TestDatabase::new().await;
    let mut demo = filled(&db).await;
    let read = [Command::Select];
    let policies = vec![
        policy("t0", &read, CONDITIONS[0]),
        policy("t1", &read, "exists (select 1 from t0 where t0.id = t1.id)"),
        policy("members", &read, "owner = auth.uid()"),
    ];
    demo.project.schema = schema(&demo, policies, true);
    let check = async |table: &str, expected: Option<&str>| {
        let found = verify(&demo.project, &Identity::Anonymous, &table.parse().unwrap()).await;
        match (found.unwrap(), expected) {
            (Verified::NotMirrorable(why), Some(reason)) => {
                assert!(why[0].reason.contains(reason), "{table}: {why:?}");
            }
            (Verified::Compared(compared), None) => assert_eq!(compared.disagreeing, 0),
            (found, expected) => panic!("{table}: {found:?}, not {expected:?}"),
        }
    };
    let reason = Some("it reads members, which is policy_readable");
    check("t0", reason).await;
    check("t1", reason).await;
    // Its own policies are as ever, for whoever asks for its rows.
    check("members", None).await;
}
