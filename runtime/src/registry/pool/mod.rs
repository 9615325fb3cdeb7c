//! The connections of the control plane, straight to Postgres or through a pooler that gives each transaction
//! another server connection.
//!
//! Behind such a pooler nothing outlives a transaction: no statement is prepared by name, and one that stands
//! alone gets a transaction of its own (`unnamed`). Whoever works with these connections need not know. What is
//! bound to a session all the same (migrations, a lock that is held over several transactions, `LISTEN`) takes the
//! direct way of the [`Route`] and is never done here.

mod unnamed;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{
    PgConnectOptions, PgListener, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo,
};
use sqlx::{
    Connection as _, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr,
};

/// Control traffic is rare and short; a few connections leave the server's to the tenants.
const CONNECTIONS_MAX: u32 = 8;

/// How long a change waits for a connection before it is told to come back.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// What stays the same from one transaction to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// The session: Postgres itself is at the other end, or a pooler that gives each client a connection.
    #[default]
    Session,
    /// Nothing: a pooler gives each transaction one of its connections.
    Transaction,
}

/// The ways to a database.
#[derive(Debug, Clone)]
pub struct Route {
    usual: PgConnectOptions,
    direct: PgConnectOptions,
    pooling: Pooling,
}

impl From<PgConnectOptions> for Route {
    /// One way for everything.
    fn from(options: PgConnectOptions) -> Self {
        let usual = options.application_name("koyalite");
        Self {
            direct: usual.clone(),
            usual,
            pooling: Pooling::Session,
        }
    }
}

impl Route {
    /// Through a pooler that gives each transaction another connection; `direct` leads past it.
    #[must_use]
    pub fn through_pooler(usual: PgConnectOptions, direct: PgConnectOptions) -> Self {
        Self {
            // Poolers refuse parameters that they do not know. This one is for text, and we read binary.
            usual: usual.extra_float_digits(None).application_name("koyalite"),
            direct: direct.application_name("koyalite"),
            pooling: Pooling::Transaction,
        }
    }

    pub(crate) const fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// A session that hears what others say.
    pub(crate) async fn listener(&self) -> Result<PgListener, Error> {
        let alone = PgPoolOptions::new().max_connections(1);
        PgListener::connect_with(&alone.connect_lazy_with(self.direct.clone())).await
    }

    /// A connection of one's own that is a session.
    pub(crate) async fn session(&self) -> Result<PgConnection, Error> {
        PgConnection::connect_with(&self.direct).await
    }
}

/// The connections.
#[derive(Debug)]
pub(crate) struct Pool {
    inner: PgPool,
    pooling: Pooling,
}

/// A connection, to ask on.
#[derive(Debug)]
pub(crate) struct DbConnection {
    link: Link,
    pooling: Pooling,
}

#[derive(Debug)]
enum Link {
    Alone(PoolConnection<Postgres>),
    Transaction(sqlx::Transaction<'static, Postgres>),
}

/// A transaction. Dropped, it is undone.
#[derive(Debug)]
pub(crate) struct Transaction(DbConnection);

impl Pool {
    pub(crate) async fn connect(route: &Route) -> Result<Self, Error> {
        let inner = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(route.usual.clone())
            .await?;
        Ok(Self {
            inner,
            pooling: route.pooling,
        })
    }

    pub(crate) async fn acquire(&self) -> Result<DbConnection, Error> {
        Ok(DbConnection {
            link: Link::Alone(self.inner.acquire().await?),
            pooling: self.pooling,
        })
    }

    pub(crate) async fn begin(&self) -> Result<Transaction, Error> {
        let pool = self.inner.clone();
        self.begun(async move { pool.begin().await }).await
    }

    /// A transaction that begins with other words.
    pub(crate) async fn begin_with(&self, words: &'static str) -> Result<Transaction, Error> {
        let pool = self.inner.clone();
        self.begun(async move { pool.begin_with(words).await })
            .await
    }

    /// On a task of its own, so that it is begun even when nobody waits any more: given up half-way, the
    /// connection would go back to the pool inside a transaction that sqlx does not know of.
    async fn begun(
        &self,
        begin: impl Future<Output = Result<sqlx::Transaction<'static, Postgres>, Error>>
        + Send
        + 'static,
    ) -> Result<Transaction, Error> {
        let begun = tokio::spawn(begin).await;
        let begun = begun.map_err(|_| Error::WorkerCrashed)??;
        Ok(Transaction(DbConnection {
            link: Link::Transaction(begun),
            pooling: self.pooling,
        }))
    }
}

impl DbConnection {
    fn raw(&mut self) -> &mut PgConnection {
        match &mut self.link {
            Link::Alone(connection) => connection,
            Link::Transaction(transaction) => transaction,
        }
    }
}

impl Transaction {
    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self.0.link {
            Link::Transaction(transaction) => transaction.commit().await,
            // Never made: there is nothing to commit.
            Link::Alone(_) => Ok(()),
        }
    }
}

impl Deref for Transaction {
    type Target = DbConnection;

    fn deref(&self) -> &DbConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut DbConnection {
        &mut self.0
    }
}

type Step = Either<PgQueryResult, PgRow>;

impl<'c> Executor<'c> for &'c mut DbConnection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.pooling {
            Pooling::Session => self.raw().fetch_many(query),
            Pooling::Transaction => match &mut self.link {
                Link::Transaction(begun) => unnamed::inside(begun, query),
                Link::Alone(connection) => unnamed::alone(connection, query),
            },
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.pooling {
            Pooling::Session => self.raw().fetch_optional(query),
            Pooling::Transaction => unnamed::first(self.fetch_many(query)),
        }
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        self.raw().prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        self.raw().describe(sql)
    }
}

impl<'c> Executor<'c> for &'c Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.pooling {
            Pooling::Session => self.inner.fetch_many(query),
            Pooling::Transaction => unnamed::pooled(&self.inner, query),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.pooling {
            Pooling::Session => self.inner.fetch_optional(query),
            Pooling::Transaction => unnamed::first(self.fetch_many(query)),
        }
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        self.inner.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        self.inner.describe(sql)
    }
}
