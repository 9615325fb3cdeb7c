//! A bounce, which comes from strangers: read without a panic, and what it says of a message is short and
//! on one line.
#![no_main]

use koyalite_runtime::delivery::mail::bounce;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| match bounce::read(bytes) {
    Ok(report) => {
        assert!(report.reason.chars().count() <= 500);
        assert!(!report.reason.chars().any(char::is_control));
        let id = report.message.simple().to_string();
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        assert!(text.contains(&id), "a message that it does not name");
    }
    Err(error) => assert!(!error.to_string().is_empty()),
});
