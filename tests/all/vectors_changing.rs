//! Searches while policies, indexes, columns and tables come and go: each answer is of before or of after, what
//! begins after a change sees it, and nothing fails but by a name of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use http::Method;
use serde_json::{Value, json};

use super::vectors::{document, library, put};
use crate::support::{ALICE, Answer, BOB, Call, Project, TestApp};

/// Callers that search all the time.
const SEARCHING: usize = 4;

/// How often the policy comes and goes.
const ROUNDS: usize = 8;

fn search(project: &Project<'_>, token: &str) -> Call {
    let query = json!({ "vector": [1, 0, 0], "k": 5, "columns": ["title"] });
    let call = project.call(Method::POST, "/behaviours/near/near");
    call.bearer(token).json(&query)
}

/// The titles that were found, or why there are none.
fn seen(answer: &Answer) -> Result<BTreeSet<String>, String> {
    let answered = answer.json();
    match answer.status {
        200 => {
            let rows = answered["rows"].as_array().unwrap().iter();
            let title = |row: &Value| row["title"].as_str().unwrap().to_owned();
            Ok(rows.map(title).collect())
        }
        status => Err(format!("{status} {}", answered["code"].as_str().unwrap())),
    }
}

/// Searches until it is told to end; all answers that there were.
async fn searching(
    call: impl Fn() -> Call,
    over: Arc<AtomicBool>,
    done: Arc<AtomicU32>,
) -> Answers {
    let mut answers = BTreeSet::new();
    while !over.load(Ordering::SeqCst) {
        answers.insert(seen(&call().send().await));
        done.fetch_add(1, Ordering::SeqCst);
    }
    answers
}

type Answers = BTreeSet<Result<BTreeSet<String>, String>>;

async fn index(project: &Project<'_>) {
    let new = json!({ "table": "documents", "embedding_column": "embedding", "name": "near" });
    let made = project.control(Method::POST, "/vector-indexes").json(&new);
    made.send().await.expect(201);
}

async fn delete(project: &Project<'_>, path: &str) {
    let gone = project.control(Method::DELETE, path).send().await;
    assert!(
        [200, 202, 204].contains(&gone.status),
        "{path}: {}",
        gone.text()
    );
}

/// All answers that there were to searches while the work was done.
async fn meanwhile(project: &Project<'_>, token: &str, work: impl Future<Output = ()>) -> Answers {
    let (over, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let callers =
        (0..SEARCHING).map(|_| searching(|| search(project, token), over.clone(), done.clone()));
    let work = async {
        work.await;
        over.store(true, Ordering::SeqCst);
    };
    let (answers, ()) = tokio::join!(futures::future::join_all(callers), work);
    assert!(done.load(Ordering::SeqCst) > 0);
    answers.into_iter().flatten().collect()
}

fn titles(titles: &[&str]) -> BTreeSet<String> {
    titles.iter().map(|title| (*title).to_owned()).collect()
}

async fn filled(app: &TestApp) -> (Project<'_>, String) {
    let project = library(app).await;
    index(&project).await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    let of_alice = json!([document(1, (ALICE, "own"), [0.5, 0.0, 0.0])]);
    assert_eq!(put(&project, &alice, of_alice).await, 204);
    let of_bob = json!([
        document(2, (BOB, "shared"), [1.0, 0.0, 0.0]),
        document(3, (BOB, "hidden"), [1.0, 0.0, 0.0]),
    ]);
    assert_eq!(put(&project, &bob, of_bob).await, 204);
    (project, alice)
}

#[tokio::test]
async fn a_policy_that_changes_while_searches_run_holds_for_those_that_begin_after_it() {
    let app = TestApp::shared().await;
    let (project, alice) = filled(&app).await;
    let now = async || seen(&search(&project, &alice).send().await);
    let shared = json!({
        "name": "shared", "table": "documents", "commands": ["select"], "using": "title = 'shared'",
    });
    let changing = async {
        for _ in 0..ROUNDS {
            let made = project.control(Method::POST, "/policies").json(&shared);
            let made = made.send().await.expect(201).json();
            assert_eq!(now().await, Ok(titles(&["own", "shared"])));
            delete(
                &project,
                &format!("/policies/{}", made["id"].as_str().unwrap()),
            )
            .await;
            assert_eq!(now().await, Ok(titles(&["own"])));
        }
    };
    let answers = meanwhile(&project, &alice, changing).await;
    let may_be = [Ok(titles(&["own"])), Ok(titles(&["own", "shared"]))];
    assert!(
        answers.iter().all(|answer| may_be.contains(answer)),
        "{answers:?}"
    );
}

#[tokio::test]
async fn an_index_a_column_and_a_table_that_go_while_searches_run_are_missed_by_name() {
    let app = TestApp::shared().await;
    let (project, alice) = filled(&app).await;
    let now = async || seen(&search(&project, &alice).send().await);
    let unknown = || Err("404 unknown_vector_index".to_owned());
    let going = async {
        delete(&project, "/vector-indexes/near").await;
        assert_eq!(now().await, unknown());
        delete(
            &project,
            "/tables/documents/columns/embedding?lose_data=true",
        )
        .await;
        let column = json!({ "name": "embedding", "type": "vector(3)", "nullable": true });
        let columns = project.control(Method::POST, "/tables/documents/columns");
        columns.json(&column).send().await.expect(201);
        index(&project).await;
        assert_eq!(now().await, Ok(titles(&[])), "nothing has a vector now");
        delete(&project, "/tables/documents?lose_data=true").await;
        assert_eq!(now().await, unknown());
    };
    let answers = meanwhile(&project, &alice, going).await;
    // Whoever had begun, and comes to the table when it has gone.
    let too_late = Err("503 try_again".to_owned());
    let may_be = [Ok(titles(&["own"])), Ok(titles(&[])), unknown(), too_late];
    assert!(
        answers.iter().all(|answer| may_be.contains(answer)),
        "{answers:?}"
    );
}

#[tokio::test]
async fn an_index_is_of_a_table_and_a_column_of_vectors_that_are_there() {
    let app = TestApp::shared().await;
    let project = library(&app).await;
    for (table, column, dimension, field) in [
        ("nothing", "embedding", 3, "table"),
        ("documents", "nothing", 3, "embedding_column"),
        ("documents", "title", 3, "embedding_column"),
        ("documents", "embedding", 4, "dimension"),
    ] {
        let new = json!({ "table": table, "embedding_column": column, "dimension": dimension });
        let made = project.control(Method::POST, "/vector-indexes").json(&new);
        let refused = made.send().await.problem(400, "invalid_field");
        assert_eq!(refused["errors"][0]["field"], field, "{new}");
    }
}
