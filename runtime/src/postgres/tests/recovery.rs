//! Violent ends: of Postgres, of its owner, of a start halfway.

use super::*;

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
            // Spins without a row: one that gathers rows would fill the disk if it got away.
            let endless = "DO $$ BEGIN LOOP END LOOP; END $$";
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
pub(super) async fn orphan(home: &Path) -> (Server, Connection) {
    let cluster = supervise::prepare(&options(home), &|_| {}).await.unwrap();
    recover::clear_the_way(&cluster.layout).await.unwrap();
    let mut server = Server::spawn(&cluster).unwrap();
    server.ready(&cluster.layout).await.unwrap();
    let connection = Connection::new(cluster.layout.socket_dir.clone());
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
    let options = connection.sqlx_options();
    let mut db = PgConnection::connect_with(&options).await.unwrap();
    let pid: i32 = ask(&mut db, "SELECT pg_backend_pid()").await;
    let sleeping = tokio::spawn(async move {
        let sleep = sqlx::query("SELECT pg_sleep(600)");
        sleep.execute(&mut db).await.unwrap_err()
    });
    // The statement must be on its way before the server goes: written to a server that has gone, it
    // would only find a broken pipe.
    let mut watch = PgConnection::connect_with(&options).await.unwrap();
    let mut active = 0_i64;
    while active == 0 {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'";
        active = sqlx::query_scalar(query)
            .bind(pid)
            .fetch_one(&mut watch)
            .await
            .unwrap();
    }
    drop(leave);
    thread.join().unwrap();
    let cut = sleeping.await.unwrap();
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
