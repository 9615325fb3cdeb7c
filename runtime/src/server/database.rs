//! Coming by a Postgres: the operator's, or a private one of our own.

use std::io::Write as _;

use anyhow::Context as _;
use koyalite_host_api::db::PostgresConfig;
use sqlx::postgres::PgConnectOptions;

use super::Mode;
use crate::config::{DatabaseChoice, EmbeddedDatabase, ServeConfig};
use crate::postgres::{Options, Progress, Supervised};
use crate::registry::{Pooling, Route};

/// A Postgres, and how both drivers reach it.
pub(super) struct Database {
    pub(super) control: Route,
    pub(super) tenants: PostgresConfig,
    pub(super) pooling: Pooling,
    supervised: Option<Supervised>,
}

impl Database {
    pub(super) async fn come_by(config: &ServeConfig, mode: Mode) -> anyhow::Result<Self> {
        let mut pooling = Pooling::Session;
        let (url, control, supervised) = match &config.database {
            DatabaseChoice::Embedded(embedded) => {
                let supervised = start(config, embedded, mode).await?;
                let connection = supervised.connection();
                let control = connection.sqlx_options().into();
                (connection.url(), control, Some(supervised))
            }
            DatabaseChoice::Url(url) => {
                (url.expose().to_owned(), parsed(url.expose())?.into(), None)
            }
            DatabaseChoice::Pooled { pooler, direct } => {
                pooling = Pooling::Transaction;
                let (usual, direct) = (parsed(pooler.expose())?, parsed(direct.expose())?);
                let control = Route::through_pooler(usual, direct);
                (pooler.expose().to_owned(), control, None)
            }
        };
        let tenants = url.parse().context(UNKNOWN_URL)?;
        Ok(Self {
            control,
            tenants,
            pooling,
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

const UNKNOWN_URL: &str = "the database URL is not one that Postgres knows";

fn parsed(url: &str) -> anyhow::Result<PgConnectOptions> {
    url.parse().context(UNKNOWN_URL)
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
