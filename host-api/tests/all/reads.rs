//! Reads on record: what a project that wants one can say of who has seen what.

use std::sync::{Arc, Mutex};

use futures::future::{BoxFuture, FutureExt as _};
use koyalite_host_api::HostError;
use koyalite_host_api::tables::{
    AggregateQuery, CountQuery, InsertQuery, Measure, Operation, ReadEnd, ReadLog, Reads,
    SelectQuery, Summary, TableRead, UpdateQuery, batch, run, select_page,
};
use koyalite_policy::Identity;
use serde_json::json;

use crate::support::{Owner, TestDatabase, TestProject, filter};

/// Keeps what it is told, or refuses to.
struct Kept {
    reads: Mutex<Vec<TableRead>>,
    open: bool,
}

impl ReadLog for Kept {
    fn keep<'a>(
        &'a self,
        _: &'a Identity,
        reads: Vec<TableRead>,
    ) -> BoxFuture<'a, Result<(), HostError>> {
        let kept = match self.open {
            true => {
                self.reads.lock().unwrap().extend(reads);
                Ok(())
            }
            false => Err(HostError::database_away("closed")),
        };
        async move { kept }.boxed()
    }
}

fn recorded(demo: &mut TestProject, open: bool) -> Arc<Kept> {
    let reads = Mutex::default();
    let kept = Arc::new(Kept { reads, open });
    demo.project.reads = Reads::kept_by(Arc::<Kept>::clone(&kept));
    kept
}

impl Kept {
    /// What was told since the last time, as `command tables rows`.
    fn told(&self) -> Vec<String> {
        let reads = std::mem::take(&mut *self.reads.lock().unwrap());
        let shown = reads.into_iter().map(|read| {
            assert_eq!(read.policies, ["todos.owner_id = auth.uid()"], "{read:?}");
            let tables: Vec<_> = read.tables.iter().map(ToString::to_string).collect();
            let end = match read.ended {
                ReadEnd::Rows(rows) => rows.to_string(),
                ReadEnd::Denied(code) => code.to_owned(),
            };
            format!("{} {} {end}", read.command.as_str(), tables.join("+"))
        });
        shown.collect()
    }
}

fn select(condition: &str) -> SelectQuery {
    SelectQuery {
        table: "todos".into(),
        filter: filter(condition, vec![]),
        limit: Some(2),
        ..SelectQuery::default()
    }
}

fn count() -> Operation {
    Operation::Count(CountQuery {
        table: "todos".into(),
        ..CountQuery::default()
    })
}

fn retitle(returning: &[&str]) -> Operation {
    Operation::Update(UpdateQuery {
        table: "todos".into(),
        changes: json!({ "title": "new" }).to_string(),
        returning: returning.iter().map(|&name| name.into()).collect(),
        ..UpdateQuery::default()
    })
}

#[tokio::test]
async fn every_way_to_see_rows_is_told_with_how_many() {
    let db = TestDatabase::new().await;
    let (ann, mut demo) = (Owner::new(), db.todos().await);
    demo.add_todos(&ann, 1, &["a", "b", "c"]).await;
    let kept = recorded(&mut demo, true);
    let (project, caller) = (&demo.project, &ann.identity);
    let check = async |operation: Operation, told: &[&str]| {
        run(project, caller, &operation).await.unwrap();
        assert_eq!(kept.told(), told, "{operation:?}");
    };
    check(Operation::Select(select("")), &["select todos 2"]).await;
    check(Operation::Select(select("id > 2")), &["select todos 1"]).await;
    check(Operation::Select(select("1 = 2")), &["select todos 0"]).await;
    check(count(), &["select todos 3"]).await;
    let sum = Measure {
        summary: Summary::Max,
        column: Some("id".into()),
        name: "last".into(),
    };
    let aggregate = AggregateQuery {
        table: "todos".into(),
        measures: vec![sum],
        ..AggregateQuery::default()
    };
    check(Operation::Aggregate(aggregate), &["select todos 1"]).await;
    check(retitle(&["id"]), &["update todos 3"]).await;
    check(retitle(&[]), &[]).await;
    let insert = InsertQuery {
        table: "todos".into(),
        rows: json!([ann.todo(9, "x")]).to_string(),
        returning: vec!["id".into()],
    };
    check(Operation::Insert(insert), &["insert todos 1"]).await;

    let page = select_page(project, caller, &select(""), None)
        .await
        .unwrap();
    assert_eq!(kept.told(), ["select todos 2"]);
    let next = select_page(project, caller, &select(""), page.next.as_deref()).await;
    assert!(next.unwrap().next.is_none());
    assert_eq!(kept.told(), ["select todos 2"]);
    let steps = [
        count(),
        retitle(&[]),
        Operation::Select(select("1 = 2")),
        count(),
    ];
    batch(project, caller, &steps).await.unwrap();
    let told = ["select todos 4", "select todos 0", "select todos 4"];
    assert_eq!(kept.told(), told);
}

#[tokio::test]
async fn who_is_refused_is_told_too_and_what_is_no_table_is_not() {
    let db = TestDatabase::new().await;
    let mut demo = db.todos().await;
    let kept = recorded(&mut demo, true);
    let nobody = &Identity::Anonymous;
    let refused = run(&demo.project, nobody, &Operation::Select(select(""))).await;
    let code = refused.unwrap_err().code();
    let told = [format!("select todos {code}")];
    assert_eq!(kept.told(), told);
    let refused = select_page(&demo.project, nobody, &select(""), None).await;
    assert_eq!(refused.unwrap_err().code(), code);
    assert_eq!(kept.told(), told);
    let elsewhere = SelectQuery {
        table: "my secret".into(),
        ..SelectQuery::default()
    };
    let refused = run(&demo.project, nobody, &Operation::Select(elsewhere)).await;
    assert_eq!(refused.unwrap_err().code(), "unknown_table");
    assert!(kept.told().is_empty());
}

#[tokio::test]
async fn what_cannot_be_put_on_record_is_not_answered() {
    let db = TestDatabase::new().await;
    let (ann, mut demo) = (Owner::new(), db.todos().await);
    demo.add_todos(&ann, 1, &["a"]).await;
    recorded(&mut demo, false);
    for operation in [Operation::Select(select("")), count(), retitle(&["id"])] {
        let answer = run(&demo.project, &ann.identity, &operation).await;
        assert_eq!(answer.unwrap_err().code(), "database_away", "{operation:?}");
        let answer = batch(&demo.project, &ann.identity, &[operation, count()]).await;
        assert_eq!(answer.unwrap_err().code(), "database_away");
    }
    let page = select_page(&demo.project, &ann.identity, &select(""), None).await;
    assert_eq!(page.unwrap_err().code(), "database_away");
    // A write that answers nothing shows nothing.
    let write = run(&demo.project, &ann.identity, &retitle(&[])).await;
    assert!(write.is_ok());
}
