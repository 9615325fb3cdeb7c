//! A path and a host: what they mean is decided without a panic, and never rewrites the path.
#![no_main]

use http::Method;
use koyalite_runtime::gateway::find::find;
use koyalite_runtime::gateway::route::{RequestKind, route};
use libfuzzer_sys::fuzz_target;

const DECLARED: [&str; 5] = ["/api/v1/users", "/api/v1", "/hello-world", "/hello", "/"];

fuzz_target!(|input: (&str, &str)| {
    let (host, path) = input;
    // The listener takes no other target.
    if !path.starts_with('/') {
        return;
    }
    let Ok(RequestKind::Invoke(target)) = route(&Method::GET, host, path, "localhost") else {
        return;
    };
    let whole = format!("{}{}", target.prefix, target.rest);
    assert!(
        whole == path || whole == format!("{path}/"),
        "{path} became {whole}"
    );
    assert!(
        !target
            .rest
            .split('/')
            .any(|segment| segment == ".." || segment == ".")
    );
    let declared = DECLARED.iter().map(|declared| (*declared, *declared));
    if let Some(found) = find(declared, target.rest) {
        assert!(target.rest.starts_with(found.matched));
        let after = &target.rest[found.matched.len()..];
        assert!(
            after.is_empty() || after.starts_with('/'),
            "{path} matched {found:?}"
        );
    }
});
