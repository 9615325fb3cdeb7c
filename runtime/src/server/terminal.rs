//! Records on the terminal: what a guest prints goes where it would go without us, and a call that
//! failed is told on standard error. Nothing is kept.

use std::io::Write as _;

use crate::records::{InvocationRecord, InvocationRef, Ledger, Level, Outcome};

/// Standard output and error.
pub(super) struct Terminal;

impl Ledger for Terminal {
    fn guest_line(&self, _: InvocationRef, level: Level, mut message: String) {
        message.push('\n');
        // A terminal that is gone is no reason to stop serving.
        drop(match level {
            Level::Debug | Level::Info => std::io::stdout().write_all(message.as_bytes()),
            Level::Warn | Level::Error => std::io::stderr().write_all(message.as_bytes()),
        });
    }

    fn invocation(&self, record: InvocationRecord) {
        match record.outcome {
            Outcome::Answered(_) | Outcome::Ran => {}
            Outcome::Failed { reason, .. } => {
                let line = format!("a call failed: {reason}\n");
                drop(std::io::stderr().write_all(line.as_bytes()));
            }
        }
    }
}
