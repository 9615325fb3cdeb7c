//! Coming by a Postgres: the operator's, or a private one of our own.

use std::io::Write as _;

use anyhow::Context as _;
use koyalite_host_api::db::PostgresConfig;
use sqlx::postgres::PgConnectOptions;

use super::Mode;
use crate::config::{DatabaseChoice, EmbeddedDatabase, ServeConfig};
use crate::postgres::{Options, Progress, Supervised};

/// A Postgres, and how both drivers reach it.
pub(super) struct Database {
    pub(super) control: PgConnectOptions,
    pub(super) tenants: PostgresConfig,
    supervised: Option<Supervised>,
}

impl Database {
    pub(super) async fn come_by(config: &ServeConfig, mode: Mode) -> anyhow::Result<Self> {
        let (url, control, supervised) = match &config.database {
            DatabaseChoice::Embedded(embedded) => {
                let supervised = start(config, embedded, mode).await?;
                let connection = supervised.connection();
                (
                    connection.url(),
                    connection.sqlx_options(),
                    Some(supervised),
                )
            }
            DatabaseChoice::Url(url) => {
                let url = url.expose();
                let options = url
                    .parse()
                    .context("the database URL is not one that Postgres knows")?;
                (url.to_owned(), options, None)
            }
        };
        let tenants = url
            .parse()
            .context("the database URL is not one that Postgres knows")?;
        Ok(Self {
            control,
            tenants,
            supervised,
        })
    }

    /// Stops the private Postgres, if there is one.
    pub(super) async fn stop(self) {
        if let Some(supervised) = self.supervised
            && let Err(error) = supervised.stop().await
        {
            tracing::error!(%error, "the private Postgres did not stop");
        }
    }
}

async fn start(
    config: &ServeConfig,
    embedded: &EmbeddedDatabase,
    mode: Mode,
) -> anyhow::Result<Supervised> {
    let options = Options {
        data_dir: config.data.postgres(),
        bin_dir: embedded.bin_dir.clone(),
        cache_dir: embedded.cache_dir.clone(),
        path: embedded.path.clone(),
        consent: embedded.consent,
    };
    let tell = move |progress| {
        if mode == Mode::Dev {
            say(progress);
        }
    };
    Supervised::start(options, tell)
        .await
        .context("the private Postgres did not start")
}

/// The steps that take long enough to wonder about.
fn say(progress: Progress) {
    let line = match progress {
        Progress::Downloading { bundle, bytes } => {
            format!("downloading {bundle} ({} MB), once", bytes / 1_000_000)
        }
        Progress::Initialising { major } => format!("creating a Postgres {major} database, once"),
        Progress::Looking | Progress::Unpacking { .. } | Progress::Starting | Progress::Ready => {
            return;
        }
    };
    drop(writeln!(std::io::stderr(), "{line} …"));
}
