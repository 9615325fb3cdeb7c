//! `koyalite files`: a project's files, past its policies, for those who may.

use std::io;
use std::path::PathBuf;

use anyhow::Context;
use bytes::Bytes;
use clap::{Args, Subcommand};
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::args::{ControlArgs, encode};
use super::client::RequestBody;
use super::error::CliError;
use super::output::{Format, or_dash, table};
use super::pages::{Items, all};

/// Sent at once.
const PIECE_BYTES: usize = 256 << 10;

/// What is said where nobody says a type: nothing.
const UNKNOWN: &str = "application/octet-stream";

/// List, send, fetch or delete files of a project.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite files ls avatars/\n  \
                        koyalite files put logo.png public/logo.png --type image/png\n  \
                        koyalite files get public/logo.png -o logo.png\n  \
                        koyalite files rm public/logo.png")]
pub(super) struct FilesArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List files, by path
    Ls(LsArgs),
    /// Write a file
    Put(PutArgs),
    /// Read a file
    Get(GetArgs),
    /// Delete a file
    Rm(RmArgs),
}

#[derive(Debug, Args)]
struct LsArgs {
    /// What their paths begin with
    #[arg(default_value = "")]
    prefix: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct PutArgs {
    /// The file here
    file: PathBuf,
    /// Its path there
    path: String,
    /// Its media type; without one, what it begins like
    #[arg(long = "type", value_name = "TYPE")]
    mime_type: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct GetArgs {
    /// Its path
    path: String,
    /// Where to write it; without one, standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct RmArgs {
    /// Its path
    path: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct File {
    path: String,
    user_id: Option<String>,
    mime_type: String,
    size: u64,
    updated_at: String,
}

impl FilesArgs {
    /// Does it.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.what {
            What::Ls(args) => ls(args).await,
            What::Put(args) => put(args).await,
            What::Get(args) => get(args).await,
            What::Rm(args) => rm(args).await,
        }
    }
}

/// Each name of the path stays one.
fn address(server: &ControlArgs, path: &str) -> String {
    let names: Vec<_> = path.split('/').map(encode).collect();
    format!("{}/{}", server.path(["files"]), names.join("/"))
}

async fn ls(args: LsArgs) -> Result<(), CliError> {
    let path = args.server.path(["files"]);
    let prefix = [("prefix", Some(args.prefix.as_str()))];
    let listed = all(&args.server.client()?, &path, &prefix).await?;
    args.server.output().show(listed, |list: Items<File>| {
        let rows = list.items.into_iter().map(|file| {
            let (size, user) = (file.size.to_string(), or_dash(file.user_id));
            [file.path, size, file.mime_type, user, file.updated_at]
        });
        let header = ["PATH", "BYTES", "TYPE", "USER", "WRITTEN"];
        table(header, rows.collect(), "no files")
    })
}

async fn put(args: PutArgs) -> Result<(), CliError> {
    let opened = tokio::fs::File::open(&args.file).await;
    let opened = opened.with_context(|| format!("cannot read {}", args.file.display()))?;
    let length = opened
        .metadata()
        .await
        .context("cannot see how long it is")?
        .len();
    let address = address(&args.server, &args.path);
    let mime_type = args.mime_type.as_deref().unwrap_or(UNKNOWN);
    let content = (body(opened), length);
    let client = args.server.client()?;
    let written = client.upload(&address, mime_type, content).await?;
    args.server.output().show(written, |file: File| {
        format!("{}: {} bytes of {}", file.path, file.size, file.mime_type)
    })
}

/// A file as a body, piece by piece. Where it cannot be read to its end, the body is too short, and the
/// server keeps nothing of it.
fn body(file: tokio::fs::File) -> RequestBody {
    let pieces = stream::unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE_BYTES];
        match file.read(&mut piece).await {
            Ok(0) | Err(_) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(Frame::data(Bytes::from(piece))), file))
            }
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

async fn get(args: GetArgs) -> Result<(), CliError> {
    let client = args.server.client()?;
    let mut content = client.stream(&address(&args.server, &args.path)).await?;
    let mut file = match &args.output {
        Some(path) => {
            let made = tokio::fs::File::create(path).await;
            Some(made.with_context(|| format!("cannot write {}", path.display()))?)
        }
        None => None,
    };
    while let Some(frame) = content.frame().await {
        let frame = frame.context("the file broke off")?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        match &mut file {
            Some(file) => file.write_all(&piece).await.map_err(CliError::Output)?,
            None => args.server.output().raw(&piece)?,
        }
    }
    match file {
        Some(mut file) => file
            .flush()
            .await
            .map_err(|error: io::Error| CliError::Output(error)),
        None => Ok(()),
    }
}

async fn rm(args: RmArgs) -> Result<(), CliError> {
    args.server
        .client()?
        .delete(&address(&args.server, &args.path))
        .await?;
    match args.server.output().format() {
        Format::Human => args.server.output().line(&format!("deleted {}", args.path)),
        Format::Json => Ok(()),
    }
}
