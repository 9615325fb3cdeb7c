//! Which Postgres, and how: one of our own, the operator's, or the operator's behind a pooler.

use super::{Key, Reading, Role};
use crate::config::raw::{Given, PLATFORM_DATABASE_VARIABLE};
use crate::config::report::{ConfigMistake, Origin};
use crate::config::resolved::{DataDir, DatabaseChoice, DatabaseUrl, EmbeddedDatabase};
use crate::postgres::Consent;

/// What the URL leads to.
enum Pooling {
    /// Connections that are sessions.
    Session,
    /// A pooler that gives each transaction another one.
    Transaction,
}

impl Reading<'_> {
    pub(super) fn database(&mut self, data: &DataDir) -> DatabaseChoice {
        let raw = self.raw;
        let ours = raw.get(Key::DatabaseUrl);
        let given = match self.role {
            Role::Dev => ours,
            Role::Serve => ours.or(raw.platform_database.as_ref()),
        };
        let Some(given) = given else {
            return self.no_database(data);
        };
        let url = self.database_url(given);
        match (self.pooling(), raw.get(Key::DatabaseDirectUrl)) {
            (Pooling::Session, None) => DatabaseChoice::Url(url),
            (Pooling::Session, Some(_)) => {
                let problem = "is for database_pooling = \"transaction\", which is not set";
                self.wrong(Key::DatabaseDirectUrl, problem);
                DatabaseChoice::Url(url)
            }
            (Pooling::Transaction, Some(direct)) => DatabaseChoice::Pooled {
                pooler: url,
                direct: self.url(Key::DatabaseDirectUrl, direct),
            },
            (Pooling::Transaction, None) => {
                let problem =
                    "name the database past the pooler, for what a transaction is too short for";
                self.missing(Key::DatabaseDirectUrl, problem);
                DatabaseChoice::Url(url)
            }
        }
    }

    fn no_database(&mut self, data: &DataDir) -> DatabaseChoice {
        for key in [Key::DatabasePooling, Key::DatabaseDirectUrl] {
            if self.raw.get(key).is_some() {
                self.wrong(key, "needs database_url beside it");
            }
        }
        match self.role {
            Role::Dev => DatabaseChoice::Embedded(self.embedded(data)),
            Role::Serve => {
                let problem = "is missing; write postgres://user:password@host/database";
                let setting = PLATFORM_DATABASE_VARIABLE;
                self.note(ConfigMistake::new(setting, Origin::Missing, problem));
                DatabaseChoice::Url(DatabaseUrl::new(String::new()))
            }
        }
    }

    fn pooling(&mut self) -> Pooling {
        match self.text(Key::DatabasePooling).as_deref() {
            None | Some("session") => Pooling::Session,
            Some("transaction") => Pooling::Transaction,
            Some(_) => {
                self.wrong(Key::DatabasePooling, "must be session or transaction");
                Pooling::Session
            }
        }
    }

    fn database_url(&mut self, given: &Given) -> DatabaseUrl {
        match self.raw.get(Key::DatabaseUrl) {
            Some(_) => self.url(Key::DatabaseUrl, given),
            None if is_url(given) => DatabaseUrl::new(given.text.trim().to_owned()),
            None => {
                let (name, origin) = (PLATFORM_DATABASE_VARIABLE, given.origin.clone());
                self.note(ConfigMistake::new(name, origin, EXPECTED));
                DatabaseUrl::new(String::new())
            }
        }
    }

    fn url(&mut self, key: Key, given: &Given) -> DatabaseUrl {
        if !is_url(given) {
            self.wrong(key, EXPECTED);
        }
        DatabaseUrl::new(given.text.trim().to_owned())
    }

    fn embedded(&mut self, data: &DataDir) -> EmbeddedDatabase {
        let consent = match self.yes_or_no(Key::Yes) {
            true => Consent::Install,
            false => Consent::Refuse,
        };
        let cache = self
            .path(Key::PostgresCacheDir)
            .or_else(|| self.raw.user_cache.clone());
        EmbeddedDatabase {
            bin_dir: self.path(Key::PostgresBinDir),
            cache_dir: cache.unwrap_or_else(|| data.root().join("cache")),
            path: self.raw.path.clone(),
            consent,
        }
    }
}

/// What is wrong is said without the text: it holds a password.
const EXPECTED: &str = "must be a URL of the form postgres://user:password@host/database";

fn is_url(given: &Given) -> bool {
    let text = given.text.trim();
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}
