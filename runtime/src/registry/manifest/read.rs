//! Reading a manifest: every field once, every mistake at once.
//!
//! Pure. TOML and JSON meet in one JSON value, whose objects are read through `fields`.

use std::collections::{BTreeMap, BTreeSet};

use koyalite_policy::FunctionName;
use serde_json::Value as Json;

use super::fields::Fields;
use super::{Isolation, Limits, Manifest, Outbound, Verify, schedules};
use crate::egress::AllowList;
use crate::registry::deploy::affinity::Affinity;
use crate::registry::error::{Mistake, RegistryError, refuse_if_any};
use crate::registry::secrets::SecretName;

/// Config is read at start-up by many guests; these keep it within one page of memory or so.
const CONFIG_ENTRIES_MAX: usize = 100;
const CONFIG_KEY_BYTES_MAX: usize = 64;
const CONFIG_VALUE_BYTES_MAX: usize = 8 * 1024;

/// A deployment names its regions one by one; an installation has a handful.
const REGIONS_MAX: usize = 50;

pub(super) fn toml_value(text: &str) -> Result<Json, RegistryError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let message = format!("not TOML: {}", error.message());
        let mistake = Mistake::new("", message).at(line as u64, column as u64);
        RegistryError::Invalid {
            errors: vec![mistake],
        }
    })
}

pub(super) fn json_value(bytes: &[u8]) -> Result<Json, RegistryError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let mistake = Mistake::new("", format!("not JSON: {error}"))
            .at(error.line() as u64, error.column() as u64);
        RegistryError::Invalid {
            errors: vec![mistake],
        }
    })
}

pub(super) fn manifest(value: &Json) -> Result<Manifest, RegistryError> {
    let mut mistakes = Vec::new();
    let manifest = read(value, &mut mistakes);
    refuse_if_any(mistakes)?;
    manifest.ok_or_else(|| RegistryError::invalid("", "a manifest is a table of fields"))
}

fn read(value: &Json, mistakes: &mut Vec<Mistake>) -> Option<Manifest> {
    let mut fields = Fields::of(value, "", mistakes)?;
    let name = match fields.text("name") {
        None => fields.wrong("name", "write the function's name").none(),
        Some(text) => match text.parse::<FunctionName>() {
            Ok(name) => Some(name),
            Err(error) => fields.wrong("name", error).none(),
        },
    };
    let component = fields.text("component").map(str::to_owned);
    let path = fields.path("path");
    let region = region(&mut fields);
    let isolation = fields.word(
        "isolation",
        &[
            ("request", Isolation::Request),
            ("shared", Isolation::Shared),
        ],
    );
    let verify = fields.word(
        "verify",
        &[
            ("optional", Verify::Optional),
            ("required", Verify::Required),
        ],
    );
    let affinity = affinity(&mut fields);
    let limits = fields.inner("limits", limits).unwrap_or_default();
    let config = fields.inner("config", config).unwrap_or_default();
    let secrets = secrets(&mut fields, &config);
    let outbound = fields.inner("outbound", outbound).unwrap_or_default();
    let schedules = schedules::list(&mut fields);
    fields.finish();
    let name = name?;
    Some(Manifest {
        component,
        path: path.unwrap_or_else(|| format!("/{name}")),
        region,
        isolation: isolation.unwrap_or_default(),
        verify: verify.unwrap_or_default(),
        affinity,
        limits,
        config,
        secrets,
        outbound,
        schedules,
        name,
    })
}

fn affinity(fields: &mut Fields<'_>) -> Option<String> {
    match fields.text("affinity")?.parse::<Affinity>() {
        Ok(affinity) => Some(affinity.to_string()),
        Err(error) => fields.wrong("affinity", error).none(),
    }
}

fn region(fields: &mut Fields<'_>) -> Vec<String> {
    let all = || vec!["*".to_owned()];
    let given = match fields.take("region") {
        None => return all(),
        Some(Json::String(one)) => vec![one.clone()],
        Some(Json::Array(list)) if list.iter().all(Json::is_string) => list
            .iter()
            .filter_map(Json::as_str)
            .map(str::to_owned)
            .collect(),
        Some(_) => {
            fields.wrong("region", "write a region's name, a list of them, or \"*\"");
            return all();
        }
    };
    let named = |name: &str| {
        name == "*"
            || (name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.len() <= 63
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
    };
    if given.is_empty() || given.len() > REGIONS_MAX {
        fields.wrong(
            "region",
            format!("name 1 to {REGIONS_MAX} regions, or write \"*\""),
        );
    }
    if let Some(bad) = given.iter().find(|name| !named(name)) {
        fields.wrong(
            "region",
            format!("{bad:?} is not a region; write a name such as eu-west"),
        );
    }
    // Order and repetition mean nothing, so they must not make another version.
    let unique: BTreeSet<String> = given.into_iter().collect();
    match unique.contains("*") {
        true => all(),
        false => unique.into_iter().collect(),
    }
}

fn limits(fields: &mut Fields<'_>) -> Limits {
    let (usual, cap) = (Limits::DEFAULT, Limits::CAP);
    let limits = Limits {
        memory_mib: fields.whole("memory_mib", usual.memory_mib, cap.memory_mib),
        cpu_ms: fields.whole("cpu_ms", usual.cpu_ms, cap.cpu_ms),
        first_byte_ms: fields.whole("first_byte_ms", usual.first_byte_ms, cap.first_byte_ms),
        silence_ms: fields.whole("silence_ms", usual.silence_ms, cap.silence_ms),
        wall_ms: fields.whole("wall_ms", usual.wall_ms, cap.wall_ms),
        body_mib: fields.whole("body_mib", usual.body_mib, cap.body_mib),
        concurrency: fields.perhaps_whole("concurrency", cap.concurrency.unwrap_or(u64::MAX)),
        host_calls: fields.whole("host_calls", usual.host_calls, cap.host_calls),
        outbound_requests: fields.whole(
            "outbound_requests",
            usual.outbound_requests,
            cap.outbound_requests,
        ),
        log_kib: fields.whole("log_kib", usual.log_kib, cap.log_kib),
        select_rows: fields.whole("select_rows", usual.select_rows, cap.select_rows),
        statement_ms: fields.whole("statement_ms", usual.statement_ms, cap.statement_ms),
        outbound_ms: fields.whole("outbound_ms", usual.outbound_ms, cap.outbound_ms),
    };
    fields.finish();
    limits
}

fn config(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let mut config = BTreeMap::new();
    let entries: Vec<(&String, &Json)> = fields.rest();
    if entries.len() > CONFIG_ENTRIES_MAX {
        fields.wrong("", format!("at most {CONFIG_ENTRIES_MAX} entries"));
    }
    for (key, value) in entries {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if key.is_empty() || key.len() > CONFIG_KEY_BYTES_MAX || !key.bytes().all(plain) {
            fields.wrong(key, format!(
                "a key has 1 to {CONFIG_KEY_BYTES_MAX} letters, digits, dots, dashes or underscores"
            ));
        }
        match value {
            Json::String(text) if text.len() <= CONFIG_VALUE_BYTES_MAX => {
                config.insert(key.clone(), text.clone());
            }
            Json::String(_) => {
                fields.wrong(
                    key,
                    format!("a value has at most {CONFIG_VALUE_BYTES_MAX} bytes"),
                );
            }
            _ => {
                fields.wrong(key, "config values are text; put it in quotes");
            }
        }
    }
    config
}

fn secrets(fields: &mut Fields<'_>, config: &BTreeMap<String, String>) -> Vec<String> {
    let given = match fields.take("secrets") {
        None => return Vec::new(),
        Some(Json::Array(list)) if list.iter().all(Json::is_string) => list,
        Some(_) => {
            fields.wrong("secrets", "write a list of names, such as [\"STRIPE_KEY\"]");
            return Vec::new();
        }
    };
    if given.len() > CONFIG_ENTRIES_MAX {
        fields.wrong("secrets", format!("at most {CONFIG_ENTRIES_MAX} names"));
    }
    // Order and repetition mean nothing, so they must not make another version.
    let unique: BTreeSet<&str> = given.iter().filter_map(Json::as_str).collect();
    for name in &unique {
        match name.parse::<SecretName>() {
            Ok(_) if config.contains_key(*name) => {
                fields.wrong(
                    "secrets",
                    format!("{name} is in [config] too; leave it in one"),
                );
            }
            Ok(_) => {}
            Err(error) => {
                fields.wrong("secrets", format!("{name:?}: {error}"));
            }
        }
    }
    unique.into_iter().map(str::to_owned).collect()
}

fn outbound(fields: &mut Fields<'_>) -> Outbound {
    let mut allow: Vec<String> = Vec::new();
    match fields.take("allow") {
        None => {}
        Some(Json::Array(list)) if list.iter().all(Json::is_string) => {
            allow.extend(list.iter().filter_map(Json::as_str).map(str::to_owned));
        }
        Some(_) => {
            fields.wrong(
                "allow",
                "write a list of origins such as \"https://api.example.com\"",
            );
        }
    }
    if let Err(error) = AllowList::parse(&allow) {
        fields.wrong("allow", error);
    }
    fields.finish();
    Outbound { allow }
}
