//! `koyalite compile`: the hidden child that turns one component into native code.

use std::process::ExitCode;

/// Hands over to the engine, which owns the protocol between parent and child.
pub(super) fn run() -> ExitCode {
    crate::engine::compile::child_main()
}
