use super::*;

fn mistakes(text: &str) -> Vec<String> {
    match Manifest::parse_toml(text) {
        Err(RegistryError::Invalid { errors }) => {
            errors.into_iter().map(|mistake| mistake.field).collect()
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_name_is_enough() {
    let manifest = Manifest::parse_toml("name = \"hello\"").unwrap();
    assert_eq!(manifest, Manifest::default_for(&"hello".parse().unwrap()));
    assert_eq!(manifest.path, "/hello");
}

#[test]
fn everything_is_read() {
    let manifest = Manifest::parse_toml(
        r#"
        name = "ticker"
        component = "target/ticker.wasm"
        path = "/api/v1.0/tick"
        region = ["us", "eu-west", "us"]
        isolation = "shared"
        verify = "required"
        affinity = "header:X-Account"
        limits = { memory_mib = 64, cpu_ms = 10, first_byte_ms = 20, silence_ms = 25, wall_ms = 30, body_mib = 1, concurrency = 4, host_calls = 5, outbound_requests = 6, log_kib = 7, select_rows = 8, statement_ms = 9, outbound_ms = 11 }
        outbound.allow = ["https://api.example.com"]
        [config]
        GREETING = "hi"
        [[schedules]]
        name = "every-minute"
        cron = "* * * * *"
        [[schedules]]
        name = "nightly"
        cron = "0 0 3 * * MON-FRI"
        timezone = "Europe/Berlin"
        path = "/api/night"
        "#,
    )
    .unwrap();
    assert_eq!(manifest.region, ["eu-west", "us"]);
    assert_eq!(manifest.isolation, Isolation::Shared);
    assert_eq!(manifest.verify, Verify::Required);
    assert_eq!(manifest.affinity.as_deref(), Some("header:x-account"));
    let limits = Limits {
        memory_mib: 64,
        cpu_ms: 10,
        first_byte_ms: 20,
        silence_ms: 25,
        wall_ms: 30,
        body_mib: 1,
        concurrency: Some(4),
        host_calls: 5,
        outbound_requests: 6,
        log_kib: 7,
        select_rows: 8,
        statement_ms: 9,
        outbound_ms: 11,
    };
    assert_eq!(manifest.limits, limits);
    assert_eq!(manifest.config["GREETING"], "hi");
    assert_eq!(manifest.schedules[0].timezone, "UTC");
    assert_eq!(manifest.schedules[1].path.as_deref(), Some("/api/night"));
    assert_eq!(
        Manifest::from_stored(manifest.to_stored().unwrap())
            .unwrap()
            .hash(),
        manifest.hash()
    );
}

#[test]
fn every_mistake_is_reported_at_once_with_its_field() {
    let found = mistakes(
        r#"
        nmae = "hello"
        path = "/a/../b"
        region = "Mars!"
        isolation = "none"
        verify = true
        affinity = "ip"
        limits = { memory_mib = 0, cpu = 1 }
        config = { A = 1 }
        outbound = { allow = ["https://example.com/path"], deny = [] }
        schedules = [
            { name = "a", cron = "61 * * * *" },
            { name = "b", cron = "* * * * *", timezone = "Mars/Olympus" },
            { name = "c" },
            { name = "d", cron = "* * * * *" },
            { name = "d", cron = "* * * * *" },
        ]
        "#,
    );
    let expected = [
        "name",
        "path",
        "region",
        "isolation",
        "verify",
        "affinity",
        "limits.memory_mib",
        "limits.cpu",
        "config.A",
        "outbound.allow",
        "outbound.deny",
        "schedules[0].cron",
        "schedules[1].timezone",
        "schedules[2].cron",
        "schedules[4].name",
        "nmae",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_limit_is_within_the_operators_cap() {
    for text in [
        "limits.memory_mib = 1025",
        "limits.wall_ms = -1",
        "limits.cpu_ms = 1.5",
        "limits.concurrency = 0",
        "limits.host_calls = 10001",
        "limits.outbound_requests = 1001",
        "limits.log_kib = \"64\"",
        "limits.select_rows = 10001",
        "limits.statement_ms = 5001",
        "limits.outbound_ms = 300001",
    ] {
        assert_eq!(
            mistakes(&format!("name = \"a\"\n{text}")).len(),
            1,
            "{text}"
        );
    }
}

#[test]
fn paths_are_plain() {
    for path in [
        "", "a", "/a/", "//", "/a//b", "/a/./b", "/..", "/a%20b", "/a b", "/hello@1", "/ä",
    ] {
        assert_eq!(
            mistakes(&format!("name = \"a\"\npath = {path:?}")),
            ["path"],
            "{path}"
        );
    }
    for path in ["/", "/a", "/a/b.c/~d_e-f"] {
        Manifest::parse_toml(&format!("name = \"a\"\npath = {path:?}")).unwrap();
    }
}

#[test]
fn json_says_the_same_as_toml() {
    let toml = Manifest::parse_toml("name = \"a\"\nregion = \"eu\"\nlimits.cpu_ms = 5").unwrap();
    let json =
        Manifest::parse_json(br#"{"name":"a","region":["eu"],"limits":{"cpu_ms":5}}"#).unwrap();
    assert_eq!(toml.hash(), json.hash());
}

#[test]
fn what_cannot_be_read_at_all_says_where() {
    let place = |error: RegistryError| match error {
        RegistryError::Invalid { errors } => errors[0].position.unwrap(),
        other => panic!("{other}"),
    };
    let toml = place(Manifest::parse_toml("name = \"a\"\npath = ").unwrap_err());
    assert_eq!(toml.line, 2);
    let json = place(Manifest::parse_json(b"{\n\"name\": }").unwrap_err());
    assert_eq!((json.line, json.column), (2, 9));
    assert!(Manifest::parse_json(b"[]").is_err());
}

#[test]
fn the_hash_names_what_a_version_is_made_of() {
    let base = Manifest::default_for(&"a".parse().unwrap());
    let elsewhere = Manifest {
        component: Some("x.wasm".to_owned()),
        ..base.clone()
    };
    assert_eq!(
        base.hash(),
        elsewhere.hash(),
        "where the file lies is not part of a version"
    );
    let other = Manifest {
        path: "/b".to_owned(),
        ..base.clone()
    };
    assert_ne!(base.hash(), other.hash());
}
