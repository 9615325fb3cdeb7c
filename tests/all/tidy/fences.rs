//! Who may use whom: between the crates, and between the modules of the runtime.

use toml::Table;

use super::{none, read, sources};

/// What would make the policy crate impure: anything that waits, listens, stores or runs guests.
const IMPURE: [&str; 14] = [
    "async-trait",
    "deadpool-postgres",
    "futures",
    "hyper",
    "object_store",
    "reqwest",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "tracing",
    "wasmtime",
    "wasmtime-wasi",
    "rand",
    "koyalite-host-api",
];

pub(super) fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: Table = read(manifest).parse().unwrap();
    let named = manifest
        .get("dependencies")
        .and_then(|table| table.as_table());
    named
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn the_policy_crate_is_pure() {
    let mut found = dependencies("host-api/policy/Cargo.toml");
    found.retain(|name| IMPURE.contains(&name.as_str()));
    none(found, "koyalite-policy must not depend on");
    let words = [
        "async fn",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "SystemTime::now",
        "Instant::now",
        "Utc::now",
    ];
    let mut impure = Vec::new();
    for source in sources("host-api/policy/src", ".rs") {
        if is_test(&source.path) {
            continue;
        }
        let used = words.iter().filter(|word| source.text.contains(*word));
        impure.extend(used.map(|word| format!("{}: {word}", source.path)));
    }
    none(
        impure,
        "koyalite-policy does no input or output and knows no time",
    );
}

#[test]
fn the_crates_depend_in_one_direction() {
    for (manifest, forbidden) in [
        (
            "host-api/policy/Cargo.toml",
            &["koyalite-host-api", "koyalite-runtime", "koyalite-tests"][..],
        ),
        (
            "host-api/Cargo.toml",
            &[
                "koyalite-runtime",
                "koyalite-tests",
                "hyper",
                "axum",
                "sqlx",
            ],
        ),
        ("runtime/Cargo.toml", &["koyalite-tests"]),
        (
            "sdk/Cargo.toml",
            &[
                "koyalite-policy",
                "koyalite-host-api",
                "koyalite-runtime",
                "tokio",
            ],
        ),
        (
            "xtask/Cargo.toml",
            &["koyalite-policy", "koyalite-host-api", "koyalite-runtime"],
        ),
    ] {
        let mut found = dependencies(manifest);
        found.retain(|name| forbidden.contains(&name.as_str()));
        none(found, &format!("{manifest} must not depend on"));
    }
}

/// A module of the runtime and those that it never uses, with the reason in the order of the
/// table: what carries requests knows nothing of what they mean, and what they mean nothing of who
/// carries them.
const NEVER: &[(&str, &[&str])] = &[
    (
        "http",
        &[
            "cli",
            "config",
            "control",
            "dispatch",
            "egress",
            "engine",
            "gateway",
            "keys",
            "postgres",
            "records",
            "registry",
            "scheduler",
            "server",
        ],
    ),
    (
        "keys",
        &[
            "cli",
            "config",
            "control",
            "dispatch",
            "egress",
            "engine",
            "gateway",
            "http",
            "postgres",
            "records",
            "registry",
            "scheduler",
            "server",
        ],
    ),
    (
        "postgres",
        &[
            "cli",
            "config",
            "control",
            "dispatch",
            "egress",
            "engine",
            "gateway",
            "http",
            "keys",
            "records",
            "registry",
            "scheduler",
            "server",
        ],
    ),
    (
        "egress",
        &[
            "cli",
            "config",
            "control",
            "dispatch",
            "engine",
            "gateway",
            "http",
            "postgres",
            "records",
            "registry",
            "scheduler",
            "server",
        ],
    ),
    (
        "records",
        &[
            "cli",
            "control",
            "dispatch",
            "engine",
            "gateway",
            "http",
            "registry",
            "scheduler",
            "server",
        ],
    ),
    (
        "engine",
        &[
            "cli",
            "config",
            "control",
            "dispatch",
            "gateway",
            "http",
            "registry",
            "scheduler",
            "server",
        ],
    ),
    (
        "registry",
        &[
            "cli", "config", "control", "dispatch", "gateway", "http", "server",
        ],
    ),
    (
        "scheduler",
        &[
            "cli", "config", "control", "engine", "gateway", "http", "server",
        ],
    ),
    (
        "dispatch",
        &["cli", "config", "control", "gateway", "scheduler", "server"],
    ),
    // Guests' way out and the way between nodes share nothing.
    ("egress", &["forward"]),
    (
        "forward",
        &[
            "cli", "config", "control", "dispatch", "egress", "engine", "gateway", "server",
        ],
    ),
    (
        "gateway",
        &[
            "cli",
            "config",
            "control",
            "postgres",
            "scheduler",
            "server",
        ],
    ),
    ("control", &["cli", "dispatch", "gateway", "server"]),
    (
        "delivery",
        &[
            "cli",
            "config",
            "control",
            "dispatch",
            "engine",
            "gateway",
            "http",
            "scheduler",
            "server",
        ],
    ),
    (
        "store",
        &[
            "cli",
            "config",
            "control",
            "dispatch",
            "engine",
            "gateway",
            "http",
            "keys",
            "postgres",
            "records",
            "scheduler",
            "server",
        ],
    ),
    (
        "config",
        &[
            "cli",
            "control",
            "dispatch",
            "engine",
            "gateway",
            "http",
            "registry",
            "scheduler",
            "server",
        ],
    ),
];

#[test]
fn modules_of_the_runtime_use_only_what_they_may() {
    let mut found = Vec::new();
    for (module, never) in NEVER {
        for source in sources(&format!("runtime/src/{module}"), ".rs") {
            // A test may hold its module against the whole.
            if is_test(&source.path) {
                continue;
            }
            let code = source
                .text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap();
            for (number, line) in code.lines().enumerate() {
                if line.trim_start().starts_with("//") {
                    continue;
                }
                let uses = never.iter().filter(|other| names(line, other));
                found.extend(uses.map(|other| {
                    format!(
                        "{}:{}: {module} never uses {other}",
                        source.path,
                        number + 1
                    )
                }));
            }
        }
    }
    none(found, "over a fence");
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("/attacks.rs")
}

/// Whether the line mentions that module of the crate.
fn names(line: &str, module: &str) -> bool {
    let path = format!("crate::{module}");
    line.match_indices(&path).any(|(at, _)| {
        let after = line[at + path.len()..].chars().next();
        !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn only_the_registry_and_postgres_speak_sql_of_the_control_plane() {
    let mut found = Vec::new();
    for source in sources("runtime/src", ".rs") {
        // What is imported is another Postgres' catalogue.
        let may = ["registry", "postgres", "scheduler", "server", "import"];
        let allowed = may
            .iter()
            .any(|module| source.path.starts_with(&format!("runtime/src/{module}/")));
        if !allowed && !is_test(&source.path) && source.text.contains("sqlx::") {
            found.push(source.path);
        }
    }
    none(found, "sqlx is for the control plane's own modules");
}

#[test]
fn only_config_reads_the_environment() {
    let words = [
        concat!("env::", "var("),
        concat!("env::", "var_os("),
        concat!("env::", "vars("),
    ];
    let mut found = Vec::new();
    for folder in ["runtime/src", "host-api/src", "host-api/policy/src"] {
        for source in sources(folder, ".rs") {
            let reads = words.iter().any(|word| source.text.contains(word));
            if reads && !source.path.starts_with("runtime/src/config/") {
                found.push(source.path);
            }
        }
    }
    none(found, "the environment is read in runtime/src/config alone");
}
