//! Guests that misbehave, and neighbours who must not notice.
//!
//! A server of its own: what happens here would slow other stories down.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use crate::support::{ALICE, Answer, Launch, Project, Shared, TestApp, within};
use crate::tables::Notes;

/// Short, so that the tests are; each is the limit that its story is about.
const LIMITS: &str =
    "[limits]\nmemory_mib = 32\ncpu_ms = 300\nfirst_byte_ms = 2500\nwall_ms = 4000\n";

/// Generous: the machine may be busy with other tests.
const NEIGHBOUR_PATIENCE: Duration = Duration::from_secs(10);

async fn app() -> Shared {
    static APP: OnceCell<TestApp> = OnceCell::const_new();
    Shared::of(&APP, Launch::serve).await
}

/// A project with the misbehaving guests of both generations, and a well-behaved one.
async fn neighbourhood(app: &TestApp) -> Project<'_> {
    let project = app.project().await;
    project.deploy("hello").await;
    project.deploy_as("behaviours", "behaviours", LIMITS).await;
    project
        .deploy_as("behaviours-02", "behaviours-02", LIMITS)
        .await;
    project
}

async fn hello_is_well(project: &Project<'_>) {
    let hello = project.fetch("/hello");
    let answer = within("a neighbour's answer", NEIGHBOUR_PATIENCE, hello).await;
    assert_eq!(answer.of_function(200).text(), "hello, world\n");
}

/// Behaviour, status and code, for guests of both generations.
const FAULTS: [(&str, u16, &str); 5] = [
    ("spin", 504, "cpu_limit"),
    ("sleep", 504, "wall_limit"),
    ("grow", 500, "memory_limit"),
    ("recurse", 500, "guest_trapped"),
    ("trap-before", 500, "guest_trapped"),
];

#[tokio::test]
async fn each_fault_has_its_clear_answer_and_the_next_call_is_served() {
    let app = app().await;
    let project = neighbourhood(&app).await;
    for function in ["behaviours", "behaviours-02"] {
        for (fault, status, code) in FAULTS {
            let answer = project.fetch(&format!("/{function}/{fault}")).await;
            answer.problem(status, code);
            assert_eq!(answer.header("koyalite-version"), "1", "{function} {fault}");
            hello_is_well(&project).await;
            project
                .fetch(&format!("/{function}"))
                .await
                .of_function(200);
        }
    }
}

#[tokio::test]
async fn a_function_that_never_answers_is_told_from_one_that_gives_up() {
    let app = app().await;
    let project = neighbourhood(&app).await;
    project
        .fetch("/behaviours/pending")
        .await
        .problem(504, "wall_limit");
    project
        .fetch("/behaviours-02/never-set")
        .await
        .problem(500, "no_response");
    project
        .fetch("/behaviours-02/answer-twice")
        .await
        .problem(500, "guest_trapped");
    hello_is_well(&project).await;
}

#[tokio::test]
async fn a_trap_after_the_first_byte_cuts_the_answer_off() {
    let app = app().await;
    let project = neighbourhood(&app).await;
    for path in [
        "behaviours/trap-after-first-byte",
        "behaviours-02/trap-after-first-byte",
    ] {
        let mut answer = project.call(Method::GET, &format!("/{path}")).open().await;
        assert_eq!(
            (answer.status(), answer.header("koyalite-source")),
            (200, "function")
        );
        assert_eq!(answer.piece().await.unwrap().unwrap(), "first\n", "{path}");
        let end = within(
            "the end of a broken body",
            NEIGHBOUR_PATIENCE,
            answer.piece(),
        )
        .await;
        assert!(
            end.is_err(),
            "{path}: a broken body must not look like a whole one: {end:?}"
        );
    }
    hello_is_well(&project).await;
}

#[tokio::test]
async fn a_body_that_the_function_breaks_off_is_cut_too() {
    let app = app().await;
    let project = neighbourhood(&app).await;
    let mut answer = project
        .call(Method::GET, "/behaviours/break-off")
        .open()
        .await;
    assert_eq!(answer.piece().await.unwrap().unwrap(), "first\n");
    assert!(answer.piece().await.is_err());
}

#[tokio::test]
async fn an_error_of_the_function_is_its_own_answer_and_keeps_its_secret() {
    let app = app().await;
    let project = neighbourhood(&app).await;
    let answer: Answer = project.fetch("/behaviours/fault").await.of_function(500);
    assert!(!answer.text().contains("secret"), "{}", answer.text());
}

#[tokio::test]
async fn a_stream_that_outlives_its_time_is_cut() {
    let app = app().await;
    let project = neighbourhood(&app).await;
    let call = project.call(Method::GET, "/behaviours/sse?n=1000&ms=100");
    let began = Instant::now();
    let answer = call.open().await;
    let (bytes, ended) = within("the cut", Duration::from_secs(30), answer.count()).await;
    assert!(bytes > 0 && ended.is_err(), "{bytes} bytes, {ended:?}");
    assert!(
        began.elapsed() >= Duration::from_millis(3500),
        "{:?}",
        began.elapsed()
    );
}

/// An answer that has begun and says nothing more is given up long before its time is over.
#[tokio::test]
async fn an_answer_that_falls_silent_is_cut() {
    let app = app().await;
    let project = app.project().await;
    let lines = "[limits]\nsilence_ms = 500\n";
    project.deploy_as("behaviours", "behaviours", lines).await;
    let call = project.call(Method::GET, "/behaviours/sse?n=2&ms=3600000");
    let mut answer = call.open().await;
    assert_eq!(answer.piece().await.unwrap().unwrap(), "data: event 1\n\n");
    let end = within("the end of the silence", NEIGHBOUR_PATIENCE, answer.piece()).await;
    assert!(end.is_err(), "{end:?}");
    hello_like(&project).await;
}

async fn hello_like(project: &Project<'_>) {
    project.fetch("/behaviours").await.of_function(200);
}

/// A gibibyte of log: only the beginning is kept, and it says that the rest is not.
#[tokio::test]
async fn a_flood_of_log_is_cut_short_and_says_so() {
    let app = app().await;
    let project = app.project().await;
    let lines = "[limits]\ncpu_ms = 10000\n";
    project.deploy_as("behaviours", "behaviours", lines).await;
    project
        .deploy_as("behaviours-02", "behaviours-02", lines)
        .await;
    for (function, path) in [
        ("behaviours", "log-flood?mib=1024"),
        ("behaviours", "print-flood?mib=64"),
        ("behaviours-02", "log-flood"),
    ] {
        let answer = project.fetch(&format!("/{function}/{path}")).await;
        assert!(answer.status == 200 || answer.status == 504, "{answer:?}");
    }
    for function in ["behaviours", "behaviours-02"] {
        let path = format!("/functions/{function}/logs?limit=1000");
        let log = project.control(Method::GET, &path).send().await.expect(200);
        assert!(log.body.len() < 1 << 20, "{} bytes of log", log.body.len());
        assert!(
            log.text().contains("truncated"),
            "nothing says that lines are missing"
        );
    }
    let kept: u64 = size_of(&app.launch.data().join("logs"));
    assert!(kept < 8 << 20, "{kept} bytes on disk");
}

#[tokio::test]
async fn a_function_has_the_room_in_the_log_that_its_manifest_asks_for() {
    let app = app().await;
    let project = app.project().await;
    let lines = "[limits]\ncpu_ms = 10000\nlog_kib = 1\n";
    project.deploy_as("behaviours", "behaviours", lines).await;
    for path in ["log-flood?mib=1", "print-flood?mib=1"] {
        let answer = project.fetch(&format!("/behaviours/{path}")).await;
        answer.of_function(200);
    }
    let path = "/functions/behaviours/logs?limit=1000";
    let log = project.control(Method::GET, path).send().await.expect(200);
    assert!(log.body.len() < 16 << 10, "{} bytes of log", log.body.len());
    assert!(
        log.text().contains("wrote 1 KiB; `log_kib`"),
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn a_function_reads_as_many_rows_as_its_manifest_asks_for() {
    let app = TestApp::shared().await;
    let notes = Notes::of(&app).await;
    notes.add(&notes.alice, ALICE, &["a", "b", "c"]).await;
    let lines = "[limits]\nselect_rows = 2\n";
    notes.project.deploy_as("few", "behaviours", lines).await;
    for (limit, read) in [(100, 2), (1, 1)] {
        let call = notes.project.call(Method::POST, "/few/select");
        let query = json!({ "table": "notes", "limit": limit });
        let rows = call.bearer(&notes.alice).json(&query).send().await;
        let rows = rows.of_function(200).json();
        assert_eq!(rows.as_array().map(Vec::len), Some(read), "{rows}");
    }
}

#[tokio::test]
async fn a_request_that_a_function_sends_waits_as_long_as_its_manifest_asks_for() {
    // Where a function may send to this machine.
    let app = TestApp::launch(Launch::dev_beside_others().await).await;
    let project = app.project().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let lines = format!("[limits]\noutbound_ms = 300\n[outbound]\nallow = [\"{url}\"]\n");
    project.deploy_as("behaviours", "behaviours", &lines).await;
    let began = Instant::now();
    let path = format!("/behaviours/outbound?url={url}/");
    let said = project.fetch(&path).await.of_function(200).json();
    assert!(said["message"].to_string().contains("imeout"), "{said}");
    assert!(began.elapsed() >= Duration::from_millis(300), "{said}");
    assert!(began.elapsed() < Duration::from_secs(9), "{said}");
}

fn size_of(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => size_of(&entry.path()),
            false => entry.metadata().unwrap().len(),
        })
        .sum()
}

#[tokio::test]
async fn four_spinners_leave_the_neighbours_their_share() {
    let app = app().await;
    let project = app.project().await;
    project.deploy("hello").await;
    project
        .deploy_as("behaviours", "behaviours", "[limits]\ncpu_ms = 1000\n")
        .await;
    let spin = async || {
        project
            .fetch("/behaviours/spin")
            .await
            .problem(504, "cpu_limit");
    };
    let neighbours = async {
        for _ in 0..10 {
            hello_is_well(&project).await;
        }
    };
    tokio::join!(spin(), spin(), spin(), spin(), neighbours);
}

/// Calls that wait in the queue of a shared instance when it ends have not begun: they are for the
/// next instance. They used to be answered `no_response`.
#[tokio::test]
async fn calls_that_wait_for_a_shared_instance_outlive_it() {
    let app = app().await;
    let project = app.project().await;
    let lines = format!("isolation = \"shared\"\n{LIMITS}");
    project.deploy_as("behaviours", "behaviours", &lines).await;
    project.fetch("/behaviours").await.of_function(200);
    let spin = project.fetch("/behaviours/spin");
    let attempt = |_| project.call(Method::GET, "/behaviours").attempt();
    let waiting = futures::future::join_all((0..12).map(attempt));
    let (spun, answers) = tokio::join!(spin, waiting);
    let alone = spun.check_problem(504, "cpu_limit");
    alone
        .or_else(|_| spun.check_problem(503, "collateral"))
        .unwrap();
    let mut served = 0;
    // What was in the instance beside the spinning call ends with it, even in the middle of a body.
    for answer in answers.into_iter().flatten() {
        match answer.status {
            200 => served += 1,
            _ => drop(answer.problem(503, "collateral")),
        }
    }
    assert!(served > 0, "nobody waited");
}

#[tokio::test]
async fn a_fault_in_a_shared_instance_ends_that_instance_and_no_more() {
    let app = app().await;
    let project = app.project().await;
    let lines = format!("isolation = \"shared\"\n{LIMITS}");
    project.deploy_as("behaviours", "behaviours", &lines).await;
    for (fault, status, code) in FAULTS {
        project.fetch("/behaviours/count").await.of_function(200);
        project
            .fetch(&format!("/behaviours/{fault}"))
            .await
            .problem(status, code);
        project.fetch("/behaviours").await.of_function(200);
    }
}

/// A shared instance that is never idle: together its calls use more than one of them may.
#[tokio::test]
async fn each_call_of_a_busy_shared_instance_has_the_whole_cpu_limit() {
    let app = TestApp::on_one_thread().await;
    let project = app.project().await;
    let lines = "isolation = \"shared\"\n[limits]\ncpu_ms = 300\nfirst_byte_ms = 20000\n";
    project.deploy_as("behaviours", "behaviours", lines).await;
    let busy = async {
        for _ in 0..12 {
            let burnt = project.fetch("/behaviours/burn/50").await;
            assert_eq!(burnt.of_function(200).text(), "burnt\n");
        }
        project.fetch("/behaviours/count").await.of_function(200);
    };
    tokio::select! {
        () = busy => {}
        answer = project.fetch("/behaviours/pending") => panic!("{answer:?}"),
    }
}
