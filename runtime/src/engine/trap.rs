//! What a trap means: whose fault, in which words.

use wasmtime::Trap;

use super::error::InvokeError;
use super::limits::MemoryLimiter;

/// Turns what wasmtime says into what we say. The limiter knows better than the trap's text
/// whether it was memory.
pub(super) fn classify(error: &wasmtime::Error, limiter: &MemoryLimiter) -> InvokeError {
    if let Some(limit_bytes) = limiter.breach() {
        return InvokeError::MemoryLimit { limit_bytes };
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return InvokeError::Trapped {
            reason: trap.to_string(),
        };
    }
    if error.is::<wasmtime_wasi::I32Exit>() {
        return InvokeError::Trapped {
            reason: "the guest called exit".to_owned(),
        };
    }
    if let Some(code) = error.downcast_ref::<wasmtime_wasi_http::Error>() {
        return InvokeError::GuestError {
            code: code.to_string(),
        };
    }
    InvokeError::Trapped {
        reason: first_line(&error.root_cause().to_string()),
    }
}

/// One line of at most 200 characters.
pub(super) fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}
