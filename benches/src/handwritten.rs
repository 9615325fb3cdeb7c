//! The opponent of `tables`: what an experienced engineer writes for the same. hyper,
//! tokio-postgres with prepared statements on as many connections as a project of KoyaLite has, a row
//! into a struct and serde, a list as the JSON that Postgres makes, many rows as arrays. No policy, no tenant, no limit.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio_postgres::{Client, NoTls, Statement};

use crate::fixture::OWNER;
use crate::opponent;

/// As many as a project has.
const CONNECTIONS: usize = 8;
/// A number after it: the list of the rows after that one.
const LIST: &str = "/list/";
/// A number after it: so many rows are inserted.
const BULK: &str = "/bulk/";

/// Where the rows are.
#[derive(clap::Args)]
pub(crate) struct Database {
    /// The folder of the server's socket
    #[arg(long)]
    pub(crate) socket: PathBuf,
    /// The schema of the tables, quoted
    #[arg(long)]
    pub(crate) schema: String,
}

impl Database {
    /// For [`opponent::Opponent::start`].
    pub(crate) fn arguments(&self) -> Vec<String> {
        let socket = self.socket.display().to_string();
        [
            "serve-handwritten",
            "--socket",
            &socket,
            "--schema",
            &self.schema,
        ]
        .map(str::to_owned)
        .into()
    }
}

#[derive(Serialize)]
struct Item {
    id: i64,
    owner_id: uuid::Uuid,
    title: String,
    done: bool,
    created_at: chrono::DateTime<chrono::Utc>,
}

struct Prepared {
    client: Client,
    row: Statement,
    list: Statement,
    bulk: Statement,
}

struct Pool {
    connections: Vec<Prepared>,
    next: AtomicUsize,
}

/// Serves until it is killed.
///
/// # Errors
/// Where Postgres or a port cannot be had.
pub(crate) async fn serve(database: &Database) -> anyhow::Result<()> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(connect(database).await?);
    }
    let pool = Arc::new(Pool {
        connections,
        next: AtomicUsize::new(0),
    });
    let listener = opponent::listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let pool = Arc::clone(&pool);
        let service = service_fn(move |request| answer(Arc::clone(&pool), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn connect(database: &Database) -> anyhow::Result<Prepared> {
    let mut config = tokio_postgres::Config::new();
    config
        .host_path(&database.socket)
        .user("koyalite")
        .dbname("koyalite");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    let schema = &database.schema;
    let row =
        format!("SELECT id, owner_id, title, done, created_at FROM {schema}.items WHERE id = $1");
    let list = format!(
        "SELECT coalesce(json_agg(page), '[]')::text FROM ( \
            SELECT id, title, done, created_at, ( \
                SELECT coalesce(json_agg(json_build_object('id', notes.id, 'body', notes.body) \
                    ORDER BY notes.id), '[]') \
                FROM {schema}.notes WHERE notes.item_id = items.id) AS notes \
            FROM {schema}.items WHERE id > $1 ORDER BY id LIMIT 20) AS page"
    );
    let bulk = format!(
        "INSERT INTO {schema}.entries (id, owner_id, title, done) \
         SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::boolean[])"
    );
    Ok(Prepared {
        bulk: client.prepare(&bulk).await?,
        row: client.prepare(&row).await?,
        list: client.prepare(&list).await?,
        client,
    })
}

async fn answer(
    pool: Arc<Pool>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    match work(&pool, request.uri().path()).await {
        Ok(json) => {
            let kind = http::HeaderValue::from_static("application/json");
            response
                .headers_mut()
                .insert(http::header::CONTENT_TYPE, kind);
            *response.body_mut() = Full::new(json.into());
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    Ok(response)
}

async fn work(pool: &Pool, path: &str) -> anyhow::Result<Vec<u8>> {
    let turn = pool.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
    let prepared = pool.connections.get(turn).context("no connection")?;
    if let Some(after) = path.strip_prefix(LIST) {
        return list(prepared, after.parse()?).await;
    }
    if let Some(rows) = path.strip_prefix(BULK) {
        return bulk(prepared, rows.parse()?).await;
    }
    row(prepared, path.trim_start_matches('/').parse()?).await
}

async fn row(Prepared { client, row, .. }: &Prepared, id: i64) -> anyhow::Result<Vec<u8>> {
    let row = client.query_one(row, &[&id]).await?;
    let item = Item {
        id: row.try_get(0)?,
        owner_id: row.try_get(1)?,
        title: row.try_get(2)?,
        done: row.try_get(3)?,
        created_at: row.try_get(4)?,
    };
    Ok(serde_json::to_vec(&item)?)
}

async fn list(prepared: &Prepared, after: i64) -> anyhow::Result<Vec<u8>> {
    let Prepared { client, list, .. } = prepared;
    let page: String = client.query_one(list, &[&after]).await?.try_get(0)?;
    Ok(page.into_bytes())
}

async fn bulk(Prepared { client, bulk, .. }: &Prepared, rows: i64) -> anyhow::Result<Vec<u8>> {
    let ids: Vec<i64> = (1..=rows).collect();
    let owner: uuid::Uuid = OWNER.parse()?;
    let owners = vec![owner; ids.len()];
    let titles: Vec<String> = ids.iter().map(|id| format!("entry {id}")).collect();
    let done: Vec<bool> = ids.iter().map(|id| id % 2 == 0).collect();
    client
        .execute(bulk, &[&ids, &owners, &titles, &done])
        .await?;
    Ok(Vec::new())
}
