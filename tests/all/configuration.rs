//! Configuration: mistakes are all told at once, before anything is opened or bound.

use std::time::Duration;

use crate::support::{Launch, TestApp, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

/// Starts, waits for the end, and answers the exit code and what was said.
async fn refused(launch: &Launch) -> (i32, String) {
    let process = launch.spawn();
    let code = process.wait(PATIENCE).await;
    assert!(!launch.data().join("ready.json").exists());
    (code, process.log())
}

#[tokio::test]
async fn every_mistake_is_told_at_once() {
    let launch = Launch::dev()
        .set("KOYALITE_LISTEN", "8080")
        .set("KOYALITE_REGION", "Mars!")
        .set("KOYALITE_LOG_FORMAT", "xml")
        .set("KOYALITE_WALL_MS_MAX", "0")
        .set("KOYALITE_DATABASE_URL", "mysql://me:hunter2@host/db");
    std::fs::write(
        launch.folder().join("koyalite-server.toml"),
        "colour = \"red\"\n",
    )
    .unwrap();
    let (code, said) = refused(&launch).await;
    assert_eq!(code, 2, "{said}");
    for setting in [
        "KOYALITE_LISTEN",
        "KOYALITE_REGION",
        "KOYALITE_LOG_FORMAT",
        "KOYALITE_WALL_MS_MAX",
        "KOYALITE_DATABASE_URL",
        "colour",
    ] {
        assert!(said.contains(setting), "nothing about {setting}:\n{said}");
    }
    assert!(said.contains("6 mistakes"), "{said}");
    assert!(!said.contains("hunter2"), "a password was shown:\n{said}");
    assert!(
        !launch.data().exists(),
        "something was made before the mistakes were told"
    );
}

#[tokio::test]
async fn serve_says_what_it_needs() {
    let launch = Launch::serve()
        .await
        .unset("DATABASE_URL")
        .unset("KOYALITE_KEY_FILE");
    let (code, said) = refused(&launch).await;
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("DATABASE_URL") && said.contains("KOYALITE_KEY_FILE"),
        "{said}"
    );
}

#[tokio::test]
async fn a_key_ring_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let launch = Launch::serve().await;
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(launch.keys(), open).unwrap();
    let (code, said) = refused(&launch).await;
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("keys.json"), "{said}");
}

#[tokio::test]
async fn a_key_ring_that_is_not_there_is_said_once_with_the_command_that_makes_one() {
    let launch = Launch::serve().await;
    std::fs::remove_file(launch.keys()).unwrap();
    let (code, said) = refused(&launch).await;
    assert_ne!(code, 0, "{said}");
    let error = said
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap();
    assert!(error.contains("koyalite keys create --file"), "{error}");
    assert_eq!(error.matches("there is no key ring").count(), 1, "{error}");
    assert!(!error.contains("os error"), "{error}");
    assert!(!launch.keys().exists(), "`serve` made one up");
}

#[tokio::test]
async fn half_of_a_mail_server_is_a_mistake() {
    let url = "KOYALITE_SMTP_URL";
    for (set, value, said) in [
        (url, "smtp://mail.example.com?tls=none", url),
        (url, "smtp://user@mail.example.com", url),
        (url, "smtps://user:hunter2@", url),
        ("KOYALITE_SMTP_CA", "ca.pem", "smtp_url"),
    ] {
        let launch = Launch::serve().await.set(set, value);
        let (code, log) = refused(&launch).await;
        assert!(code == 2 && log.contains(said), "{value}: {log}");
        assert!(!log.contains("hunter2"), "{log}");
    }
    let launch = Launch::serve().await.set("KOYALITE_SMTP_CA", "nowhere.pem");
    let launch = launch.set(url, "smtps://user:hunter2@mail.example.com");
    let (code, log) = refused(&launch).await;
    assert!(code == 2 && log.contains("KOYALITE_SMTP_CA"), "{log}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let launch = Launch::serve().await.set("KOYALITE_LISTEN", &address);
    let (code, said) = refused(&launch).await;
    assert_ne!(code, 0, "{said}");
    assert!(said.contains(&address), "{said}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_said_without_its_password() {
    let nowhere = "postgres://me:hunter2@127.0.0.1:1/db";
    let launch = Launch::serve().await.set("DATABASE_URL", nowhere);
    let (code, said) = refused(&launch).await;
    assert_ne!(code, 0, "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn dev_prints_the_ports_that_the_system_chose() {
    let app = TestApp::launch(Launch::dev()).await;
    let printed = eventually("dev says that it is up", PATIENCE, async || {
        let log = app.process.log();
        log.contains("Ctrl-C").then_some(log)
    })
    .await;
    let functions = format!("http://{}/f/demo/", app.functions_authority());
    assert!(printed.contains(&functions), "{printed}");
}
