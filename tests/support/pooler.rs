//! A real pooler between servers of ours and their Postgres: PgBouncer, where `cargo xtask test` has fetched it,
//! which gives each transaction another connection. One for all tests of a run, over the Postgres that they share.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::at_exit::drop_at_exit;
use super::database::Database;
use super::launch::Launch;
use super::process::Process;
use super::{eventually, root};

const PATIENCE: Duration = Duration::from_secs(30);

/// Ports that may be taken by somebody else in the moment between choosing and listening.
const ATTEMPTS: u32 = 5;

/// Opens the role that owns everything; sockets need no password, and the pooler asks for one.
const PASSWORD: &str = "not-a-secret";

/// The pooler.
#[derive(Clone, Copy)]
pub(crate) struct Pooler {
    port: u16,
}

impl Pooler {
    /// None where the program is not there: then it is said.
    pub(crate) async fn new(database: &Database) -> Option<Pooler> {
        static POOLER: OnceCell<Pooler> = OnceCell::const_new();
        if !fetched().join("usr/sbin/pgbouncer").exists() {
            eprintln!("`cargo xtask test` fetches PgBouncer; it is not there");
            return None;
        }
        Some(*POOLER.get_or_init(|| start(database)).await)
    }

    /// The same launch by way of the pooler; its settings know that it is one.
    pub(crate) fn before(self, launch: Launch) -> Launch {
        let direct = launch.database().url();
        self.unsaid(launch)
            .set("KOYALITE_DATABASE_POOLING", "transaction")
            .set("KOYALITE_DATABASE_DIRECT_URL", &direct)
    }

    /// The same launch by way of the pooler, which its settings do not say.
    pub(crate) fn unsaid(self, launch: Launch) -> Launch {
        let database = launch.database();
        let (user, name, port) = (database.user(), database.name(), self.port);
        let url = format!("postgres://{user}:{PASSWORD}@127.0.0.1:{port}/{name}");
        launch.set("KOYALITE_DATABASE_URL", &url)
    }
}

async fn start(database: &Database) -> Pooler {
    let user = database.user();
    let owner = database.connect().await;
    let password = format!("ALTER ROLE {user} PASSWORD '{PASSWORD}'");
    owner.batch_execute(&password).await.unwrap();
    for _ in 0..ATTEMPTS {
        if let Some(pooler) = listening(database).await {
            return pooler;
        }
    }
    panic!("no port for the pooler");
}

/// None where somebody else was faster at taking the port that was free a moment ago.
async fn listening(database: &Database) -> Option<Pooler> {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let command = command(folder.path(), database, port);
    let process = Process::spawn(command, &folder.path().join("log"));
    let says = format!("listening on 127.0.0.1:{port}");
    let is_ready = eventually("the pooler is ready", PATIENCE, async || {
        match process.log_tail() {
            log if log.contains("Address already in use") => Some(false),
            log if log.contains(&says) => Some(true),
            log => {
                assert!(process.ended().is_none(), "{log}");
                None
            }
        }
    });
    if !is_ready.await {
        return None;
    }
    drop_at_exit((process, folder));
    Some(Pooler { port })
}

/// It refuses to run as root, so it runs as whoever may reach the socket of Postgres.
fn command(folder: &Path, database: &Database, port: u16) -> Command {
    let (socket, user) = (database.socket(), database.user());
    let sockets = socket.parent().unwrap();
    let config = folder.join("pgbouncer.ini");
    let users = folder.join("users");
    std::fs::write(&users, format!("\"{user}\" \"{PASSWORD}\"\n")).unwrap();
    // Fewer connections than anybody wants, so that they go from hand to hand.
    let settings = format!(
        "[databases]\n* = host={} port=5432\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\npool_mode = transaction\ndefault_pool_size = 3\nserver_idle_timeout = 2\n\
         max_client_conn = 1000\nauth_type = scram-sha-256\nauth_user = {user}\nauth_file = {}\n",
        sockets.display(),
        users.display(),
    );
    std::fs::write(&config, settings).unwrap();
    let program = copied(folder);
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    let owner = std::fs::metadata(&socket).unwrap();
    let mut command = Command::new(program);
    command.env_clear().env("LD_LIBRARY_PATH", folder);
    command.current_dir(folder).arg(config);
    command.uid(owner.uid()).gid(owner.gid());
    command
}

fn fetched() -> PathBuf {
    root().join("target/pgbouncer")
}

/// The program and its libraries, where another user may reach them.
fn copied(folder: &Path) -> PathBuf {
    let program = folder.join("pgbouncer");
    std::fs::copy(fetched().join("usr/sbin/pgbouncer"), &program).unwrap();
    for system in std::fs::read_dir(fetched().join("usr/lib")).unwrap() {
        for library in std::fs::read_dir(system.unwrap().path()).unwrap() {
            let library = library.unwrap();
            if library.path().is_file() {
                std::fs::copy(library.path(), folder.join(library.file_name())).unwrap();
            }
        }
    }
    program
}
