//! A running server: started, known to be ready, stopped when it is dropped.

use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::Utc;
use http::Method;
use koyalite_runtime::keys::{ControlAuthority, ControlRole, ControlToken, KeyRing};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::call::Call;
use super::eventually;
use super::launch::Launch;
use super::process::Process;
use super::project::Project;

/// An embedded Postgres takes a second on an idle machine; tests run on busy ones.
const START_PATIENCE: Duration = Duration::from_secs(90);

/// Longer than any test.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// Where a ready server listens, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listening {
    pub(crate) functions: String,
    pub(crate) control: String,
    pub(crate) process: i32,
}

impl Listening {
    /// What the server of that data directory says, if one is ready.
    pub(crate) fn read(data: &Path) -> Option<Listening> {
        let text = std::fs::read(data.join("ready.json")).ok()?;
        let said: Value = serde_json::from_slice(&text).unwrap();
        Some(Listening {
            functions: said["functions"].as_str()?.to_owned(),
            control: said["control"].as_str()?.to_owned(),
            process: i32::try_from(said["pid"].as_i64()?).unwrap(),
        })
    }
}

/// A running server.
pub(crate) struct TestApp {
    pub(crate) process: Process,
    pub(crate) launch: Launch,
    listening: Listening,
    admin: String,
    projects: AtomicU32,
}

impl TestApp {
    /// `koyalite serve` with its defaults.
    pub(crate) async fn start() -> TestApp {
        TestApp::launch(Launch::serve().await).await
    }

    /// Starts what was prepared and waits until it is ready.
    pub(crate) async fn launch(launch: Launch) -> TestApp {
        let launch = launch.in_a_bucket_if_asked().await;
        let launch = launch.behind_a_pooler_if_asked().await;
        let process = launch.spawn();
        let id = process.id();
        let ready = eventually("the server is ready", START_PATIENCE, async || {
            if let Some(status) = process.ended() {
                panic!("the server ended with {status}:\n{}", process.log_tail());
            }
            // One that was killed leaves its file behind.
            Listening::read(&launch.data()).filter(|said| said.process == id)
        });
        let listening = ready.await;
        let admin = issue(&launch, "admin", ControlRole::Admin);
        TestApp {
            process,
            launch,
            listening,
            admin,
            projects: AtomicU32::new(1),
        }
    }

    /// The app that tests share which harm nobody: each works in a project of its own.
    pub(crate) async fn shared() -> Shared {
        static APP: OnceCell<TestApp> = OnceCell::const_new();
        Shared::of(&APP, Launch::serve).await
    }

    /// `koyalite dev`, shared in the same way: what is sent from there may go to this machine.
    pub(crate) async fn shared_dev() -> Shared {
        static APP: OnceCell<TestApp> = OnceCell::const_new();
        Shared::of(&APP, async || Launch::dev()).await
    }

    /// `serve` with one thread for connections: all calls of a `shared` function meet in one instance.
    pub(crate) async fn on_one_thread() -> Shared {
        static APP: OnceCell<TestApp> = OnceCell::const_new();
        Shared::of(&APP, async || {
            Launch::serve()
                .await
                .set("KOYALITE_CONNECTION_THREADS", "1")
        })
        .await
    }

    /// A fresh project, named `p1`, `p2` and so on.
    pub(crate) async fn project(&self) -> Project<'_> {
        let name = format!("p{}", self.projects.fetch_add(1, Ordering::Relaxed));
        self.project_named(&name).await
    }

    /// A fresh project of that name.
    pub(crate) async fn project_named(&self, name: &str) -> Project<'_> {
        let wanted = json!({ "name": name });
        self.control(Method::POST, "/v1/projects")
            .json(&wanted)
            .send()
            .await
            .expect(201);
        Project::new(self, name)
    }

    /// A project that is there already.
    pub(crate) fn existing(&self, name: &str) -> Project<'_> {
        Project::new(self, name)
    }

    /// A call of the functions listener, as nobody.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        Call::new(method, &self.listening.functions, path)
    }

    /// A call of the control API, as the administrator.
    pub(crate) fn control(&self, method: Method, path: &str) -> Call {
        Call::new(method, &self.listening.control, path).bearer(&self.admin)
    }

    /// Host and port of the functions listener.
    pub(crate) fn functions_authority(&self) -> &str {
        authority(&self.listening.functions)
    }

    /// Host and port of the control listener.
    pub(crate) fn control_authority(&self) -> &str {
        authority(&self.listening.control)
    }

    pub(crate) fn listening(&self) -> &Listening {
        &self.listening
    }

    /// The administrator's token.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// An operator's token of that role.
    pub(crate) fn operator(&self, role: ControlRole) -> String {
        issue(&self.launch, "operator", role)
    }

    /// The value of a counter, labels and all, summed over its series; 0 where there is none.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self
            .control(Method::GET, "/metrics")
            .send()
            .await
            .expect(200)
            .text();
        let of_name = |line: &&str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let value = |line: &str| {
            line.rsplit(' ')
                .next()
                .and_then(|text| text.parse::<f64>().ok())
        };
        text.lines().filter(of_name).filter_map(value).sum()
    }

    /// Kills the server without warning and starts it again in the same place.
    pub(crate) async fn crash(self) -> TestApp {
        self.process.signal(libc::SIGKILL);
        self.process.wait(START_PATIENCE).await;
        let again = TestApp::launch(self.launch.clone()).await;
        again
            .projects
            .store(self.projects.load(Ordering::Relaxed), Ordering::Relaxed);
        again
    }
}

fn authority(url: &str) -> &str {
    url.split_once("://").unwrap().1
}

fn issue(launch: &Launch, subject: &str, role: ControlRole) -> String {
    let authority = ControlAuthority::new(&KeyRing::open(&launch.keys()).unwrap());
    let operator = ControlToken {
        subject: subject.to_owned(),
        role,
    };
    let token = authority
        .issue(operator, TOKEN_LIFETIME, Utc::now())
        .unwrap();
    token.expose().to_owned()
}

/// An app that outlives the test. Shows the end of its log when the test fails.
pub(crate) struct Shared(&'static TestApp);

impl Shared {
    /// The app in that cell, started by whoever needs it first, stopped after the last test.
    pub(crate) async fn of(
        cell: &'static OnceCell<TestApp>,
        launch: impl AsyncFnOnce() -> Launch,
    ) -> Shared {
        let start = async || {
            let app = TestApp::launch(launch().await).await;
            super::at_exit::drop_at_exit(StopAtExit(cell));
            app
        };
        Shared(cell.get_or_init(start).await)
    }
}

impl Deref for Shared {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- the end of the shared server's log\n{}---",
                self.0.process.log_tail()
            );
        }
    }
}

struct StopAtExit(&'static OnceCell<TestApp>);

impl Drop for StopAtExit {
    fn drop(&mut self) {
        if let Some(app) = self.0.get() {
            app.process.stop();
            let _ = std::fs::remove_dir_all(app.launch.folder());
        }
    }
}
