//! What the configuration means: typed, complete, checked. Code below start-up sees only this.

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::check::{Reading, Role};
use super::raw::Raw;
use super::report::Report;
use crate::accounts::SignUp;
use crate::delivery::mail::server::SmtpServer;
use crate::postgres::Consent;
use crate::store::StoreChoice;

/// The configuration of a server, of `dev` and `serve` alike.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The folder of this node.
    pub data: DataDir,
    /// Where functions are called.
    pub listen: SocketAddr,
    /// Where the control API is.
    pub control_listen: SocketAddr,
    /// The certificate of the functions listener, which speaks TLS where there is one.
    pub tls: Option<TlsFiles>,
    /// The same of the control listener.
    pub control_tls: Option<TlsFiles>,
    /// Where functions are reached from outside: scheme and authority, no slash at the end.
    pub public_url: String,
    /// What project hosts end in, lower case.
    pub domain: String,
    /// The region of this node.
    pub region: String,
    /// Where other nodes hand requests over to this one.
    pub fleet: Option<FleetConfig>,
    /// How old what this node serves may become before it refuses to.
    pub max_staleness: Duration,
    /// Networks of proxies whose word about a caller's address counts: address and length of the prefix.
    pub trusted_proxies: Vec<(IpAddr, u32)>,
    /// Where the data is.
    pub database: DatabaseChoice,
    /// Where components and the contents of files lie.
    pub store: StoreChoice,
    /// The key ring; made when missing by `dev`, required by `serve`.
    pub key_file: PathBuf,
    /// Where the administrator's token is kept; written when missing. `dev` always has one, `serve`
    /// where the operator names a file.
    pub admin_token_file: Option<PathBuf>,
    /// Whether people may make accounts of the control API for themselves.
    pub sign_up: SignUp,
    /// What manifests may ask for.
    pub caps: OperatorCaps,
    /// What this node takes on.
    pub limits: NodeLimits,
    /// Where mail is handed over.
    pub smtp: Option<Arc<SmtpServer>>,
    /// The address that mail to operators comes from.
    pub mail_from: Option<String>,
    /// The file with the words of mails about forgotten passwords, where a project has none of its own.
    pub password_reset_template: Option<PathBuf>,
    /// After how many days audit logs go that no project decides about; none: they stay.
    pub audit_retention_days: Option<u32>,
    /// How long requests in flight get at shutdown.
    pub drain_timeout: Duration,
    /// How long the head of a request may take, and how long an idle connection is kept.
    pub header_timeout: Duration,
    /// How long a peer may take nothing of what is sent to it.
    pub send_timeout: Duration,
    /// How runs of schedules are held and kept.
    pub scheduler: SchedulerConfig,
    /// What is logged, and how.
    pub log: LogConfig,
}

impl ServeConfig {
    /// The configuration of `koyalite dev`: everything has a default.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn dev(raw: Raw) -> Result<ServeConfig, Report> {
        Reading::of(&raw, Role::Dev).config()
    }

    /// The configuration of `koyalite serve`: the database and the key ring must be named.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn serve(raw: Raw) -> Result<ServeConfig, Report> {
        Reading::of(&raw, Role::Serve).config()
    }
}

/// How other nodes reach this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetConfig {
    /// Where it listens for them.
    pub listen: SocketAddr,
    /// The address that they are told, host and port; none: the one that it listens on.
    pub address: Option<String>,
}

/// A listener's certificate, in PEM, and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those above it.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// What a listener speaks with these, or without any.
    #[must_use]
    pub const fn scheme(files: Option<&Self>) -> &'static str {
        match files {
            Some(_) => "https",
            None => "http",
        }
    }
}

/// The layout of a node's folder. Paths only; whoever owns a folder makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// A layout below an absolute path.
    pub fn new(root: PathBuf) -> DataDir {
        DataDir(root)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The private Postgres.
    pub fn postgres(&self) -> PathBuf {
        self.0.join("pg")
    }

    /// The key ring, mode 0600.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys.json")
    }

    /// The administrator's token, mode 0600.
    pub fn token(&self) -> PathBuf {
        self.0.join("token")
    }

    /// The object store, where it is no bucket; components are at `components/<sha256>.wasm` in it.
    pub fn objects(&self) -> PathBuf {
        self.0.join("objects")
    }

    /// Native code, mode 0700.
    pub fn compiled(&self) -> PathBuf {
        self.0.join("compiled")
    }

    /// Segment files of records.
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }
}

/// Whose Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseChoice {
    /// A private one that this process supervises.
    Embedded(EmbeddedDatabase),
    /// The operator's.
    Url(DatabaseUrl),
    /// The operator's, behind a pooler that gives each transaction another connection.
    Pooled {
        /// The pooler.
        pooler: DatabaseUrl,
        /// Past it.
        direct: DatabaseUrl,
    },
}

/// How to come by a private Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedDatabase {
    /// Programs to use instead of any found.
    pub bin_dir: Option<PathBuf>,
    /// Where a downloaded server is kept.
    pub cache_dir: PathBuf,
    /// The value of `PATH`.
    pub path: Option<OsString>,
    /// Whether one may be downloaded.
    pub consent: Consent,
}

/// A connection string. It holds a password, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    pub(super) fn new(text: String) -> DatabaseUrl {
        DatabaseUrl(text)
    }

    /// The text, for whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The most that a manifest may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorCaps {
    /// Memory of an instance.
    pub memory_mib: u64,
    /// CPU time of a call.
    pub cpu_ms: u64,
    /// Time to the first byte of an answer.
    pub first_byte_ms: u64,
    /// Between two pieces of an answer.
    pub silence_ms: u64,
    /// Time of a call.
    pub wall_ms: u64,
    /// A request's body.
    pub body_mib: u64,
    /// Host calls of an invocation.
    pub host_calls: u64,
    /// Requests that one sends.
    pub outbound_requests: u64,
    /// What one logs.
    pub log_kib: u64,
    /// Rows of a select.
    pub select_rows: u64,
    /// Time of a statement on tables.
    pub statement_ms: u64,
    /// How long a request that one sends may wait.
    pub outbound_ms: u64,
    /// A component.
    pub component_mib: u64,
}

/// What this node takes on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLimits {
    /// Connections of each listener.
    pub connections: usize,
    /// Threads that serve the connections of the functions listener.
    pub connection_threads: usize,
    /// Instances.
    pub instances: u32,
    /// Invocations.
    pub invocations: usize,
    /// Invocations of one function.
    pub invocations_per_function: usize,
    /// Invocations of one project.
    pub invocations_per_project: usize,
    /// Calls that wait for a place, of one function.
    pub waiting_per_function: usize,
    /// Postgres connections of all projects.
    pub tenant_connections: usize,
    /// Postgres connections of one project.
    pub project_connections: usize,
    /// Native code in memory.
    pub compiled_memory_mib: u64,
    /// Native code on disk.
    pub compiled_disk_mib: u64,
}

/// How runs of schedules are held and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchedulerConfig {
    /// How long a node may be silent before its runs are tried again.
    pub lease: Duration,
    /// How long runs that are over are kept.
    pub runs_days: u32,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// In the language of `tracing_subscriber::EnvFilter`; checked.
    pub filter: String,
    /// For people or for machines.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
