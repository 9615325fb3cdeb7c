//! Functions that do what they can to their host, many at once, while a neighbour in another project
//! is called: the neighbour is served, each attack ends as the documentation says, and afterwards the
//! node holds what it held before.
//!
//! A server of its own. How fast the neighbour is served is for `cargo xtask bench neighbours` to say.

mod stories;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::support::{
    Launch, Project, Settings, Shared, TestApp, component, eventually, guest, handler_with, within,
};
use stories::{Ends, STORIES, Story};

/// As the lists of limits in `docs/` are, but short. The CPU limit comes before all others, but for
/// functions that are about something else.
const HOSTILE: [(&str, &str, &str); 5] = [
    ("hostile", "hostile", "cpu_ms = 60\nfirst_byte_ms = 55000"),
    ("patient", "hostile", "cpu_ms = 400\nfirst_byte_ms = 55000"),
    ("hurried", "hostile", "cpu_ms = 60\nfirst_byte_ms = 800"),
    (
        "hostile-02",
        "hostile-02",
        "cpu_ms = 60\nfirst_byte_ms = 2000",
    ),
    (
        "patient-02",
        "hostile-02",
        "cpu_ms = 800\nfirst_byte_ms = 55000",
    ),
];

/// Of each story at once, where all are told together.
const CALLS: usize = 2;

/// What may stay in memory: what the pool keeps of each instance's place, and some for the allocator.
const FLOOR_KIB: u64 = 48 * 1024;
const KEPT_KIB_PER_CALL: u64 = 2560;

const PATIENCE: Duration = Duration::from_secs(120);

async fn app() -> Shared {
    static APP: OnceCell<TestApp> = OnceCell::const_new();
    Shared::of(&APP, Launch::serve).await
}

async fn attackers(app: &TestApp) -> Project<'_> {
    let project = app.project().await;
    let own = &app.listening().functions;
    for (function, guest, limits) in HOSTILE {
        let lines = format!(
            "[limits]\nmemory_mib = 8\nwall_ms = 1500\nbody_mib = 4\n{limits}\n\
             [config]\nword = \"x\"\nown = \"{own}\"\n"
        );
        project.deploy_as(function, guest, &lines).await;
    }
    let each = format!(
        "{SMALL_MEMORY} {}",
        "(core instance (instantiate $m)) ".repeat(4)
    );
    for (function, inside) in [("table", TABLE), ("memories", each.as_str())] {
        let manifest = format!("name = \"{function}\"\n[limits]\nmemory_mib = 8\ncpu_ms = 400\n");
        let upload = project.upload_with(function, &handler_with(inside), &manifest);
        upload.send().await.expect(201);
    }
    project
}

/// Grows until it is told that there is no more, and then gives up.
const TABLE: &str = r#"(core module $m (table $t 1 funcref) (func $grow
    (loop $again
        (br_if $again (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 1000)))))
    unreachable) (start $grow))
    (core instance (instantiate $m))"#;

/// Grows to two and a half mebibytes, a page at a time. One of them is within the limit.
const SMALL_MEMORY: &str = r#"(core module $m (memory 1) (func $grow (local $n i32)
    (loop $again
        (drop (memory.grow (i32.const 1)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 40))))) (start $grow))"#;

async fn neighbour(app: &TestApp) -> Project<'_> {
    let project = app.project().await;
    project.deploy("hello").await;
    for _ in 0..10 {
        is_served(&project).await;
    }
    project
}

async fn is_served(project: &Project<'_>) {
    let answer = within("a neighbour's answer", PATIENCE, project.fetch("/hello")).await;
    assert_eq!(answer.of_function(200).text(), "hello, world\n");
}

/// What a node holds that must come down again.
#[derive(Debug)]
struct Held {
    /// Exactly as before.
    exact: BTreeMap<&'static str, u64>,
    files: usize,
    tasks: u64,
    resident_kib: u64,
}

impl Held {
    async fn by(app: &TestApp) -> Held {
        let mut exact = BTreeMap::new();
        for name in [
            "koyalite_instances",
            "koyalite_invocations_running",
            "koyalite_invocations_waiting",
            "koyalite_cpu_permits_taken",
            "koyalite_cpu_permits_waiting",
            "koyalite_connections",
        ] {
            exact.insert(name, whole(app, name).await);
        }
        Held {
            exact,
            files: app.process.open_files(),
            tasks: whole(app, "koyalite_tasks").await,
            resident_kib: app.process.resident_kib(),
        }
    }

    /// Nothing but what the allocator and the pool keep on purpose has come on top of `before`.
    fn is_no_more_than(&self, before: &Held, calls: usize) -> bool {
        let kept = FLOOR_KIB + KEPT_KIB_PER_CALL * u64::try_from(calls).unwrap();
        self.exact == before.exact
            && self.files <= before.files + 4
            && self.tasks <= before.tasks + 4
            && self.resident_kib <= before.resident_kib + before.resident_kib / 10 + kept
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small count"
)]
async fn whole(app: &TestApp, name: &str) -> u64 {
    app.metric(name).await as u64
}

/// All of the stories at once, each `calls` times, beside a neighbour.
async fn told(app: &TestApp, stories: &[Story], calls: usize) {
    let (neighbour, attackers) = (neighbour(app).await, attackers(app).await);
    let settled = async || {
        let held = Held::by(app).await;
        // The connections of the neighbour's first calls too: the gauges are a moment old.
        held.exact.values().all(|held| *held == 0).then_some(held)
    };
    let before = eventually("an idle node", PATIENCE, settled).await;
    let over = AtomicBool::new(false);
    let attack = async {
        let told = stories.iter().map(|story| story.told(&attackers, calls));
        let mistakes = within(
            "the end of the attack",
            PATIENCE,
            futures::future::join_all(told),
        );
        let mistakes: Vec<String> = mistakes.await.into_iter().flatten().collect();
        over.store(true, Ordering::Relaxed);
        mistakes
    };
    let beside = async {
        let mut served = 0;
        while !over.load(Ordering::Relaxed) || served < 10 {
            is_served(&neighbour).await;
            served += 1;
        }
    };
    let (mistakes, ()) = tokio::join!(attack, beside);
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    let all = calls * stories.len();
    let cleared = eventually(
        "a node that holds no more than before",
        PATIENCE,
        async || {
            let held = Held::by(app).await;
            let done = held.is_no_more_than(&before, all);
            if !done {
                eprintln!("not yet: {held:?}, before {before:?}");
            }
            done.then_some(())
        },
    );
    cleared.await;
    is_served(&neighbour).await;
}

#[tokio::test]
async fn a_neighbour_of_every_attack_at_once_is_served_and_nothing_stays_behind() {
    let app = app().await;
    match Settings::number("HOSTILE_CALLS") {
        None => told(&app, STORIES, CALLS).await,
        // The long form: a hundred calls of one attack after the other.
        Some(calls) => {
            let calls = usize::try_from(calls).unwrap();
            for story in STORIES {
                eprintln!("{calls} × {}", story.path);
                told(&app, std::slice::from_ref(story), calls).await;
            }
        }
    }
}

/// A memory more costs a slot of 4 GiB of address space, whatever is in it.
#[tokio::test]
async fn a_component_with_many_memories_is_refused_when_it_is_deployed() {
    let app = app().await;
    let project = app.project().await;
    let module = "(core module $m (memory 1)) ";
    let memories = |count: usize| {
        let instances = "(core instance (instantiate $m)) ".repeat(count);
        handler_with(&format!("{module}{instances}"))
    };
    let refused = project.upload("many", memories(60)).send().await;
    let problem = refused.problem(422, "invalid_component");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("60 Wasm linear memories") && detail.contains('4'),
        "{detail}"
    );
    project.upload("few", memories(4)).send().await.expect(201);
}

/// Tables count as memory, and each ends somewhere.
#[tokio::test]
async fn a_table_that_grows_without_end_stops_at_its_limit() {
    let app = app().await;
    let project = app.project().await;
    project
        .upload("table", handler_with(TABLE))
        .send()
        .await
        .expect(201);
    project.fetch("/table").await.problem(500, "guest_trapped");
    let small = "name = \"small\"\n[limits]\nmemory_mib = 1\n";
    let upload = project.upload_with("small", &handler_with(TABLE), small);
    upload.send().await.expect(201);
    let problem = project.fetch("/small").await.problem(500, "memory_limit");
    assert!(
        problem["detail"].as_str().unwrap().contains("memory_mib"),
        "{problem}"
    );
}

/// What a caller reads of a limit says which, how much it is, and how to raise it.
#[tokio::test]
async fn the_error_of_a_limit_says_how_to_raise_it() {
    let app = app().await;
    let project = attackers(&app).await;
    for (path, status, code, words) in [
        ("/hostile/spin", 504, "cpu_limit", ["60 ms", "`cpu_ms`"]),
        (
            "/hurried/sleep",
            504,
            "wall_limit",
            ["800 ms", "`first_byte_ms`"],
        ),
        (
            "/patient/grow",
            500,
            "memory_limit",
            ["8 MiB", "`memory_mib`"],
        ),
    ] {
        let problem = project.fetch(path).await.problem(status, code);
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            words.iter().all(|word| detail.contains(word)),
            "{path}: {detail}"
        );
    }
}

#[test]
fn every_story_has_a_guest() {
    let bytes = [guest("hostile"), guest("hostile-02"), component("")];
    assert!(bytes.iter().all(|bytes| bytes.starts_with(b"\0asm")));
    assert!(STORIES.iter().any(|story| matches!(story.ends, Ends::Cut)));
}
