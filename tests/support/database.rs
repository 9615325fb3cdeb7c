//! One Postgres for all tests of a run, started by the same code that `koyalite dev` uses; a fresh
//! database in it for each app.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use koyalite_runtime::postgres::{Connection, Consent, Options, Supervised};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

use super::at_exit::drop_at_exit;
use super::settings::Settings;

/// A database of one's own.
#[derive(Clone)]
pub(crate) struct Database {
    server: Connection,
    name: String,
}

impl Database {
    /// An empty one.
    pub(crate) async fn create() -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let server = shared_server().await.clone();
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let created = Database {
            server: server.clone(),
            name: server.database().to_owned(),
        };
        let client = created.connect().await;
        client
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        Database { server, name }
    }

    /// For `DATABASE_URL`.
    pub(crate) fn url(&self) -> String {
        let url = self.server.url();
        let (server, query) = url.split_once('?').unwrap();
        let (server, _) = server.rsplit_once('/').unwrap();
        format!("{server}/{}?{query}", self.name)
    }

    /// The same by another folder of sockets.
    pub(crate) fn url_by(&self, folder: &Path) -> String {
        let (port, user) = (self.server.port(), self.server.user());
        let host = folder.display().to_string().replace('/', "%2F");
        format!(
            "postgres:///{}?host={host}&port={port}&user={user}",
            self.name
        )
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The role that owns everything.
    pub(crate) fn user(&self) -> &str {
        self.server.user()
    }

    /// The socket of the server.
    pub(crate) fn socket(&self) -> PathBuf {
        let name = format!(".s.PGSQL.{}", self.server.port());
        self.server.socket_dir().join(name)
    }

    /// A connection as the owner of everything, to look at what really is there.
    pub(crate) async fn connect(&self) -> Client {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(self.server.socket_dir())
            .port(self.server.port());
        config.user(self.server.user()).dbname(&self.name);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        // Ends by itself when the client is dropped.
        tokio::spawn(connection);
        client
    }
}

/// A Postgres for this test alone: begun in that folder, or what was there started again.
pub(crate) async fn own_postgres(folder: &Path) -> Supervised {
    let options = Options {
        data_dir: folder.join("pg"),
        bin_dir: None,
        cache_dir: folder.join("cache"),
        path: Settings::path(),
        consent: Consent::Refuse,
    };
    Supervised::start(options, |_| {}).await.unwrap()
}

async fn shared_server() -> &'static Connection {
    static SERVER: OnceCell<Connection> = OnceCell::const_new();
    SERVER
        .get_or_init(async || {
            let folder = tempfile::tempdir().unwrap();
            let server = own_postgres(folder.path()).await;
            let connection = server.connection();
            drop_at_exit((server, folder));
            connection
        })
        .await
}
