//! What components may import here, and what to say of an import that they may not.

use super::inspect::{Handler, Surface};

/// Interfaces in the linker, without their versions, and the version tracks that are there.
/// Within a track a component may ask for any release: WASI 0.2.0 is served by 0.2.12.
const PROVIDED: &[(&str, &[&str], &[&str])] = &[
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
        &["0.2", "0.3"],
    ),
    ("wasi:cli", &["types"], &["0.3"]),
    ("wasi:clocks", &["monotonic-clock"], &["0.2", "0.3"]),
    ("wasi:clocks", &["wall-clock"], &["0.2"]),
    ("wasi:clocks", &["system-clock", "types"], &["0.3"]),
    ("wasi:filesystem", &["types", "preopens"], &["0.2", "0.3"]),
    ("wasi:http", &["types"], &["0.2", "0.3"]),
    ("wasi:http", &["outgoing-handler"], &["0.2"]),
    ("wasi:http", &["client"], &["0.3"]),
    ("wasi:io", &["error", "poll", "streams"], &["0.2"]),
    (
        "wasi:random",
        &["random", "insecure", "insecure-seed"],
        &["0.2", "0.3"],
    ),
    ("wasi:sockets", &["ip-name-lookup"], &["0.2", "0.3"]),
    ("wasi:sockets", &["types"], &["0.3"]),
    (
        "wasi:sockets",
        &[
            "instance-network",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
        &["0.2"],
    ),
    (
        "koyalite:host",
        &[
            "types", "tables", "vectors", "webhooks", "email", "files", "identity", "log", "config",
        ],
        &["0.1"],
    ),
    (
        "koyalite:host-sync",
        &[
            "types", "tables", "vectors", "webhooks", "email", "files", "identity", "log", "config",
        ],
        &["0.1"],
    ),
];

/// Every import that this host lacks, each with a word on what would do instead.
#[must_use]
pub fn missing(surface: &Surface) -> Vec<String> {
    surface
        .imports
        .iter()
        .filter_map(|name| complaint(name))
        .collect()
}

/// Interfaces with functions that have to be awaited. The others of `koyalite:host` answer at once,
/// so anybody may call them.
const ASYNC: &[&str] = &[
    "koyalite:host/tables",
    "koyalite:host/vectors",
    "koyalite:host/webhooks",
    "koyalite:host/email",
    "koyalite:host/files",
];

/// Imports with async functions of a component in which nothing can wait for them: a 0.2 handler is
/// a synchronous task, and such a call would trap. `scheduled` is async, so beside it they are fine.
#[must_use]
pub fn never_awaited(surface: &Surface) -> Vec<String> {
    if surface.handler != Handler::P2 || surface.scheduled {
        return Vec::new();
    }
    let interface = |name: &str| {
        name.split_once('@')
            .map_or(name.to_owned(), |n| n.0.to_owned())
    };
    let is_async = |name: &&String| ASYNC.contains(&interface(name).as_str());
    let imports = surface.imports.iter().filter(is_async);
    imports.map(|name| format!("`{name}`")).collect()
}

/// Whether an import is there only for components with tasks.
#[must_use]
pub fn has_tasks(name: &str) -> bool {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    ASYNC.contains(&interface) || (interface.starts_with("wasi:") && version.starts_with("0.3."))
}

/// What is wrong with one import, or nothing.
fn complaint(name: &str) -> Option<String> {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    let (package, member) = interface.split_once('/').unwrap_or((interface, ""));
    let tracks: Vec<&str> = PROVIDED
        .iter()
        .filter(|(known, members, _)| *known == package && members.contains(&member))
        .flat_map(|(_, _, tracks)| tracks.iter().copied())
        .collect();
    if tracks.is_empty() {
        return Some(format!("`{name}`"));
    }
    if let Some((release, _)) = version.split_once('-') {
        return Some(format!(
            "`{name}` (a release candidate; build against {release})"
        ));
    }
    let on_track = |track: &&&str| {
        version
            .strip_prefix(**track)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if tracks.iter().any(|track| on_track(&track)) {
        return None;
    }
    let tracks = tracks.join(" and ");
    Some(format!("`{name}` (this host has version {tracks})"))
}

#[cfg(test)]
mod tests {
    use wasmtime::component::{Component, Linker};

    use super::*;
    use crate::engine::kind::Kind;
    use crate::engine::state::State;
    use crate::engine::{config, link};

    #[test]
    fn a_missing_import_is_explained() {
        for (name, said) in [
            ("wasi:http/types@0.3.0", None),
            ("wasi:io/poll@0.2.0", None),
            (
                "wasi:http/types@0.3.0-rc-2026-03-15",
                Some("release candidate; build against 0.3.0"),
            ),
            ("wasi:http/types@0.4.0", Some("has version 0.2 and 0.3")),
            ("wasi:io/poll@0.20.0", Some("has version 0.2")),
            ("acme:kv/store@1.0.0", Some("`acme:kv/store@1.0.0`")),
            ("env", Some("`env`")),
        ] {
            match (complaint(name), said) {
                (None, None) => {}
                (Some(text), Some(said)) => assert!(text.contains(said), "{name}: {text}"),
                (text, _) => panic!("{name}: {text:?}"),
            }
        }
    }

    fn surface(handler: Handler, scheduled: bool, import: &str) -> Surface {
        Surface {
            imports: vec![import.to_owned()],
            exports: Vec::new(),
            handler,
            scheduled,
            sync_host: false,
            languages: std::collections::BTreeSet::new(),
        }
    }

    #[test]
    fn only_what_can_wait_imports_what_has_to_be_awaited() {
        let refused = |handler, scheduled, import| {
            !never_awaited(&surface(handler, scheduled, import)).is_empty()
        };
        let tables = "koyalite:host/tables@0.1.0";
        assert!(refused(Handler::P2, false, tables));
        assert!(!refused(Handler::P3, false, tables));
        assert!(!refused(Handler::P2, true, tables));
        assert!(!refused(Handler::P2, false, "koyalite:host/identity@0.1.0"));
        assert!(!refused(
            Handler::P2,
            false,
            "koyalite:host-sync/tables@0.1.0"
        ));
    }

    #[test]
    fn the_async_interfaces_are_those_of_the_wit() {
        for (package, members, _) in PROVIDED
            .iter()
            .filter(|(name, ..)| *name == "koyalite:host")
        {
            for member in *members {
                let path = format!("{}/../wit/host/{member}.wit", env!("CARGO_MANIFEST_DIR"));
                let waits = std::fs::read_to_string(path)
                    .unwrap()
                    .contains("async func");
                let listed = ASYNC.contains(&format!("{package}/{member}").as_str());
                assert_eq!(waits, listed, "{member}");
            }
        }
    }

    /// A function or resource of each interface, for every track: an import without any is satisfied by
    /// an interface that nobody provides. Those that are only types are not here.
    const FOUND: &[(&str, &[&str])] = &[
        ("wasi:cli/environment", &["get-environment"]),
        ("wasi:cli/exit", &["exit"]),
        ("wasi:cli/stdin", &["get-stdin", "read-via-stream"]),
        ("wasi:cli/stdout", &["get-stdout", "write-via-stream"]),
        ("wasi:cli/stderr", &["get-stderr", "write-via-stream"]),
        ("wasi:cli/terminal-input", &["terminal-input"]),
        ("wasi:cli/terminal-output", &["terminal-output"]),
        ("wasi:cli/terminal-stdin", &["get-terminal-stdin"]),
        ("wasi:cli/terminal-stdout", &["get-terminal-stdout"]),
        ("wasi:cli/terminal-stderr", &["get-terminal-stderr"]),
        ("wasi:clocks/monotonic-clock", &["now"]),
        ("wasi:clocks/wall-clock", &["now"]),
        ("wasi:clocks/system-clock", &["now"]),
        ("wasi:filesystem/types", &["descriptor"]),
        ("wasi:filesystem/preopens", &["get-directories"]),
        ("wasi:http/types", &["fields"]),
        ("wasi:http/outgoing-handler", &["handle"]),
        ("wasi:http/client", &["send"]),
        ("wasi:io/error", &["error"]),
        ("wasi:io/poll", &["pollable"]),
        ("wasi:io/streams", &["input-stream"]),
        ("wasi:random/random", &["get-random-bytes"]),
        ("wasi:random/insecure", &["get-insecure-random-bytes"]),
        (
            "wasi:random/insecure-seed",
            &["insecure-seed", "get-insecure-seed"],
        ),
        ("wasi:sockets/ip-name-lookup", &["resolve-addresses"]),
        ("wasi:sockets/types", &["tcp-socket"]),
        ("wasi:sockets/instance-network", &["instance-network"]),
        ("wasi:sockets/network", &["network"]),
        ("wasi:sockets/tcp", &["tcp-socket"]),
        ("wasi:sockets/tcp-create-socket", &["create-tcp-socket"]),
        ("wasi:sockets/udp", &["udp-socket"]),
        ("wasi:sockets/udp-create-socket", &["create-udp-socket"]),
        ("koyalite:host/tables", &["select"]),
        ("koyalite:host/vectors", &["search"]),
        ("koyalite:host/webhooks", &["emit"]),
        ("koyalite:host/email", &["send"]),
        ("koyalite:host/files", &["get", "upload"]),
        ("koyalite:host/identity", &["current"]),
        ("koyalite:host/log", &["write"]),
        ("koyalite:host/config", &["get"]),
    ];
    const ONLY_TYPES: &[&str] = &["wasi:cli/types", "wasi:clocks/types", "koyalite:host/types"];

    /// Whether the linker has something of this name there, as a function or as a resource.
    fn has(linker: &Linker<State>, interface: &str, name: &str) -> bool {
        let kinds = ["(func)", "(type (sub resource))"];
        kinds.into_iter().any(|kind| {
            let text = format!(
                "(component (import \"{interface}\" (instance (export \"{name}\" {kind}))))"
            );
            let component = Component::new(linker.engine(), wat::parse_str(text).unwrap());
            // Of another type it is there as well.
            let error = linker.instantiate_pre(&component.unwrap()).err();
            error.is_none_or(|error| !format!("{error:#}").contains("implementation is missing"))
        })
    }

    #[test]
    fn everything_listed_is_in_the_linker_of_its_kind_and_nothing_else_is() {
        let engine = config::compiling(Kind::Concurrent).unwrap();
        let linker = link::linker(Kind::Concurrent, &engine).unwrap();
        assert!(!has(&linker, "wasi:io/poll@0.2.0", "poll-nothing"));
        assert!(!has(&linker, "wasi:http/client@0.2.0", "send"));
        for kind in Kind::ALL {
            let engine = config::compiling(kind).unwrap();
            let linker = link::linker(kind, &engine).unwrap();
            let provided = PROVIDED.iter().flat_map(|(package, members, tracks)| {
                let interfaces = members
                    .iter()
                    .map(move |member| format!("{package}/{member}"));
                interfaces.flat_map(|interface| tracks.iter().map(move |t| (interface.clone(), t)))
            });
            for (interface, track) in provided {
                let listed = interface.replace("host-sync", "host");
                if ONLY_TYPES.contains(&listed.as_str()) {
                    continue;
                }
                let found = FOUND.iter().find(|(known, _)| *known == listed);
                let (_, names) = found.unwrap_or_else(|| panic!("{interface} is not in the table"));
                let name = format!("{interface}@{track}.0");
                let is_there = names.iter().any(|member| has(&linker, &name, member));
                let belongs = kind == Kind::Concurrent || !has_tasks(&name);
                assert_eq!(is_there, belongs, "{kind:?} {name}");
            }
        }
    }
}
