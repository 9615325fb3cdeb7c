//! The KoyaLite that is measured: `koyalite serve` as in production, on a Postgres of its own.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chrono::Utc;
use http::Method;
use koyalite_runtime::keys::{ControlAuthority, ControlRole, ControlToken, KeyRing};
use koyalite_runtime::postgres::{Connection, Consent, Options, Supervised};
use serde_json::{Value, json};

use crate::Setting;
use crate::process::Process;
use crate::requests::send;

/// Longer than any bench.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
const START_PATIENCE: Duration = Duration::from_secs(60);
/// Separates the parts of an upload; no component or manifest has it.
const BOUNDARY: &str = "a-boundary-of-the-benches-51c7";

/// A running server and its Postgres.
pub(crate) struct KoyaLite {
    pub(crate) process: Process,
    pub(crate) functions: String,
    pub(crate) database: Connection,
    control: String,
    bearer: String,
    guests: PathBuf,
    launch: Launch,
    // In this order: Postgres stops before its folder goes.
    _postgres: Supervised,
    _folder: tempfile::TempDir,
}

/// Another node beside it.
pub(crate) struct Neighbour {
    pub(crate) process: Process,
    functions: String,
}

impl Neighbour {
    /// Where it serves what the first node serves there.
    pub(crate) fn url(&self, first: &KoyaLite, url: &str) -> String {
        url.replacen(&first.functions, &self.functions, 1)
    }
}

impl KoyaLite {
    /// Starts both and waits until they are ready.
    ///
    /// # Errors
    /// Where one does not come up.
    pub(crate) async fn start(setting: &Setting) -> anyhow::Result<Self> {
        Self::start_as("serve", setting).await
    }

    /// The same as `koyalite dev`, which delivers to this machine.
    ///
    /// # Errors
    /// Where one does not come up.
    pub(crate) async fn start_dev(setting: &Setting) -> anyhow::Result<Self> {
        Self::start_as("dev", setting).await
    }

    async fn start_as(command: &'static str, setting: &Setting) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let options = Options {
            data_dir: folder.path().join("pg"),
            bin_dir: None,
            cache_dir: folder.path().join("cache"),
            path: search_path(),
            consent: Consent::Refuse,
        };
        let postgres = Supervised::start(options, |_| {}).await?;
        let keys = folder.path().join("keys.json");
        let authority = ControlAuthority::new(&KeyRing::create(&keys)?);
        let launch = Launch {
            command,
            program: setting.program.clone(),
            folder: folder.path().to_owned(),
            keys,
            database: postgres.connection().url(),
        };
        let (process, ready) = launch.start().await?;
        let admin = ControlToken {
            subject: "admin".to_owned(),
            role: ControlRole::Admin,
        };
        let token = authority.issue(admin, TOKEN_LIFETIME, Utc::now())?;
        Ok(Self {
            process,
            functions: place(&ready, "functions")?,
            database: postgres.connection(),
            control: place(&ready, "control")?,
            bearer: format!("Bearer {}", token.expose()),
            guests: setting.guests.clone(),
            launch,
            _postgres: postgres,
            _folder: folder,
        })
    }

    /// Ends the server and starts it again on the same data; how long the start took.
    ///
    /// # Errors
    /// Where it does not come up again.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<Duration> {
        self.process.end().await?;
        let begin = Instant::now();
        let (process, ready) = self.launch.start().await?;
        let took = begin.elapsed();
        self.process = process;
        self.functions = place(&ready, "functions")?;
        self.control = place(&ready, "control")?;
        Ok(took)
    }

    /// A second node on the same database, keys and components.
    ///
    /// # Errors
    /// Where it does not come up.
    pub(crate) async fn neighbour(&self) -> anyhow::Result<Neighbour> {
        let folder = self.launch.folder.join("neighbour");
        std::fs::create_dir_all(folder.join("data"))?;
        let components = self.launch.folder.join("data/objects");
        std::os::unix::fs::symlink(components, folder.join("data/objects"))?;
        let launch = Launch {
            folder,
            ..self.launch.clone()
        };
        let (process, ready) = launch.start().await?;
        Ok(Neighbour {
            process,
            functions: place(&ready, "functions")?,
        })
    }

    /// Makes a project.
    ///
    /// # Errors
    /// Where it is refused.
    pub(crate) async fn project(&self, name: &str) -> anyhow::Result<()> {
        let wanted = json!({ "name": name });
        self.control(Method::POST, "/v1/projects", &wanted)
            .await
            .map(drop)
    }

    /// Gives a project its tables and policies.
    ///
    /// # Errors
    /// Where they are refused.
    pub(crate) async fn schema(&self, project: &str, schema: &Value) -> anyhow::Result<()> {
        let path = format!("/v1/projects/{project}/schema");
        self.control(Method::PUT, &path, schema).await.map(drop)
    }

    /// Has Postgres enforce a project's policies too.
    ///
    /// # Errors
    /// Where it is refused.
    pub(crate) async fn mirror(&self, project: &str) -> anyhow::Result<()> {
        let path = format!("/v1/projects/{project}/native-mirror");
        let wanted = json!({ "enabled": true });
        self.control(Method::PUT, &path, &wanted).await.map(drop)
    }

    /// A token of the project for that user.
    ///
    /// # Errors
    /// Where it is refused.
    pub(crate) async fn token(&self, project: &str, subject: &str) -> anyhow::Result<String> {
        let path = format!("/v1/projects/{project}/tokens");
        let wanted = json!({ "subject": subject, "ttl_s": 24 * 3600 });
        let minted = self.control(Method::POST, &path, &wanted).await?;
        let token = minted.get("token").and_then(Value::as_str);
        token.map(str::to_owned).context("no token was answered")
    }

    /// Deploys a built guest under a name, with further lines of manifest; its URL.
    ///
    /// # Errors
    /// Where it is not built or refused.
    pub(crate) async fn deploy(
        &self,
        (project, name): (&str, &str),
        guest: &str,
        manifest: &str,
    ) -> anyhow::Result<String> {
        let component = self.component(guest)?;
        self.upload((project, name), &component, manifest).await
    }

    /// The same as a component of its own: a custom section at its end has the number.
    ///
    /// # Errors
    /// Where it is not built or refused.
    pub(crate) async fn deploy_marked(
        &self,
        place: (&str, &str),
        guest: &str,
        number: usize,
    ) -> anyhow::Result<String> {
        let mut component = self.component(guest)?;
        // Kind, length of the rest, length of the name, the name, and what it says.
        component.extend(*b"\0\x0d\x04mark");
        component.extend((number as u64).to_le_bytes());
        self.upload(place, &component, "").await
    }

    fn component(&self, guest: &str) -> anyhow::Result<Vec<u8>> {
        let file = self.guests.join(format!("{guest}.wasm"));
        std::fs::read(&file).with_context(|| file.display().to_string())
    }

    async fn upload(
        &self,
        (project, name): (&str, &str),
        component: &[u8],
        manifest: &str,
    ) -> anyhow::Result<String> {
        let manifest = format!("name = \"{name}\"\n{manifest}");
        let mut form = Vec::new();
        for (part, bytes) in [("component", component), ("manifest", manifest.as_bytes())] {
            let head =
                format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{part}\"\r\n\r\n");
            form.extend_from_slice(head.as_bytes());
            form.extend_from_slice(bytes);
            form.extend_from_slice(b"\r\n");
        }
        form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let url = format!("{}/v1/projects/{project}/functions/{name}", self.control);
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = [
            ("authorization", self.bearer.as_str()),
            ("content-type", &kind),
        ];
        send(Method::PUT, &url, &headers, form).await?;
        Ok(format!("{}/f/{project}/{name}", self.functions))
    }

    /// Whether a guest is there to be deployed: JavaScript ones need Node to be built.
    pub(crate) fn has(&self, guest: &str) -> bool {
        self.guests.join(format!("{guest}.wasm")).exists()
    }

    /// Where that path of the control API is.
    pub(crate) fn control_url(&self, path: &str) -> String {
        format!("{}{path}", self.control)
    }

    /// What a call of it says besides.
    pub(crate) fn control_headers(&self) -> Vec<(String, String)> {
        let headers = [
            ("authorization", self.bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let owned = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        owned.to_vec()
    }

    /// A call of the control API.
    ///
    /// # Errors
    /// Where it is refused.
    pub(crate) async fn control(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let headers = [
            ("authorization", self.bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let url = format!("{}{path}", self.control);
        let answer = send(method, &url, &headers, body.to_string()).await?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

/// How the server is started.
#[derive(Clone)]
struct Launch {
    command: &'static str,
    program: PathBuf,
    folder: PathBuf,
    keys: PathBuf,
    database: String,
}

impl Launch {
    async fn start(&self) -> anyhow::Result<(Process, Value)> {
        let data = self.folder.join("data");
        let log = std::fs::File::create(self.folder.join("log"))?;
        // One that ended orderly has removed it; one that was killed has not.
        drop(std::fs::remove_file(data.join("ready.json")));
        let child = tokio::process::Command::new(&self.program)
            .arg(self.command)
            .env_clear()
            .env("KOYALITE_DATA_DIR", &data)
            .env("KOYALITE_KEY_FILE", &self.keys)
            .env("KOYALITE_DATABASE_URL", &self.database)
            .env("KOYALITE_LISTEN", "127.0.0.1:0")
            .env("KOYALITE_CONTROL_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let ready = ready(&data).await?;
        Ok((Process::new(child)?, ready))
    }
}

fn place(ready: &Value, name: &str) -> anyhow::Result<String> {
    let url = ready.get(name).and_then(Value::as_str);
    url.map(str::to_owned).context("ready.json without a place")
}

async fn ready(data: &std::path::Path) -> anyhow::Result<Value> {
    let deadline = Instant::now() + START_PATIENCE;
    while Instant::now() < deadline {
        if let Ok(text) = std::fs::read(data.join("ready.json")) {
            return Ok(serde_json::from_slice(&text)?);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!(
        "koyalite serve was not ready after {} s",
        START_PATIENCE.as_secs()
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "where programs are is not configuration"
)]
fn search_path() -> Option<std::ffi::OsString> {
    std::env::var_os("PATH")
}
