//! How to reach the private Postgres, as plain values that either driver can be built from.
//!
//! There is no password: the socket's folder admits only its owner (and root), and that is the lock.

use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Part of the socket's file name only; nothing listens on TCP.
pub(super) const PORT: u16 = 5432;
/// The superuser that `initdb` creates; the control plane and migrations use it.
pub(super) const SUPERUSER: &str = "koyalite";
/// Made with the cluster, so that Postgres' own `postgres` database stays as it expects.
pub(super) const DATABASE: &str = "koyalite";

/// Address of the private Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    socket_dir: PathBuf,
}

impl Connection {
    pub(super) fn new(socket_dir: PathBuf) -> Self {
        Self { socket_dir }
    }

    /// The folder of the socket: what drivers take as "host".
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The port that is part of the socket's file name.
    pub fn port(&self) -> u16 {
        PORT
    }

    /// Name of the superuser.
    pub fn user(&self) -> &'static str {
        SUPERUSER
    }

    /// Name of the database.
    pub fn database(&self) -> &'static str {
        DATABASE
    }

    /// Options for `sqlx`. Whatever `PG*` variables the driver reads by itself is overruled.
    pub fn sqlx_options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_dir)
            .port(PORT)
            .username(SUPERUSER)
            .database(DATABASE)
            .ssl_mode(PgSslMode::Disable)
            .application_name("koyalite")
    }

    /// The same as a URL, for `psql` and for other programs.
    pub fn url(&self) -> String {
        let host = self.socket_dir.to_string_lossy();
        let host = utf8_percent_encode(&host, NON_ALPHANUMERIC);
        format!(
            "postgres:///{}?host={host}&port={PORT}&user={SUPERUSER}",
            DATABASE
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_survives_odd_folder_names() {
        let url = Connection::new(PathBuf::from("/tmp/a b&c")).url();
        assert_eq!(
            url,
            "postgres:///koyalite?host=%2Ftmp%2Fa%20b%26c&port=5432&user=koyalite"
        );
    }
}
