//! What a trap means: whose fault, in which words.

use std::sync::Arc;

use koyalite_host_api::{GuestLog, LogLevel};
use wasmtime::component::ResourceTableError;
use wasmtime::{FrameInfo, Trap, WasmBacktrace};
use wasmtime_wasi_http::FieldMapError;

use super::error::InvokeError;
use super::limits;

/// Turns what wasmtime says into what we say. The limiter (`breach`) knows better than the trap's
/// text whether it was memory.
pub(super) fn classify(error: &wasmtime::Error, breach: Option<usize>) -> InvokeError {
    if let Some(limit_bytes) = breach {
        return InvokeError::MemoryLimit { limit_bytes };
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return InvokeError::Trapped {
            reason: trap.to_string(),
            frames: frames(error),
        };
    }
    if let Some(error) = guest_error(error) {
        return error;
    }
    if error.is::<wasmtime_wasi::I32Exit>() {
        return InvokeError::Trapped {
            reason: "the guest called exit".to_owned(),
            frames: frames(error),
        };
    }
    if let Some(code) = error.downcast_ref::<wasmtime_wasi_http::Error>() {
        return InvokeError::GuestError {
            code: code.to_string(),
        };
    }
    InvokeError::Trapped {
        reason: limit(error).unwrap_or_else(|| first_line(&error.root_cause().to_string())),
        frames: frames(error),
    }
}

/// Where in the guest it happened, innermost first, by the names that its toolchain left in it.
fn frames(error: &wasmtime::Error) -> Arc<[String]> {
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let frames = backtrace.map(WasmBacktrace::frames).unwrap_or_default();
    frames.iter().map(frame).collect()
}

fn frame(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}, which has no name", frame.func_index()),
    }
}

/// Writes down where a guest trapped, if that is how its call ended.
pub(super) fn tell(log: &GuestLog, error: Option<&InvokeError>) {
    let Some(InvokeError::Trapped { reason, frames }) = error else {
        return;
    };
    log.note(LogLevel::Error, &format!("trapped: {reason}"));
    for (at, frame) in frames.iter().enumerate() {
        log.note(LogLevel::Error, &format!("{at:>4}: {frame}"));
    }
}

/// A limit of the engine's that no manifest raises, in our words: wasmtime does not know its value.
fn limit(error: &wasmtime::Error) -> Option<String> {
    let full = error.downcast_ref::<ResourceTableError>();
    if matches!(full, Some(ResourceTableError::Full)) {
        let (handles, tasks) = (limits::RESOURCES_MAX, limits::TASKS_MAX);
        return Some(format!(
            "the instance held {handles} streams, headers and the like, or {tasks} subtasks, and asked \
             for one more; let go of those that are done with"
        ));
    }
    let large = error.downcast_ref::<FieldMapError>();
    matches!(large, Some(FieldMapError::TotalSizeTooBig)).then(|| {
        let most = limits::FIELDS_BYTES_MAX >> 10;
        format!(
            "headers or trailers of more than {most} KiB, with 72 bytes for each beside its own"
        )
    })
}

/// An error that the guest chose in place of a response, or its silence. None for a trap.
pub(super) fn guest_error(error: &wasmtime::Error) -> Option<InvokeError> {
    use wasmtime_wasi_http::{p2, p3};
    if error.is::<Trap>() {
        return None;
    }
    if let Some(code) = error.downcast_ref::<p3::bindings::http::types::ErrorCode>() {
        return Some(InvokeError::GuestError {
            code: format!("{code:?}"),
        });
    }
    if let Some(code) = error.downcast_ref::<p2::bindings::http::types::ErrorCode>() {
        return Some(InvokeError::GuestError {
            code: format!("{code:?}"),
        });
    }
    // The only other error without a trap: wasi:http says so in words, not in a type.
    (error.root_cause().to_string().contains("never invoked")).then_some(InvokeError::NoResponse)
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
