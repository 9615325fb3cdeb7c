//! The supervisor against real servers. What differs by machine is which user they run as: as root
//! both ways around it are taken, as anybody else there is only one.

mod recovery;

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
async fn the_log_never_holds_what_a_statement_holds() {
    let home = home();
    let (mut server, connection) = recovery::orphan(home.path()).await;
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
