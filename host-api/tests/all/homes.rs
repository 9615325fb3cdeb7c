//! Connections that live with their callers: one's own first, another's rather than wait.

use koyalite_host_api::db::{Homes, NodeLimits};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::pool::{lock, open, read, wait_for_blocked};
use crate::support::{Server, TestDatabase, TestProject};

/// A runtime of one thread; ends when dropped.
struct Home {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl Home {
    fn start() -> Home {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        std::thread::spawn(move || runtime.block_on(ended).ok());
        Home { handle, _end: end }
    }

    /// Reads all rows, from here.
    fn read(&self, demo: &TestProject) -> JoinHandle<String> {
        let project = demo.project.clone();
        let reading = async move { read(&project).await.unwrap() };
        self.handle.spawn(reading)
    }
}

/// Two homes with one connection each.
async fn two() -> ([Home; 2], TestDatabase) {
    let homes = [Home::start(), Home::start()];
    let limits = NodeLimits {
        project_connections: 2,
        ..NodeLimits::default()
    };
    let handles = homes.iter().map(|home| home.handle.clone());
    let db = TestDatabase::at_home(Server::shared(), limits, Homes::new(handles)).await;
    (homes, db)
}

#[tokio::test]
async fn callers_of_two_homes_have_a_connection_each() {
    let (homes, db) = two().await;
    let demo = open(&db).await;
    for _ in 0..3 {
        for home in &homes {
            assert!(home.read(&demo).await.unwrap().contains("\"title\":\"t\""));
        }
    }
    assert_eq!(db.databases.open_connections(), 2);
}

#[tokio::test]
async fn who_finds_its_own_connections_in_use_takes_anothers() {
    let ([busy, _idle], db) = two().await;
    let demo = open(&db).await;
    let watch = Server::shared().admin("postgres").await;
    lock(&db, &demo).await;
    let both = [busy.read(&demo), busy.read(&demo)];
    wait_for_blocked(&watch, &demo, 2).await;
    let third = busy.read(&demo);
    db.admin.batch_execute("COMMIT").await.unwrap();
    for reading in both.into_iter().chain([third]) {
        reading.await.unwrap();
    }
}

/// Connections whose home has gone are lost; whoever is still there gets others.
#[tokio::test]
async fn a_home_that_is_gone_takes_nobody_with_it() {
    let ([gone, stays], db) = two().await;
    let demo = open(&db).await;
    gone.read(&demo).await.unwrap();
    drop(gone);
    for _ in 0..3 {
        stays.read(&demo).await.unwrap();
        read(&demo.project).await.unwrap();
    }
}
