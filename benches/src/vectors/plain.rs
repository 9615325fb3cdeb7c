//! The opponent: pgvector under Postgres' own row security, as its guides write it.

use std::time::Instant;

use koyalite_runtime::postgres::Connection;
use tokio_postgres::{Client, NoTls};

use super::data::{Asked, Band, words};
use super::{Answer, K};

/// Who asks: not the owner, so that row security is in force.
const ROLE: &str = "plain_reader";

/// A connection of that role to a table with the same rows.
pub(super) struct Plain(Client);

impl Plain {
    /// Copies the rows, with the same indexes, and gives them row security.
    pub(super) async fn make(
        client: &Client,
        connection: &Connection,
        schema: &str,
    ) -> anyhow::Result<Self> {
        let bands = [Band::All, Band::Tenth, Band::Hundredth, Band::Thousandth];
        let policies: String = bands
            .iter()
            .map(|band| {
                let claim = band.claim();
                format!(
                    "CREATE POLICY {claim} ON plain.documents FOR SELECT
                     USING ({claim} = current_setting('app.{claim}', true));"
                )
            })
            .collect();
        client
            .batch_execute(&format!(
                "CREATE SCHEMA plain;
                 CREATE TABLE plain.documents AS SELECT * FROM {schema}.documents;
                 ALTER TABLE plain.documents ADD PRIMARY KEY (id);
                 CREATE INDEX ON plain.documents (tenth);
                 CREATE INDEX ON plain.documents (hundredth);
                 CREATE INDEX ON plain.documents (thousandth);
                 CREATE INDEX ON plain.documents
                     USING hnsw (embedding koyalite_vector.vector_cosine_ops);
                 ANALYZE plain.documents;
                 ALTER TABLE plain.documents ENABLE ROW LEVEL SECURITY;
                 {policies}
                 CREATE ROLE {ROLE} LOGIN;
                 GRANT USAGE ON SCHEMA plain TO {ROLE};
                 GRANT SELECT ON plain.documents TO {ROLE};"
            ))
            .await?;
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(connection.socket_dir())
            .port(connection.port());
        config.user(connection.user()).dbname(connection.database());
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        client
            .batch_execute(&format!("SET SESSION AUTHORIZATION {ROLE}"))
            .await?;
        Ok(Self(client))
    }

    /// Searches, one after the other, as whoever the band is for.
    pub(super) async fn search(
        &self,
        band: Band,
        asked: &[Asked],
        iterative: bool,
    ) -> anyhow::Result<Vec<Answer>> {
        let ask = format!(
            "SELECT id FROM plain.documents
             ORDER BY embedding OPERATOR(koyalite_vector.<=>) $1::text::koyalite_vector.vector
             LIMIT {K}"
        );
        let ask = self.0.prepare(&ask).await?;
        let scan = if iterative { "relaxed_order" } else { "off" };
        let begin = format!(
            "BEGIN; SELECT set_config('app.{}', '0', true),
                 set_config('hnsw.iterative_scan', '{scan}', true)",
            band.claim()
        );
        let mut answers = Vec::with_capacity(asked.len());
        for asked in asked {
            let asked = words(asked);
            let began = Instant::now();
            self.0.batch_execute(&begin).await?;
            let rows = self.0.query(&ask, &[&asked]).await?;
            self.0.batch_execute("COMMIT").await?;
            let took = began.elapsed();
            let ids: Result<Vec<i64>, _> = rows.iter().map(|row| row.try_get(0)).collect();
            answers.push(Answer {
                ids: ids?,
                plan: scan,
                took,
            });
        }
        Ok(answers)
    }
}
