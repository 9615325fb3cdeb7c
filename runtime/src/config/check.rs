//! From text to meaning, one setting after the other. A wrong one is noted and replaced by its
//! default, so that the next one is judged as well; nothing is returned if anything was noted.

mod database;
mod fleet;
mod names;
mod networks;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::key::Key;
use super::raw::Raw;
use super::report::{ConfigMistake, Origin, Report};
use super::resolved::{
    DataDir, LogConfig, LogFormat, NodeLimits, OperatorCaps, SchedulerConfig, ServeConfig, TlsFiles,
};
use crate::cores;

const DATA_DIR: &str = ".koyalite";
const LISTEN: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(LOOPBACK, 8080));
const CONTROL_LISTEN: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(LOOPBACK, 8081));
/// Reachable from this machine alone until someone decides otherwise.
const LOOPBACK: std::net::Ipv4Addr = std::net::Ipv4Addr::LOCALHOST;

/// Which command is being configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Dev,
    Serve,
}

/// A configuration being read.
pub(super) struct Reading<'a> {
    raw: &'a Raw,
    role: Role,
    mistakes: Vec<ConfigMistake>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(raw: &'a Raw, role: Role) -> Reading<'a> {
        Reading {
            raw,
            role,
            mistakes: raw.mistakes.clone(),
        }
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn raw(&self) -> &'a Raw {
        self.raw
    }

    pub(super) fn note(&mut self, mistake: ConfigMistake) {
        self.mistakes.push(mistake);
    }

    pub(super) fn config(mut self) -> Result<ServeConfig, Report> {
        let data = DataDir::new(
            self.path(Key::DataDir)
                .unwrap_or_else(|| absolute(DATA_DIR)),
        );
        let (listen, control_listen) = self.listeners();
        let tls = self.tls(Key::TlsCertificate, Key::TlsKey);
        let control_tls = self.tls(Key::ControlTlsCertificate, Key::ControlTlsKey);
        let drain_s = self.number(Key::DrainTimeoutS, 30, 0..=3600);
        let config = ServeConfig {
            listen,
            control_listen,
            public_url: self.public_url(listen, tls.as_ref()),
            tls,
            control_tls,
            domain: self.domain(),
            region: self.region(),
            fleet: self.fleet(),
            max_staleness: self.max_staleness(),
            trusted_proxies: self.trusted_proxies(),
            database: self.database(&data),
            store: self.store(&data),
            key_file: self.key_file(&data),
            admin_token_file: self.admin_token_file(&data),
            sign_up: self.sign_up(),
            caps: self.caps(),
            limits: self.limits(),
            smtp: self.smtp(),
            mail_from: self.mail_from(),
            password_reset_template: self.path(Key::PasswordResetTemplate),
            audit_retention_days: self.audit_retention_days(),
            drain_timeout: Duration::from_secs(drain_s),
            header_timeout: Duration::from_secs(self.number(Key::HeaderTimeoutS, 30, 1..=3600)),
            send_timeout: Duration::from_secs(self.number(Key::SendTimeoutS, 60, 1..=3600)),
            scheduler: self.scheduler(),
            log: self.log(),
            data,
        };
        match self.mistakes.is_empty() {
            true => Ok(config),
            false => Err(Report {
                mistakes: self.mistakes,
            }),
        }
    }

    fn listeners(&mut self) -> (SocketAddr, SocketAddr) {
        let example = "write an address and a port, for example 127.0.0.1:8080";
        let listen = self.parsed(Key::Listen, example).unwrap_or(LISTEN);
        let control = self
            .parsed(Key::ControlListen, example)
            .unwrap_or(CONTROL_LISTEN);
        // Functions may answer with hostile pages, so the control API is another origin. Port 0
        // takes any free one, twice.
        if listen == control && listen.port() != 0 {
            let key = match self.raw.get(Key::ControlListen) {
                Some(_) => Key::ControlListen,
                None => Key::Listen,
            };
            self.wrong(
                key,
                "must not be the address of the other listener; take another port",
            );
        }
        (listen, control)
    }

    /// Certificate and key of one listener: both or neither. The files are read when it is bound.
    fn tls(&mut self, certificate: Key, key: Key) -> Option<TlsFiles> {
        match (self.path(certificate), self.path(key)) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (Some(_), None) => {
                self.wrong(certificate, "needs its private key beside it");
                None
            }
            (None, Some(_)) => {
                self.wrong(key, "needs its certificate beside it");
                None
            }
        }
    }

    fn public_url(&mut self, listen: SocketAddr, tls: Option<&TlsFiles>) -> String {
        let Some(given) = self.raw.get(Key::PublicUrl) else {
            return format!("{}://{listen}", TlsFiles::scheme(tls));
        };
        let text = given.text.trim_end_matches('/');
        let is_origin = text.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|a| !a.as_str().contains('@'))
                && uri.path_and_query().is_none_or(|path| path == "/")
        });
        if !is_origin {
            self.wrong(
                Key::PublicUrl,
                "must be an origin, for example https://functions.example.org",
            );
        }
        text.to_owned()
    }

    fn key_file(&mut self, data: &DataDir) -> PathBuf {
        match (self.path(Key::KeyFile), self.role) {
            (Some(path), _) => path,
            (None, Role::Dev) => data.keys(),
            (None, Role::Serve) => {
                // A ring made on the quiet would be lost with the container, and every secret in
                // the database with it.
                self.missing(
                    Key::KeyFile,
                    "name the file with the key ring, kept with your backups",
                );
                data.keys()
            }
        }
    }

    /// Upper ends: the engine's largest memory; a minute of CPU; a day of anything; what the
    /// object store and the compiler's memory limit can bear.
    fn caps(&mut self) -> OperatorCaps {
        OperatorCaps {
            memory_mib: self.number(Key::MemoryMibMax, 1024, 1..=4096),
            cpu_ms: self.number(Key::CpuMsMax, 60_000, 1..=3_600_000),
            first_byte_ms: self.number(Key::FirstByteMsMax, 300_000, 1..=86_400_000),
            silence_ms: self.number(Key::SilenceMsMax, 3_600_000, 1..=86_400_000),
            wall_ms: self.number(Key::WallMsMax, 86_400_000, 1..=86_400_000),
            body_mib: self.number(Key::BodyMibMax, 256, 1..=65_536),
            host_calls: self.number(Key::HostCallsMax, 10_000, 1..=1_000_000),
            outbound_requests: self.number(Key::OutboundRequestsMax, 1_000, 1..=100_000),
            log_kib: self.number(Key::LogKibMax, 1_024, 1..=65_536),
            select_rows: self.number(Key::SelectRowsMax, 10_000, 1..=1_000_000),
            statement_ms: self.number(Key::StatementMsMax, 5_000, 1..=5_000),
            outbound_ms: self.number(Key::OutboundMsMax, 300_000, 1..=86_400_000),
            component_mib: self.number(Key::ComponentMibMax, 64, 1..=256),
        }
    }

    fn limits(&mut self) -> NodeLimits {
        NodeLimits {
            connections: self.count(Key::ConnectionsMax, 10_000, 1_000_000),
            connection_threads: self.count(
                Key::ConnectionThreads,
                cores::available() as u64,
                1_024,
            ),
            instances: self.instances(),
            invocations: self.count(Key::InvocationsMax, 240, 10_000),
            invocations_per_function: self.count(Key::InvocationsPerFunctionMax, 100, 10_000),
            invocations_per_project: self.count(Key::InvocationsPerProjectMax, 160, 10_000),
            waiting_per_function: self.count(Key::WaitingPerFunctionMax, 1_000, 100_000),
            tenant_connections: self.count(Key::TenantConnectionsMax, 40, 10_000),
            project_connections: self.count(Key::ProjectConnectionsMax, 8, 10_000),
            // A thousand small functions, or a dozen JavaScript ones.
            compiled_memory_mib: self.number(Key::CompiledMemoryMib, 512, 16..=1_048_576),
            // Ten thousand small functions.
            compiled_disk_mib: self.number(Key::CompiledDiskMib, 4096, 16..=16_777_216),
        }
    }

    /// A lease is longer than the longest transaction of a function, which holds its heartbeat up.
    fn scheduler(&mut self) -> SchedulerConfig {
        let lease_s = self.number(Key::SchedulerLeaseS, 60, 6..=3600);
        let days = self.number(Key::RunsRetentionDays, 30, 1..=3650);
        SchedulerConfig {
            lease: Duration::from_secs(lease_s),
            runs_days: u32::try_from(days).unwrap_or(1),
        }
    }

    fn instances(&mut self) -> u32 {
        // As far as the address space of any machine goes.
        let count = self.number(Key::InstancesMax, 256, 1..=2048);
        u32::try_from(count).unwrap_or(1)
    }

    fn log(&mut self) -> LogConfig {
        let format = match (self.text(Key::LogFormat).as_deref(), self.role) {
            (Some("text"), _) | (None, Role::Dev) => LogFormat::Text,
            (Some("json"), _) | (None, Role::Serve) => LogFormat::Json,
            (Some(_), _) => {
                self.wrong(Key::LogFormat, "must be text or json");
                LogFormat::Text
            }
        };
        let filter = self.text(Key::Log).unwrap_or_else(|| "info".to_owned());
        if EnvFilter::builder().parse(&filter).is_err() {
            self.wrong(
                Key::Log,
                "must be a level or target=level, for example info,koyalite_runtime=debug",
            );
        }
        LogConfig { filter, format }
    }

    pub(super) fn yes_or_no(&mut self, key: Key) -> bool {
        match self.text(key).as_deref() {
            None | Some("false" | "0" | "no") => false,
            Some("true" | "1" | "yes") => true,
            Some(_) => {
                self.wrong(key, "must be true or false");
                false
            }
        }
    }

    pub(super) fn text(&self, key: Key) -> Option<String> {
        self.raw.get(key).map(|given| given.text.trim().to_owned())
    }

    pub(super) fn path(&mut self, key: Key) -> Option<PathBuf> {
        let text = self.text(key)?;
        if text.is_empty() {
            self.wrong(key, "must be a path");
            return None;
        }
        Some(absolute(&text))
    }

    fn parsed<T: std::str::FromStr>(&mut self, key: Key, expected: &str) -> Option<T> {
        let text = self.text(key)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.wrong(key, expected);
        }
        parsed
    }

    pub(super) fn number(&mut self, key: Key, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(text) = self.text(key) else {
            return default;
        };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (least, most) = range.into_inner();
                self.wrong(
                    key,
                    &format!("must be a whole number from {least} to {most}"),
                );
                default
            }
        }
    }

    fn count(&mut self, key: Key, default: u64, most: u64) -> usize {
        usize::try_from(self.number(key, default, 1..=most)).unwrap_or(usize::MAX)
    }

    /// Notes a mistake in a value, with the value unless it is secret.
    pub(super) fn wrong(&mut self, key: Key, expected: &str) {
        let mistake = match self.raw.get(key) {
            Some(given) if key.is_secret() => ConfigMistake::in_value(key, &given.origin, expected),
            Some(given) => {
                let problem = format!("is {:?}; {expected}", given.text);
                ConfigMistake::in_value(key, &given.origin, problem)
            }
            None => ConfigMistake::in_value(key, &Origin::Missing, expected),
        };
        self.mistakes.push(mistake);
    }

    fn missing(&mut self, key: Key, what_to_do: &str) {
        let problem = format!("is missing; {what_to_do}");
        self.mistakes
            .push(ConfigMistake::in_value(key, &Origin::Missing, problem));
    }
}

/// A DNS label, also the shape of a region's name.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Absolute, because Postgres and its socket are started from elsewhere.
fn absolute(path: &str) -> PathBuf {
    // Fails only for an empty path, or where the working directory is gone.
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path))
}
