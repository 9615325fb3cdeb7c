//! Paths of files, and the headers of requests for one: read without a panic, and a path that is taken is one
//! that every system reads alike.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use koyalite_host_api::files::FilePath;
use koyalite_runtime::gateway::try_file_headers;
use libfuzzer_sys::fuzz_target;

/// Names that are read, so that the fuzzer need not guess them.
const NAMES: [&str; 10] = [
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "content-type",
    "tus-resumable",
    "upload-length",
    "upload-offset",
    "upload-metadata",
    "upload-checksum",
];

fuzz_target!(|input: (&str, Vec<(u8, &[u8])>, u32)| {
    let (path, wanted, size) = input;
    check_path(path);
    let mut headers = HeaderMap::new();
    for (choice, value) in wanted.iter().take(32) {
        let name = NAMES[usize::from(*choice) % NAMES.len()];
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    if let Some(range) = try_file_headers(&headers, size.into()) {
        assert!(range.start < range.end && range.end <= u64::from(size));
    }
});

fn check_path(text: &str) {
    let path: FilePath = match text.parse() {
        Ok(path) => path,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let kept = path.as_str();
    assert!(!kept.is_empty() && kept.len() <= 1024, "{kept:?}");
    assert!(!kept.chars().any(char::is_control), "{kept:?}");
    assert!(
        !kept.contains('\\') && !kept.starts_with(".koyalite"),
        "{kept:?}"
    );
    for segment in kept.split('/') {
        assert!(!matches!(segment, "" | "." | ".."), "{kept:?}");
        assert!(segment.len() <= 255, "{kept:?}");
    }
    // What is kept is read as itself.
    let again: FilePath = kept.parse().expect("a path that was taken");
    assert_eq!(again.as_str(), kept);
    assert_eq!(again.folded(), path.folded());
}
