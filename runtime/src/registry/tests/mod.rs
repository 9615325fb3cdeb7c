//! The registry against a real Postgres: a database per test, one server for all that run at once.

mod apply;
mod deploy;
mod gradual;
mod hints;
mod indexes;
mod members;
mod migrations;
mod mirror;
mod outbox;
mod pool;
mod removal;
mod schema;
mod secrets;
mod sessions;
mod tenants;
mod vectors;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Weak};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::*;
use crate::postgres::{Consent, Options, Supervised};
use crate::registry::projects::{NewProject, Project};

/// A server that lives as long as some test uses it.
struct Server {
    postgres: Supervised,
    // Dropped after the server.
    _home: TempDir,
}

static SERVER: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());

async fn server() -> Arc<Server> {
    let mut shared = SERVER.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let home = tempfile::tempdir().unwrap();
    // Others may pass through, so that root can drop to another user.
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let options = Options {
        data_dir: home.path().join("pg"),
        bin_dir: None,
        cache_dir: home.path().join("cache"),
        path: None,
        consent: Consent::Refuse,
    };
    let postgres = Supervised::start(options, |_| {}).await.unwrap();
    let server = Arc::new(Server {
        postgres,
        _home: home,
    });
    *shared = Arc::downgrade(&server);
    server
}

/// A registry over a database of its own.
pub(crate) struct TestRegistry {
    pub(crate) registry: Arc<Registry>,
    options: PgConnectOptions,
    keys: TempDir,
    _server: Arc<Server>,
}

impl std::ops::Deref for TestRegistry {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        &self.registry
    }
}

impl TestRegistry {
    pub(crate) async fn new() -> Self {
        Self::owned_by(None).await
    }

    /// Over a database whose owner may make roles, and is no superuser.
    pub(crate) async fn without_superuser() -> Self {
        Self::owned_by(Some("owner")).await
    }

    async fn owned_by(owner: Option<&str>) -> Self {
        let server = server().await;
        let name = format!("t_{}", Uuid::now_v7().simple());
        let options = server.postgres.connection().sqlx_options();
        let mut maintenance = PgConnection::connect_with(&options).await.unwrap();
        let create = match owner {
            None => format!("CREATE DATABASE {name}"),
            Some(owner) => format!(
                "CREATE ROLE {owner}_{name} LOGIN CREATEROLE;
                 GRANT {owner}_{name} TO CURRENT_USER"
            ),
        };
        sqlx::raw_sql(sqlx::AssertSqlSafe(create))
            .execute(&mut maintenance)
            .await
            .unwrap();
        if let Some(owner) = owner {
            let create = format!("CREATE DATABASE {name} OWNER {owner}_{name}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(create))
                .execute(&mut maintenance)
                .await
                .unwrap();
        }
        maintenance.close().await.unwrap();
        let keys = tempfile::tempdir().unwrap();
        let ring = Arc::new(KeyRing::create(&keys.path().join("keys.json")).unwrap());
        let options = match owner {
            None => options.database(&name),
            Some(owner) => options.database(&name).username(&format!("{owner}_{name}")),
        };
        let registry = Arc::new(Registry::connect(options.clone(), ring).await.unwrap());
        Self {
            registry,
            options,
            keys,
            _server: server,
        }
    }

    /// The file of its key ring.
    pub(crate) fn key_file(&self) -> std::path::PathBuf {
        self.keys.path().join("keys.json")
    }

    /// Another node over the same database.
    pub(crate) async fn another_node(&self) -> Registry {
        let ring = KeyRing::open(&self.key_file()).unwrap();
        Registry::connect(self.options.clone(), Arc::new(ring))
            .await
            .unwrap()
    }

    pub(crate) async fn project(&self, name: &str) -> Project {
        let new = NewProject {
            name: name.parse().unwrap(),
            environment: Environment::Dev,
            owner: self.admin(),
        };
        projects::create(self, new).await.unwrap()
    }

    /// A connection as the project's own role, with the password from the snapshot's place.
    pub(crate) async fn as_tenant(&self, project: &Project) -> PgConnection {
        let role = self
            .snapshot()
            .project_by_id(project.id)
            .unwrap()
            .database
            .role
            .clone();
        let options = self.options.clone().username(&role);
        PgConnection::connect_with(&options).await.unwrap()
    }

    /// How to reach its database, as the server's owner.
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    pub(crate) async fn run(&self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap();
    }

    pub(crate) async fn ask<T>(&self, sql: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

/// The SQLSTATE with which Postgres refuses a statement.
async fn refusal(connection: &mut PgConnection, sql: &str) -> String {
    let statement = sqlx::AssertSqlSafe(sql.to_owned());
    match sqlx::raw_sql(statement).execute(connection).await {
        Err(sqlx::Error::Database(error)) => error.code().unwrap().into_owned(),
        other => panic!("{sql}: {other:?}"),
    }
}
