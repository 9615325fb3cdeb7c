//! What `tables` measures on: the schema of each project, its rows, and a connection beside KoyaLite
//! to fill and empty them.

use anyhow::Context;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use crate::koyalite::KoyaLite;

/// Whose rows all are.
pub(crate) const OWNER: &str = "6f1a0a52-3c51-4a5e-9a3f-0c8e8f5a2b10";
/// More rows than fit a page, few enough to be in memory: this is not about disks.
pub(crate) const ROWS: u32 = 10_000;
/// What a list embeds for each row.
pub(crate) const NOTES: u32 = 3;

/// `items`, their `notes`, and the `entries` that are inserted in bulk; each under this condition.
pub(crate) fn schema(condition: &str) -> Value {
    let reading = json!([{
        "name": "bench", "effect": "allow", "commands": ["select"], "using": condition,
    }]);
    // Readable too: row security asks that of rows that are inserted under a check.
    let writing = json!([{
        "name": "bench", "effect": "allow", "commands": ["select", "insert"],
        "using": condition, "check": condition,
    }]);
    let columns = json!([
        { "name": "id", "type": "bigint", "primary_key": true },
        { "name": "owner_id", "type": "uuid" },
        { "name": "title", "type": "text" },
        { "name": "done", "type": "boolean", "default": false },
        { "name": "created_at", "type": "timestamptz", "default": "now()" },
    ]);
    let notes = json!([
        { "name": "id", "type": "bigint", "primary_key": true },
        { "name": "item_id", "type": "bigint", "references": { "table": "items" } },
        { "name": "owner_id", "type": "uuid" },
        { "name": "body", "type": "text" },
    ]);
    json!({ "tables": [
        { "name": "items", "columns": columns, "policies": reading },
        { "name": "notes", "columns": notes, "policies": reading,
          "indexes": [{ "columns": ["item_id"] }] },
        { "name": "entries", "columns": columns, "policies": writing },
    ]})
}

/// The tables of all projects, past KoyaLite.
pub(crate) struct Rows {
    client: Client,
    schemas: Vec<String>,
}

impl Rows {
    /// Finds the tables and puts the same rows into each project's.
    ///
    /// # Errors
    /// Where Postgres cannot be reached or there is no such table.
    pub(crate) async fn fill(koyalite: &KoyaLite) -> anyhow::Result<Self> {
        let database = &koyalite.database;
        let mut config = tokio_postgres::Config::new();
        config.host_path(database.socket_dir());
        config.port(database.port());
        config.user(database.user()).dbname(database.database());
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        let found = "SELECT quote_ident(schemaname) FROM pg_tables WHERE tablename = 'items'";
        let found = client.query(found, &[]).await?;
        let schemas = found.iter().map(|row| row.try_get(0));
        let schemas: Vec<String> = schemas.collect::<Result<_, _>>()?;
        for schema in &schemas {
            client.batch_execute(&filling(schema)).await?;
        }
        Ok(Self { client, schemas })
    }

    /// One of the schemas, quoted: all have the same rows.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn schema(&self) -> anyhow::Result<&str> {
        let first = self.schemas.first().map(String::as_str);
        first.context("no table was made")
    }

    /// Takes out what was inserted in bulk; how many rows that were.
    ///
    /// # Errors
    /// Where Postgres refuses.
    pub(crate) async fn empty_entries(&self) -> anyhow::Result<i64> {
        let mut all = 0;
        for schema in &self.schemas {
            let count = format!("SELECT count(*) FROM {schema}.entries");
            all += self
                .client
                .query_one(&count, &[])
                .await?
                .try_get::<_, i64>(0)?;
            let empty = format!("TRUNCATE {schema}.entries");
            self.client.batch_execute(&empty).await?;
        }
        Ok(all)
    }
}

fn filling(schema: &str) -> String {
    let notes = ROWS * NOTES;
    format!(
        "INSERT INTO {schema}.items (id, owner_id, title) \
         SELECT n, '{OWNER}', 'item ' || n FROM generate_series(1, {ROWS}) AS n; \
         INSERT INTO {schema}.notes (id, item_id, owner_id, body) \
         SELECT n, 1 + n % {ROWS}, '{OWNER}', 'note ' || n FROM generate_series(1, {notes}) AS n; \
         ANALYZE {schema}.items, {schema}.notes;"
    )
}
