//! A throw-away Postgres on a private socket.
//!
//! It is run by a shell that waits on a pipe from this process. However this process ends, the pipe
//! closes, and the shell stops the server and removes its directory: nothing is ever left behind.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use tokio_postgres::{Client, Config, NoTls};
use uuid::Uuid;

pub(crate) const PASSWORD: &str = "only-for-tests";

/// `$1` is the folder of the programs, `$2` the server's own. Each line on the pipe kills the
/// server the hard way and starts it again; the end of the pipe is the end.
const SCRIPT: &str = r#"
bin=$1 dir=$2
run() { "$bin/pg_ctl" -s -w -D "$dir/data" -l "$dir/log" -o "$options" start && echo ready; }
options="-c listen_addresses= -k $dir -c fsync=off -c max_connections=200 -c shared_buffers=64MB"
printf %s "$3" > "$dir/password"
"$bin/initdb" --no-sync --username=postgres --pwfile="$dir/password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 -D "$dir/data" > "$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
run || cat "$dir/log"
while read -r _; do
    "$bin/pg_ctl" -s -w -m immediate -D "$dir/data" stop
    run
done
"$bin/pg_ctl" -s -w -m fast -D "$dir/data" stop
rm -rf "$dir"
"#;

/// What every test's database is copied from: the part of the registry's migrations that tenant
/// statements lean on.
const TEMPLATE: &str = "
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    CREATE SCHEMA koyalite_api;
    CREATE FUNCTION koyalite_api.require(passed boolean) RETURNS boolean
    LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        IF passed IS FALSE THEN
            RAISE EXCEPTION 'a written row does not pass' USING ERRCODE = 'KY001';
        END IF;
        RETURN true;
    END $$;
";

pub(crate) struct Server {
    directory: PathBuf,
    shell: Mutex<Shell>,
}

struct Shell {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Server {
    /// The server that all tests share.
    pub(crate) fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Server::start)
    }

    /// A server of one's own, to do harm to.
    pub(crate) fn start() -> Server {
        let directory = std::env::temp_dir().join(format!("koyalite-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&directory).unwrap();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "sh"])
            .arg(programs())
            .arg(&directory)
            .arg(PASSWORD);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .current_dir("/");
        // Out of our group: the terminal's Ctrl-C must reach us and leave the shell to clean up.
        command.process_group(0);
        if std::fs::metadata(&directory).unwrap().uid() == 0 {
            let (uid, gid) = unprivileged();
            chown(&directory, Some(uid), Some(gid)).unwrap();
            command.uid(uid).gid(gid);
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let server = Server {
            directory,
            shell: Mutex::new(Shell { child, lines }),
        };
        server.wait_until_ready();
        server
    }

    /// Kills the server as a power cut would, and starts it again.
    pub(crate) fn crash(&self) {
        self.shell
            .lock()
            .unwrap()
            .child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"\n")
            .unwrap();
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let mut line = String::new();
        self.shell
            .lock()
            .unwrap()
            .lines
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n", "Postgres did not start");
    }

    /// Where to connect, without user, password and database.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config.host_path(&self.directory);
        config
    }

    /// A connection as the superuser.
    pub(crate) async fn admin(&self, database: &str) -> Client {
        let mut config = self.config();
        config.user("postgres").password(PASSWORD).dbname(database);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A new database, copied from the template; its name.
    pub(crate) async fn create_database(&self) -> String {
        let admin = self.admin("postgres").await;
        // Copying needs the template for itself, so one at a time, across threads.
        admin
            .batch_execute("SELECT pg_advisory_lock(1)")
            .await
            .unwrap();
        let known = "SELECT 1 FROM pg_database WHERE datname = 'koyalite_template'";
        if admin.query_opt(known, &[]).await.unwrap().is_none() {
            admin
                .batch_execute("CREATE DATABASE koyalite_template")
                .await
                .unwrap();
            let template = self.admin("koyalite_template").await;
            template.batch_execute(TEMPLATE).await.unwrap();
            // CREATE DATABASE waits for the session to be gone, but only for five seconds.
            drop(template);
        }
        let name = format!("test_{}", Uuid::new_v4().simple());
        let create = format!("CREATE DATABASE {name} TEMPLATE koyalite_template");
        admin.batch_execute(&create).await.unwrap();
        name
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut shell = self.shell.lock().unwrap();
        drop(shell.child.stdin.take());
        let _ = shell.child.wait();
    }
}

/// Names the folder of the server's programs: another version, or one with more extensions.
pub(crate) const PROGRAMS: &str = "KOYALITE_TEST_POSTGRES";

/// The folder of `initdb` and its kin: the one that was named, else what `pg_config` says, else where
/// Debian keeps them.
fn programs() -> PathBuf {
    #[allow(clippy::disallowed_methods, reason = "a test has no configuration")]
    let named = std::env::var_os(PROGRAMS).map(PathBuf::from);
    if let Some(folder) = named {
        let there = folder.join("initdb").exists();
        assert!(there, "{PROGRAMS}: no initdb in {}", folder.display());
        return folder;
    }
    let asked = Command::new("pg_config").arg("--bindir").output().ok();
    let asked = asked.and_then(|output| String::from_utf8(output.stdout).ok());
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    asked
        .map(|text| PathBuf::from(text.trim()))
        .into_iter()
        .chain(debian.map(|version| version.path().join("bin")))
        .find(|folder| folder.join("initdb").exists())
        .expect("no Postgres server found: install one, for example with apt install postgresql")
}

/// Postgres refuses to run as root: the user and group of the system's `postgres`, else `nobody`.
fn unprivileged() -> (u32, u32) {
    let users = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap();
    let find = |wanted: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(wanted))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres")
        .or_else(|| find("nobody"))
        .expect("a user that is not root")
}
