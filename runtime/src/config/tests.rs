use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use super::*;
use crate::postgres::Consent;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: Flags,
}

/// Flags as on a command line, variables as in an environment. An empty file stands in for the
/// default one, so that the working directory of the tests does not matter.
fn raw(arguments: &[&str], variables: &[(&str, &str)]) -> Raw {
    raw_with_file(arguments, variables, "")
}

fn raw_with_file(arguments: &[&str], variables: &[(&str, &str)], file: &str) -> Raw {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.toml");
    std::fs::write(&path, file).unwrap();
    let mut flags = Command::parse_from([&["koyalite"], arguments].concat()).flags;
    flags.config.get_or_insert(path);
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    Raw::gather_from(flags, &|name| variables.get(name).map(OsString::from))
}

const PRODUCTION: [(&str, &str); 2] = [
    ("DATABASE_URL", "postgres://u:hunter2@db/koya"),
    ("KOYALITE_KEY_FILE", "/keys/ring.json"),
];

fn complaints(result: Result<ServeConfig, Report>) -> Vec<String> {
    result
        .unwrap_err()
        .mistakes
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn dev_needs_nothing_to_be_said() {
    let config = ServeConfig::dev(raw(&[], &[("HOME", "/home/me"), ("PATH", "/bin")])).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.control_listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.public_url, "http://127.0.0.1:8080");
    assert_eq!(
        (config.domain.as_str(), config.region.as_str()),
        ("localhost", "local")
    );
    assert!(config.data.root().is_absolute() && config.data.root().ends_with(".koyalite"));
    assert_eq!(config.key_file, config.data.keys());
    assert_eq!(config.admin_token_file, Some(config.data.token()));
    assert_eq!(
        config.log,
        LogConfig {
            filter: "info".to_owned(),
            format: LogFormat::Text
        }
    );
    let expected = EmbeddedDatabase {
        bin_dir: None,
        cache_dir: PathBuf::from("/home/me/.cache/koyalite"),
        path: Some("/bin".into()),
        consent: Consent::Refuse,
    };
    assert_eq!(config.database, DatabaseChoice::Embedded(expected));
}

#[test]
fn serve_needs_a_database_and_a_key_ring() {
    assert_eq!(
        complaints(ServeConfig::serve(raw(&[], &[]))),
        [
            "DATABASE_URL is missing; write postgres://user:password@host/database",
            "KOYALITE_KEY_FILE is missing; name the file with the key ring, kept with your backups",
        ]
    );
    let config = ServeConfig::serve(raw(&[], &PRODUCTION)).unwrap();
    assert_eq!(config.key_file, PathBuf::from("/keys/ring.json"));
    assert_eq!(config.admin_token_file, None);
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let file = "region = 'file'\ndomain = 'file.org'\ndrain_timeout_s = 5\nlisten = '[::1]:1'";
    let variables = [
        ("KOYALITE_REGION", "variable"),
        ("KOYALITE_DOMAIN", "variable.org"),
    ];
    let raw = raw_with_file(&["--region", "flag", "--yes"], &variables, file);
    let config = ServeConfig::dev(raw).unwrap();
    assert_eq!(
        (config.region.as_str(), config.domain.as_str()),
        ("flag", "variable.org")
    );
    assert_eq!(config.drain_timeout, Duration::from_secs(5));
    assert_eq!(config.public_url, "http://[::1]:1");
    let DatabaseChoice::Embedded(embedded) = config.database else {
        panic!("not embedded")
    };
    assert_eq!(embedded.consent, Consent::Install);
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let file = "colour = 'red'\nlog_format = 'xml'\nwall_ms_max = 0\nregion = ['a']";
    let variables = [("KOYALITE_LISTEN", "8080"), ("KOYALITE_LOG", "a=b=c")];
    let told = complaints(ServeConfig::dev(raw_with_file(
        &["--region", "Mars!", "--public-url", "https://a.org/path"],
        &variables,
        file,
    )));
    let expected = [
        "colour (",
        "region (",
        "KOYALITE_LISTEN (environment) is \"8080\"; write an address",
        "--public-url (command line) is \"https://a.org/path\"; must be an origin",
        "--region (command line) is \"Mars!\"; must be",
        "wall_ms_max (",
        "log_format (",
        "KOYALITE_LOG (environment) is \"a=b=c\"; must be a level",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(
            told.starts_with(expected),
            "{told} should start with {expected}"
        );
    }
}

#[test]
fn the_listeners_are_two_origins() {
    let same = raw(&["--control-listen", "127.0.0.1:8080"], &[]);
    assert!(complaints(ServeConfig::dev(same))[0].contains("other listener"));
    let free = raw(
        &["--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0"],
        &[],
    );
    assert!(ServeConfig::dev(free).is_ok());
}

#[test]
fn a_file_that_was_named_must_be_there_and_be_toml() {
    let told = complaints(ServeConfig::dev(raw(&["--config", "/nowhere/x.toml"], &[])));
    assert!(
        told[0].starts_with("config (/nowhere/x.toml) cannot be read"),
        "{told:?}"
    );
    let secret = "database_url = 'postgres://u:hunter2@h/d' oops";
    let told = complaints(ServeConfig::dev(raw_with_file(&[], &[], secret)));
    assert!(
        told[0].contains("is not TOML") && told[0].ends_with("in line 1"),
        "{told:?}"
    );
    assert!(!told[0].contains("hunter2"), "{told:?}");
}

#[test]
fn a_password_is_never_shown() {
    let shown = format!("{:?}", ServeConfig::serve(raw(&[], &PRODUCTION)).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    let wrong = [("KOYALITE_DATABASE_URL", "mysql://u:hunter2@h/d")];
    let shown = format!("{:?}", raw(&[], &wrong));
    assert!(!shown.contains("hunter2"), "{shown}");
    let told = ServeConfig::dev(raw(&[], &wrong)).unwrap_err();
    assert!(!told.to_string().contains("hunter2"), "{told}");
    assert!(
        told.to_string()
            .starts_with("1 mistake in the configuration:\n  KOYALITE_DATABASE_URL")
    );
}

#[test]
fn dev_leaves_the_database_of_the_shell_alone() {
    let config = ServeConfig::dev(raw(&[], &PRODUCTION[..1])).unwrap();
    assert!(matches!(config.database, DatabaseChoice::Embedded(_)));
    let named = [("KOYALITE_DATABASE_URL", "postgres://h/d")];
    let config = ServeConfig::dev(raw(&[], &named)).unwrap();
    assert!(matches!(config.database, DatabaseChoice::Url(_)));
}

/// What is shown of where objects lie, or what is complained of; never a secret.
fn stored(variables: &[(&str, &str)], expected: Result<&str, &[&str]>) {
    let read = ServeConfig::dev(raw(&[], variables));
    match expected {
        Ok(shown) => {
            let store = format!("{:?}", read.unwrap().store);
            assert!(store.contains(shown), "{store} should have {shown}");
            assert!(!store.contains("hunter2"), "{store}");
        }
        Err(expected) => {
            let told = complaints(read);
            assert_eq!(told.len(), expected.len(), "{told:#?}");
            for (told, expected) in told.iter().zip(expected) {
                assert!(told.starts_with(expected), "{told}");
                assert!(!told.contains("hunter2"), "{told}");
            }
        }
    }
}

#[test]
fn objects_lie_in_a_folder_or_in_a_bucket_that_is_named_and_can_be_opened() {
    let check = stored;
    let bucket = ("KOYALITE_STORE", "s3://objects/below");
    let key = ("AWS_ACCESS_KEY_ID", "me");
    let secret = ("AWS_SECRET_ACCESS_KEY", "hunter2");
    let server = ("KOYALITE_STORE_ENDPOINT", "https://minio.internal:9000/");
    let plain = ("KOYALITE_STORE_ENDPOINT", "http://127.0.0.1:9000");
    let may = ("KOYALITE_STORE_PLAIN_HTTP", "true");
    check(&[], Ok(".koyalite/objects"));
    check(&[key, secret], Ok(".koyalite/objects"));
    check(&[bucket], Ok("Bucket(s3://objects/below at AWS)"));
    check(
        &[bucket, key, secret, server],
        Ok("below at https://minio.internal:9000)"),
    );
    check(
        &[bucket, key, secret, plain, may],
        Ok("below at http://127.0.0.1:9000)"),
    );
    check(
        &[bucket, key, secret, plain],
        Err(&["KOYALITE_STORE_ENDPOINT"]),
    );
    check(
        &[bucket, key, server],
        Err(&["AWS_SECRET_ACCESS_KEY is missing"]),
    );
    check(&[bucket, secret], Err(&["AWS_ACCESS_KEY_ID is missing"]));
    check(&[bucket, server], Err(&["AWS_ACCESS_KEY_ID is missing"]));
    let task = (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "http://127.0.0.1:1/task",
    );
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token");
    check(
        &[bucket, server, task],
        Err(&["AWS_ACCESS_KEY_ID is missing"]),
    );
    check(
        &[bucket, server, task, token],
        Ok("below at https://minio.internal:9000)"),
    );
    check(
        &[("KOYALITE_STORE", "https://me:hunter2@host")],
        Err(&["KOYALITE_STORE "]),
    );
    check(
        &[plain, may],
        Err(&["KOYALITE_STORE_ENDPOINT", "KOYALITE_STORE_PLAIN_HTTP"]),
    );
    let elsewhere = ("KOYALITE_STORE_ENDPOINT", "https://me:hunter2@host");
    check(
        &[bucket, key, secret, elsewhere],
        Err(&["KOYALITE_STORE_ENDPOINT"]),
    );
    check(
        &[bucket, key, secret, ("KOYALITE_STORE_CA", "/nowhere")],
        Err(&["KOYALITE_STORE_CA"]),
    );
}
