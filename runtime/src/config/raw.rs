//! What the operator wrote, and where: flags, environment, file. Nothing is judged here except a
//! file that cannot be read and keys that do not exist.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::key::Key;
use super::report::{ConfigMistake, Origin};
use super::store::AWS_VARIABLES;

/// Read from the working directory when no other file is named.
pub const DEFAULT_FILE: &str = "koyalite-server.toml";

/// Names the configuration file.
const FILE_VARIABLE: &str = "KOYALITE_CONFIG";

/// The name under which platforms hand out a database. Only `serve` listens to it: `dev` would
/// otherwise migrate whatever database the shell happens to point at.
pub(super) const PLATFORM_DATABASE_VARIABLE: &str = "DATABASE_URL";

/// Flags of the commands that start a server. Each is also a variable, `KOYALITE_` and its name in
/// capitals, and a key in the configuration file, which has some more.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub struct Flags {
    /// Configuration file [default: koyalite-server.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for everything that this node keeps [default: .koyalite]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Address of the functions listener [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Address of the control listener [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS")]
    pub control_listen: Option<String>,
    /// Where functions are reached from outside [default: http:// and the listen address]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// What the host names of projects end in [default: localhost]
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// Region of this node [default: local]
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// File with the key ring [default of dev: keys.json in the data folder]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<String>,
    /// File with the administrator's token [default of dev: token in the data folder]
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<String>,
    /// Bucket for components and files, as s3://bucket/prefix [default: a folder in the data folder]
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Server of the bucket, where it is not AWS
    #[arg(long, value_name = "URL")]
    pub store_endpoint: Option<String>,
    /// Folder with the Postgres programs to use for the private server
    #[arg(long, value_name = "DIR")]
    pub postgres_bin_dir: Option<String>,
    /// Download Postgres without asking where the machine has none
    #[arg(long)]
    pub yes: bool,
    /// What is logged, for example info or koyalite_runtime=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// text or json [default: text for dev, json for serve]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Seconds that requests in flight get at shutdown [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub drain_timeout_s: Option<String>,
}

/// One value as written.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// Everything that was written.
#[derive(Clone, Default)]
pub struct Raw {
    values: BTreeMap<Key, Given>,
    pub(super) platform_database: Option<Given>,
    /// What platforms hand out to reach a bucket, by its variable.
    pub(super) aws: BTreeMap<&'static str, String>,
    /// The value of `PATH`, to look for Postgres.
    pub(super) path: Option<OsString>,
    /// Where downloads are kept when the operator does not say.
    pub(super) user_cache: Option<PathBuf>,
    pub(super) mistakes: Vec<ConfigMistake>,
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.values.iter().map(|(key, given)| {
            (
                key.name(),
                if key.is_secret() {
                    "***"
                } else {
                    given.text.as_str()
                },
            )
        });
        f.debug_map().entries(shown).finish()
    }
}

impl Raw {
    /// Reads this process's environment and the configuration file.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn gather(flags: Flags) -> Raw {
        Raw::gather_from(flags, &|name| std::env::var_os(name))
    }

    /// The same with an environment of the caller's.
    pub(super) fn gather_from(flags: Flags, environment: &dyn Fn(&str) -> Option<OsString>) -> Raw {
        let mut raw = Raw {
            path: environment("PATH"),
            ..Raw::default()
        };
        raw.user_cache = user_cache(environment);
        let named = flags
            .config
            .clone()
            .or_else(|| environment(FILE_VARIABLE).map(PathBuf::from));
        // Weakest first: what comes later replaces it.
        raw.take_file(named);
        raw.take_environment(environment);
        raw.take_flags(flags);
        raw
    }

    pub(super) fn get(&self, key: Key) -> Option<&Given> {
        self.values.get(&key)
    }

    fn put(&mut self, key: Key, text: String, origin: Origin) {
        self.values.insert(key, Given { text, origin });
    }

    fn take_file(&mut self, named: Option<PathBuf>) {
        let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            // Only a file that somebody asked for has to be there.
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                let problem = format!("cannot be read ({error}); name a readable TOML file");
                return self.mistakes.push(ConfigMistake::new(
                    "config",
                    Origin::File(path),
                    problem,
                ));
            }
        };
        match text.parse::<toml::Table>() {
            Ok(table) => table
                .into_iter()
                .for_each(|(name, value)| self.take(&path, &name, value)),
            Err(error) => {
                // The parser's own message quotes the line, which may hold a password.
                let line = error.span().map_or(0, |span| line_of(&text, span.start));
                let problem = format!("is not TOML: {} in line {line}", error.message());
                self.mistakes
                    .push(ConfigMistake::new("config", Origin::File(path), problem));
            }
        }
    }

    fn take(&mut self, path: &Path, name: &str, value: toml::Value) {
        let origin = Origin::File(path.to_owned());
        let Some(key) = Key::of_name(name) else {
            let known = Key::ALL
                .iter()
                .map(|key| key.name())
                .collect::<Vec<_>>()
                .join(", ");
            let problem = format!("is not a setting; the settings are {known}");
            return self
                .mistakes
                .push(ConfigMistake::new(name, origin, problem));
        };
        match value {
            toml::Value::String(text) => self.put(key, text, origin),
            toml::Value::Integer(number) => self.put(key, number.to_string(), origin),
            toml::Value::Boolean(answer) => self.put(key, answer.to_string(), origin),
            toml::Value::Float(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => {
                let problem = "must be a text, a whole number, true or false";
                self.mistakes
                    .push(ConfigMistake::new(name, origin, problem));
            }
        }
    }

    fn take_environment(&mut self, environment: &dyn Fn(&str) -> Option<OsString>) {
        for key in Key::ALL.iter().copied() {
            if let Some(given) = self.variable(key.variable(), environment) {
                self.values.insert(key, given);
            }
        }
        self.platform_database = self.variable(PLATFORM_DATABASE_VARIABLE.to_owned(), environment);
        for name in AWS_VARIABLES {
            if let Some(given) = self.variable(name.to_owned(), environment) {
                self.aws.insert(name, given.text);
            }
        }
    }

    fn variable(
        &mut self,
        name: String,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Option<Given> {
        // Empty means unset: that is how compose files and unit files spell "no value".
        let value = environment(&name).filter(|value| !value.is_empty())?;
        let origin = Origin::Variable;
        match value.into_string() {
            Ok(text) => Some(Given { text, origin }),
            Err(_) => {
                self.mistakes
                    .push(ConfigMistake::new(name, origin, "must be UTF-8"));
                None
            }
        }
    }

    fn take_flags(&mut self, flags: Flags) {
        let yes = flags.yes.then(|| "true".to_owned());
        for (key, value) in [
            (Key::DataDir, flags.data_dir),
            (Key::Listen, flags.listen),
            (Key::ControlListen, flags.control_listen),
            (Key::PublicUrl, flags.public_url),
            (Key::Domain, flags.domain),
            (Key::Region, flags.region),
            (Key::KeyFile, flags.key_file),
            (Key::AdminTokenFile, flags.admin_token_file),
            (Key::Store, flags.store),
            (Key::StoreEndpoint, flags.store_endpoint),
            (Key::PostgresBinDir, flags.postgres_bin_dir),
            (Key::Yes, yes),
            (Key::Log, flags.log),
            (Key::LogFormat, flags.log_format),
            (Key::DrainTimeoutS, flags.drain_timeout_s),
        ] {
            if let Some(text) = value {
                self.put(key, text, Origin::Flag);
            }
        }
    }
}

/// The user's cache folder by the XDG rules, else none.
fn user_cache(environment: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| {
        environment(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    // A relative one would be another folder for every working directory; XDG says to ignore it.
    base.is_absolute().then(|| base.join("koyalite"))
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or_default().matches('\n').count() + 1
}
