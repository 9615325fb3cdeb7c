//! The opponent of `tables`: what an experienced engineer writes for this one select. hyper,
//! tokio-postgres with prepared statements on as many connections as a project of KoyaLite has, rows
//! into a struct and serde. No policy, no tenant, no limit.

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

use crate::opponent;

/// As many as a project has.
const CONNECTIONS: usize = 8;

/// Where the rows are.
#[derive(clap::Args)]
pub(crate) struct Database {
    /// The folder of the server's socket
    #[arg(long)]
    pub(crate) socket: PathBuf,
    /// The table, quoted
    #[arg(long)]
    pub(crate) table: String,
}

impl Database {
    /// For [`opponent::Opponent::start`].
    pub(crate) fn arguments(&self) -> Vec<String> {
        let socket = self.socket.display().to_string();
        [
            "serve-handwritten",
            "--socket",
            &socket,
            "--table",
            &self.table,
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

struct Pool {
    clients: Vec<(Client, Statement)>,
    next: AtomicUsize,
}

/// Serves until it is killed.
///
/// # Errors
/// Where Postgres or a port cannot be had.
pub(crate) async fn serve(database: &Database) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(connect(database).await?);
    }
    let pool = Arc::new(Pool {
        clients,
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

async fn connect(database: &Database) -> anyhow::Result<(Client, Statement)> {
    let mut config = tokio_postgres::Config::new();
    config
        .host_path(&database.socket)
        .user("koyalite")
        .dbname("koyalite");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    let text = format!(
        "SELECT id, owner_id, title, done, created_at FROM {} WHERE id = $1",
        database.table
    );
    let statement = client.prepare(&text).await?;
    Ok((client, statement))
}

async fn answer(
    pool: Arc<Pool>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    match select(&pool, request.uri().path()).await {
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

async fn select(pool: &Pool, path: &str) -> anyhow::Result<Vec<u8>> {
    let id: i64 = path.trim_start_matches('/').parse()?;
    let turn = pool.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
    let (client, statement) = pool.clients.get(turn).context("no connection")?;
    let row = client.query_one(statement, &[&id]).await?;
    let item = Item {
        id: row.try_get(0)?,
        owner_id: row.try_get(1)?,
        title: row.try_get(2)?,
        done: row.try_get(3)?,
        created_at: row.try_get(4)?,
    };
    Ok(serde_json::to_vec(&item)?)
}
