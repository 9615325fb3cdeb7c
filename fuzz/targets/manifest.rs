//! Manifests: TOML and JSON of any kind are read or refused, and what is read stays what it is.
#![no_main]

use koyalite_runtime::registry::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for manifest in [
        Manifest::parse_toml(text),
        Manifest::parse_json(text.as_bytes()),
    ] {
        match manifest {
            Ok(manifest) => {
                assert!(manifest.path.starts_with('/'), "{manifest:?}");
                assert_eq!(manifest.hash(), manifest.clone().hash());
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
