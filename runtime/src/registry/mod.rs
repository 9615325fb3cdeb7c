//! Control data: projects, tables, policies, functions, versions, deployments, schedules.
//!
//! The only module with control-plane SQL. Statements are checked against the migrations when the
//! crate is compiled (`.sqlx/` at the workspace root holds what the compiler needs offline; see
//! `migrations/README.md`). Tenants' rows are never read here: that is `koyalite-host-api`.
//!
//! Whoever serves requests reads the [`Snapshot`], which costs no query. Whoever changes something
//! goes through a [`change::Change`]: one transaction whose last statement moves `koyalite.head`.
//!
//! Reading order: `error`, `secret`, `change`, `ddl`; then one file per word of the domain model;
//! `snapshot` last.

pub mod api_keys;
pub mod audit;
pub mod bootstrap;
pub(crate) mod change;
pub mod claims;
pub mod column_type;
pub mod columns;
pub mod condition;
mod constraints;
pub mod custom_roles;
pub(crate) mod ddl;
pub mod default;
pub mod definition;
pub mod deploy;
pub mod email;
pub mod error;
pub mod files;
pub mod functions;
mod hint;
pub mod idempotency;
pub mod identity;
pub mod indexes;
pub mod jwt_secret;
pub(crate) mod leases;
mod listed_values;
pub mod mail;
pub mod manifest;
pub mod members;
pub mod migration;
pub mod mirror;
pub mod nodes;
mod object_store;
pub mod operator_tokens;
pub mod operators;
pub mod outage;
pub mod owned;
pub mod page;
pub mod password_resets;
pub mod policies;
mod policy_input;
pub mod policy_readable;
pub mod policy_sets;
pub(crate) mod pool;
pub mod project_change;
pub mod projects;
pub mod promote;
pub mod propagation;
pub mod providers;
pub mod rates;
pub mod redaction;
mod references;
pub mod removal;
pub mod reseal;
pub mod retention;
pub mod roles;
pub mod run_history;
pub(crate) mod runs;
pub mod schedule_change;
mod schedule_sync;
pub mod schedules;
pub mod secret;
pub mod secrets;
pub mod sessions;
pub mod settings;
pub mod snapshot;
pub mod tables;
mod turns;
pub mod users;
pub mod vectors;
mod verdict;
pub mod webhooks;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use sqlx::PgConnection;
use uuid::Uuid;

pub use self::error::{Mistake, RegistryError, Standing};
pub use self::manifest::Manifest;
pub use self::outage::Outage;
use self::pool::{DbConnection, Pool, Transaction};
pub use self::pool::{Pooling, Route};
pub use self::secret::Secret;
pub use self::snapshot::{
    Environment, FunctionEntry, Handler, ProjectEntry, Snapshot, VersionEntry,
};
use crate::keys::KeyRing;

/// The control data of all projects, and the copy of it that requests are served from.
#[derive(Debug)]
pub struct Registry {
    pool: Pool,
    route: Route,
    ring: ArcSwap<KeyRing>,
    /// Owns what `dev` creates, and acts where no other user has signed in.
    admin: Uuid,
    snapshot: ArcSwap<Snapshot>,
    /// One reload at a time, so that a slow one cannot overwrite the result of a later one.
    reload: tokio::sync::Mutex<()>,
    denials: audit::write::Denials,
    /// The other nodes, as last heard of.
    others: ArcSwap<Vec<nodes::OtherNode>>,
    freshness: propagation::Freshness,
    /// Something was changed here, and is served here.
    changed: tokio::sync::Notify,
    /// Something was changed elsewhere, as somebody said.
    told: tokio::sync::Notify,
    pace: propagation::Pace,
}

impl Registry {
    /// Connects, migrates, seeds what must exist, and loads the first snapshot.
    ///
    /// # Errors
    /// `Unavailable` where the database cannot be reached, `Internal` where it cannot be migrated.
    pub async fn connect(
        route: impl Into<Route>,
        ring: Arc<KeyRing>,
    ) -> Result<Self, RegistryError> {
        let route = route.into();
        migrate(route.session().await?).await?;
        let pool = Pool::connect(&route).await?;
        vectors::make_extension(&pool).await?;
        let admin = roles::seed(&pool).await?;
        let looked = Instant::now();
        let snapshot = snapshot::load(&pool, &ring, &Snapshot::default()).await?;
        Ok(Self {
            pool,
            route,
            ring: ArcSwap::new(ring),
            admin,
            snapshot: ArcSwap::from_pointee(snapshot),
            reload: tokio::sync::Mutex::new(()),
            denials: audit::write::Denials::default(),
            others: ArcSwap::default(),
            freshness: propagation::Freshness::at(looked),
            changed: tokio::sync::Notify::new(),
            told: tokio::sync::Notify::new(),
            pace: propagation::Pace::default(),
        })
    }

    /// What is served right now. Costs no lock and no query; hold it for one request, not longer.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The user that stands for the operator of this installation.
    #[must_use]
    pub fn admin(&self) -> Uuid {
        self.admin
    }

    /// The keys that seal and open what is stored.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Takes up another ring where its file has one. Where that cannot be read, this one goes on.
    pub(crate) fn renew_keys(&self) {
        match self.ring().renewed() {
            Ok(None) => {}
            Ok(Some(ring)) => {
                tracing::info!(key = %ring.active_id(), "another key seals from now on");
                self.ring.store(Arc::new(ring));
            }
            Err(error) => tracing::warn!(%error, "the key ring is not read again"),
        }
    }

    /// A connection, for what the scheduler asks.
    pub(crate) async fn acquire(&self) -> Result<DbConnection, RegistryError> {
        Ok(self.pool.acquire().await?)
    }

    /// A transaction that moves no head: firings are not what nodes serve.
    pub(crate) async fn begin(&self) -> Result<Transaction, RegistryError> {
        Ok(self.pool.begin().await?)
    }
}

/// Over a session, for it holds a lock from one transaction to the next.
async fn migrate(mut session: PgConnection) -> Result<(), RegistryError> {
    let mut migrator = sqlx::migrate!();
    // Beside our own tables instead of in `public`, which is nobody's.
    migrator.dangerous_set_table_name("koyalite.migrations");
    migrator.create_schema("koyalite");
    migrator
        .run(&mut session)
        .await
        .map_err(error::from_migration)
}
