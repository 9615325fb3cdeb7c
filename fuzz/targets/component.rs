//! An upload: what it imports and exports is read without a panic, and whatever passes that is
//! compiled or refused. In the product a child with limits compiles; here the fuzzer has them.
#![no_main]

use koyalite_runtime::engine::{compile, survey};
use libfuzzer_sys::fuzz_target;

/// The compiler's time grows with the input, and long inputs say nothing that short ones do not.
const COMPILED_BYTES_MAX: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    let surveyed = survey(bytes);
    if let Err(error) = &surveyed {
        assert!(!error.to_string().is_empty());
    }
    if bytes.len() <= COMPILED_BYTES_MAX && bytes.starts_with(b"\0asm") {
        let _ = compile::compile_here(bytes);
    }
});
