//! `koyalite compile`: the hidden child that turns one component into native code.

use std::process::ExitCode;

use crate::engine::compile::{Priority, child_main};

/// Hands over to the engine, which owns the protocol between parent and child.
pub(super) fn run(idle: bool) -> ExitCode {
    child_main(match idle {
        true => Priority::Idle,
        false => Priority::Usual,
    })
}
