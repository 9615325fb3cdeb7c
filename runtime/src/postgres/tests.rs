//! The supervisor against real servers. What differs by machine is which user they run as: as root
//! both ways around it are taken, as anybody else there is only one.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use super::run_as::Ids;
use super::start::Server;
use super::stop::{Signal, send};
use super::*;

/// A folder for one test. Others may pass through it, so that root can drop to another user.
fn home() -> TempDir {
    home_with_mode(0o755)
}

fn home_with_mode(mode: u32) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
    dir
}

fn options(home: &Path) -> Options {
    Options {
        data_dir: home.join("pg"),
        bin_dir: None,
        cache_dir: home.join("cache"),
        path: None,
        consent: Consent::Refuse,
    }
}

async fn start(home: &Path) -> Supervised {
    Supervised::start(options(home), |_| {}).await.unwrap()
}

async fn connect(postgres: &Supervised) -> PgConnection {
    PgConnection::connect_with(&postgres.connection().sqlx_options())
        .await
        .unwrap()
}

async fn ask<T>(connection: &mut PgConnection, sql: &'static str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

async fn ready_for_the(start: u32, postgres: &Supervised) {
    postgres
        .state()
        .wait_for(|state| *state == State::Ready { starts: start })
        .await
        .unwrap();
}

fn postmaster(home: &Path) -> u32 {
    recover::postmaster_of(&home.join("pg/pgdata")).unwrap()
}

fn living(home: &Path) -> Vec<u32> {
    recover::processes_of(&home.join("pg/pgdata"))
}

#[tokio::test]
async fn a_new_folder_becomes_a_private_server() {
    let home = home();
    let (seen_tx, mut seen_rx) = tokio::sync::mpsc::unbounded_channel();
    let report = move |step| seen_tx.send(step).unwrap();
    let postgres = Supervised::start(options(home.path()), report)
        .await
        .unwrap();
    let mut db = connect(&postgres).await;
    assert_eq!(ask::<i32>(&mut db, "SELECT 1").await, 1);
    assert_eq!(
        ask::<String>(&mut db, "SELECT current_database()::text").await,
        "koyalite"
    );
    assert_eq!(ask::<String>(&mut db, "SHOW listen_addresses").await, "");
    assert_eq!(ask::<String>(&mut db, "SHOW fsync").await, "on");
    assert_eq!(ask::<String>(&mut db, "SHOW server_encoding").await, "UTF8");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(postgres.connection().socket_dir()), 0o700);
    assert_eq!(mode(&home.path().join("pg/pgdata")), 0o700);
    postgres.stop().await.unwrap();
    assert_eq!(living(home.path()), [] as [u32; 0]);

    let mut seen = Vec::new();
    while let Some(step) = seen_rx.recv().await {
        seen.push(step);
    }
    assert_eq!(seen.first(), Some(&Progress::Looking));
    assert!(
        matches!(seen.get(1), Some(Progress::Initialising { major: 15..=18 })),
        "{seen:?}"
    );
    assert_eq!(
        seen.get(2..),
        Some(&[Progress::Starting, Progress::Ready][..])
    );
}

#[tokio::test]
async fn rows_outlive_a_stop_and_a_drop() {
    let home = home();
    let postgres = start(home.path()).await;
    let mut db = connect(&postgres).await;
    run(
        &mut db,
        "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)",
    )
    .await;
    postgres.stop().await.unwrap();

    let postgres = start(home.path()).await;
    let mut db = connect(&postgres).await;
    run(&mut db, "INSERT INTO kept VALUES (2)").await;
    drop(postgres);
    assert_eq!(
        living(home.path()),
        [] as [u32; 0],
        "dropping leaves nothing behind"
    );

    let postgres = start(home.path()).await;
    let mut db = connect(&postgres).await;
    assert_eq!(ask::<i64>(&mut db, "SELECT sum(n) FROM kept").await, 3);
}

#[tokio::test]
async fn a_second_supervisor_of_one_folder_is_refused_and_harms_nothing() {
    let home = home();
    let postgres = start(home.path()).await;
    let refused = Supervised::start(options(home.path()), |_| {})
        .await
        .unwrap_err();
    assert!(matches!(refused, PostgresError::InUse { .. }), "{refused}");
    assert_eq!(
        ask::<i32>(&mut connect(&postgres).await, "SELECT 1").await,
        1
    );
}

#[tokio::test]
async fn a_killed_postmaster_comes_back_with_every_committed_row() {
    let home = home();
    let postgres = start(home.path()).await;
    let mut db = connect(&postgres).await;
    run(&mut db, "CREATE TABLE kept (n int)").await;
    for round in 1..=3 {
        let mut db = connect(&postgres).await;
        run(&mut db, "INSERT INTO kept SELECT generate_series(1, 1000)").await;
        // A busy backend does not notice the death of its parent and holds the shared memory.
        let mut busy = connect(&postgres).await;
        let busy_pid: i32 = ask(&mut busy, "SELECT pg_backend_pid()").await;
        let busy = tokio::spawn(async move {
            let endless = "SELECT count(*) FROM generate_series(1, 1000000000000)";
            sqlx::query(endless).execute(&mut busy).await.unwrap_err();
        });
        let active = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'";
        let mut sessions = 0_i64;
        while sessions == 0 {
            let query = sqlx::query_scalar(active).bind(busy_pid);
            sessions = query.fetch_one(&mut db).await.unwrap();
        }
        send(postmaster(home.path()), Signal::Kill);
        ready_for_the(round + 1, &postgres).await;
        busy.await.unwrap();
        let mut db = connect(&postgres).await;
        let rows: i64 = ask(&mut db, "SELECT count(*) FROM kept").await;
        assert_eq!(rows, 1000 * i64::from(round));
    }
    postgres.stop().await.unwrap();
    assert_eq!(living(home.path()), [] as [u32; 0]);
}

/// A running server whose owner is gone: nobody holds the lock or will ever stop it.
async fn orphan(home: &Path) -> (Server, Connection) {
    let cluster = supervise::prepare(&options(home), &|_| {}).await.unwrap();
    recover::clear_the_way(&cluster.layout).await.unwrap();
    let mut server = Server::spawn(&cluster).unwrap();
    server.ready(&cluster.layout).await.unwrap();
    let connection = Connection::new(cluster.layout.socket_dir.clone());
    supervise::create_database(&connection).await.unwrap();
    (server, connection)
}

#[tokio::test]
async fn a_server_without_an_owner_is_taken_down_first_and_its_rows_are_kept() {
    let home = home();
    let (mut server, connection) = orphan(home.path()).await;
    let pid = postmaster(home.path());
    let mut db = PgConnection::connect_with(&connection.sqlx_options())
        .await
        .unwrap();
    run(
        &mut db,
        "CREATE TABLE kept (n int UNIQUE); INSERT INTO kept VALUES (12345)",
    )
    .await;

    let postgres = start(home.path()).await;
    assert_ne!(postmaster(home.path()), pid);
    assert!(!living(home.path()).contains(&pid));
    assert_eq!(
        server.exited().await,
        "exit status: 0",
        "it had the time for a clean shutdown"
    );
    assert_eq!(
        ask::<i32>(&mut connect(&postgres).await, "SELECT n FROM kept").await,
        12345
    );
}

#[tokio::test]
async fn the_log_never_holds_what_a_statement_holds() {
    let home = home();
    let (mut server, connection) = orphan(home.path()).await;
    let mut db = PgConnection::connect_with(&connection.sqlx_options())
        .await
        .unwrap();
    run(
        &mut db,
        "CREATE TABLE kept (n text UNIQUE CHECK (n <> 'hush')); SELECT 'hush'",
    )
    .await;
    for failing in [
        "SELECT 'hush'::int",
        "INSERT INTO kept VALUES ('hush')",
        "INSERT INTO kept VALUES ('hush!'), ('hush!')",
        "DO $$ BEGIN RAISE WARNING 'hush'; END $$; SELECT hush",
    ] {
        sqlx::raw_sql(failing).execute(&mut db).await.unwrap_err();
    }
    let bound = sqlx::query("SELECT $1::text::int")
        .bind("hush")
        .execute(&mut db)
        .await;
    bound.unwrap_err();
    send(postmaster(home.path()), Signal::FastShutdown);
    server.exited().await;
    let log = server.log.last_words().await;
    assert!(log.contains("database system is shut down"), "{log}");
    assert!(!log.contains("hush"), "{log}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_leaves_by_itself_when_the_thread_that_started_it_ends() {
    let home = home();
    let folder = home.path().to_owned();
    let (connected_tx, connected) = oneshot::channel::<Connection>();
    let (leave, told_to_leave) = std::sync::mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (server, connection) = runtime.block_on(orphan(&folder));
        connected_tx.send(connection).unwrap();
        told_to_leave.recv().unwrap_err();
        drop(server);
    });
    let connection = connected.await.unwrap();
    let mut db = PgConnection::connect_with(&connection.sqlx_options())
        .await
        .unwrap();
    drop(leave);
    thread.join().unwrap();
    let cut = sqlx::query("SELECT pg_sleep(600)")
        .execute(&mut db)
        .await
        .unwrap_err();
    let code = cut.as_database_error().and_then(|error| error.code());
    assert_eq!(
        code.as_deref(),
        Some("57P01"),
        "a fast shutdown, not a crash: {cut}"
    );
    // It may still be writing its checkpoint; the next start copes with that too.
    start(home.path()).await.stop().await.unwrap();
}

#[tokio::test]
async fn a_wrapped_server_leaves_when_its_owner_lets_go_of_the_pipe() {
    let home = home();
    let cluster = supervise::prepare(&options(home.path()), &|_| {})
        .await
        .unwrap();
    let mut command = wrapper::wrap(&cluster.installation.bin.join("postgres"));
    start::configure(&mut command, &cluster);
    child::become_user(&mut command, cluster.run_as, &cluster.layout.root).unwrap();
    let mut shell = command.spawn().unwrap();
    let log = shell.stderr.take().unwrap();
    let mut log = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(log));
    while !log
        .next_line()
        .await
        .unwrap()
        .unwrap()
        .contains("ready to accept connections")
    {}
    assert_eq!(shell.try_wait().unwrap(), None);
    drop(shell.stdin.take());
    assert!(shell.wait().await.unwrap().success(), "a clean shutdown");
    assert_eq!(living(home.path()), [] as [u32; 0]);
}

#[tokio::test]
async fn an_interrupted_start_leaves_nothing_and_can_be_repeated() {
    let home = home();
    let (at_work_tx, at_work) = oneshot::channel();
    let at_work_tx = std::sync::Mutex::new(Some(at_work_tx));
    let report = move |step| {
        if matches!(step, Progress::Initialising { .. }) {
            at_work_tx.lock().unwrap().take().unwrap().send(()).unwrap();
        }
    };
    tokio::select! {
        biased;
        _ = at_work => {}
        started = Supervised::start(options(home.path()), report) => panic!("{started:?}"),
    }
    assert!(!home.path().join("pg/pgdata").exists());
    // What a killed initdb leaves is no cluster either.
    fs::create_dir_all(home.path().join("pg/pgdata.tmp/base")).unwrap();
    let postgres = start(home.path()).await;
    assert_eq!(
        ask::<i32>(&mut connect(&postgres).await, "SELECT 1").await,
        1
    );
}

#[tokio::test]
async fn a_path_too_deep_for_a_socket_and_full_of_odd_characters_works() {
    let home = home();
    let deep = home.path().join("it's, \"deep\" %20 ".repeat(8));
    let odd = home.path().join("it's, \"odd\" %20");
    for folder in [deep, odd] {
        let postgres = start(&folder).await;
        assert_eq!(
            ask::<i32>(&mut connect(&postgres).await, "SELECT 1").await,
            1
        );
        let socket_dir = postgres.connection().socket_dir().to_owned();
        postgres.stop().await.unwrap();
        if !socket_dir.starts_with(&folder) {
            fs::remove_dir(socket_dir).unwrap();
        }
    }
}

#[tokio::test]
async fn a_private_home_works_or_is_refused_with_the_way_out() {
    // As root: nobody else can pass, and only a user namespace is left.
    let home = home_with_mode(0o700);
    match Supervised::start(options(home.path()), |_| {}).await {
        Ok(postgres) => {
            let me = fs::metadata(home.path()).unwrap().uid();
            assert_eq!(
                fs::metadata(home.path().join("pg/pgdata")).unwrap().uid(),
                me
            );
            let mut db = connect(&postgres).await;
            run(
                &mut db,
                "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)",
            )
            .await;
            send(postmaster(home.path()), Signal::Kill);
            ready_for_the(2, &postgres).await;
            let rows: i64 = ask(&mut connect(&postgres).await, "SELECT count(*) FROM kept").await;
            assert_eq!(rows, 1);
            postgres.stop().await.unwrap();
            assert_eq!(living(home.path()), [] as [u32; 0]);
        }
        Err(refused) => {
            assert!(matches!(refused, PostgresError::NoUser { .. }), "{refused}");
            assert!(
                refused.to_string().contains("KOYALITE_DATA_DIR"),
                "{refused}"
            );
        }
    }
}

#[tokio::test]
async fn a_cluster_of_another_user_is_taken_over_by_root_and_refused_by_others() {
    let home = home();
    start(home.path()).await.stop().await.unwrap();
    let pgdata = home.path().join("pg/pgdata");
    // As somebody else this very call is refused, and there is nothing to see.
    let stranger = Ids {
        uid: 54321,
        gid: 54321,
    };
    if layout::hand_over(&pgdata, stranger).is_err() {
        return;
    }
    let postgres = start(home.path()).await;
    assert_ne!(
        fs::metadata(pgdata.join("base")).unwrap().uid(),
        stranger.uid
    );
    assert_eq!(
        ask::<i32>(&mut connect(&postgres).await, "SELECT 1").await,
        1
    );
}

#[tokio::test]
async fn data_of_another_major_version_is_refused_by_name() {
    let check = async |version: &str, consent: Consent| {
        let home = home();
        let pgdata = home.path().join("pg/pgdata");
        fs::create_dir_all(&pgdata).unwrap();
        fs::write(pgdata.join("PG_VERSION"), format!("{version}\n")).unwrap();
        let options = Options {
            consent,
            ..options(home.path())
        };
        let refused = Supervised::start(options, |_| {}).await.unwrap_err();
        assert!(matches!(&refused, PostgresError::WrongMajor { wanted, .. } if wanted == version));
    };
    check("13", Consent::Refuse).await;
    check("13", Consent::Install).await;
    check("99", Consent::Install).await;
}
