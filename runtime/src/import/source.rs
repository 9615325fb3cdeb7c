//! A connection to the Postgres that is imported. It reads, as of one moment, and nothing of its
//! address is ever told: it holds a password.

use futures::{Stream, TryStreamExt as _};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use super::{Imported, read};

/// An open source.
#[derive(Debug)]
pub struct Source {
    conn: PgConnection,
    schema: String,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The text is no address.
    #[error(
        "the address of the source is not of the form postgres://user:password@host:5432/database"
    )]
    Address,
    /// There is nothing to read.
    #[error("the source has no tables in a schema {0}")]
    Empty(String),
    /// It cannot be reached, or fails.
    #[error("cannot read the source")]
    Failed(#[from] sqlx::Error),
}

impl Source {
    /// Opens a schema of a database. All that is read from here on is as of one moment.
    ///
    /// # Errors
    /// [`SourceError`], which does not repeat the address.
    pub async fn open(url: &str, schema: &str) -> Result<Source, SourceError> {
        let options: PgConnectOptions = url.parse().map_err(|_| SourceError::Address)?;
        let mut conn = PgConnection::connect_with(&options).await?;
        // Ends with the connection.
        sqlx::raw_sql(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TimeZone = 'UTC'",
        )
        .execute(&mut conn)
        .await?;
        Ok(Source {
            conn,
            schema: schema.to_owned(),
        })
    }

    /// Its tables and policies as ours.
    ///
    /// # Errors
    /// `Empty` for a schema without tables.
    pub async fn read(&mut self) -> Result<Imported, SourceError> {
        match read(&mut self.conn, &self.schema).await {
            Err(sqlx::Error::RowNotFound) => Err(SourceError::Empty(self.schema.clone())),
            read => Ok(read?),
        }
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn count(&mut self, table: &str) -> Result<u64, SourceError> {
        // Safe to assert: a name of the source's own catalogue, quoted.
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {}", self.qualified(table)));
        let count: i64 = sqlx::query_scalar(count).fetch_one(&mut self.conn).await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// The rows of a table, each a JSON object; `columns` as [`Imported::rows`] has them.
    pub fn rows<'a>(
        &'a mut self,
        table: &str,
        columns: &[(String, String)],
    ) -> impl Stream<Item = Result<String, SourceError>> + 'a {
        let values = columns.iter();
        let values = values.map(|(name, value)| format!("{value} AS {}", quoted(name)));
        let values: Vec<String> = values.collect();
        // Safe to assert: names of the source's own catalogue, quoted, and words of ours.
        let rows = sqlx::AssertSqlSafe(format!(
            "SELECT row_to_json(r)::text FROM (SELECT {} FROM {}) r",
            values.join(", "),
            self.qualified(table)
        ));
        sqlx::query_scalar::<_, String>(rows)
            .fetch(&mut self.conn)
            .map_err(SourceError::from)
    }

    fn qualified(&self, table: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(table))
    }
}

fn quoted(name: &str) -> String {
    koyalite_policy::quote_ident(name).to_string()
}
