//! The compiling child: `koyalite compile`, hidden. Component bytes in on standard input, native code
//! out on standard output. It limits itself before it reads a byte and has an empty environment.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use super::room;
use crate::engine::config;

/// Address space of the child: a 64 MiB component at full size needs well under half of it.
const ADDRESS_SPACE_BYTES: u64 = 2 << 30;

/// CPU seconds of the child. A 13 MB JavaScript engine takes about ten.
pub(super) const CPU_SECONDS: u64 = 60;

/// Exit code for a component that does not validate; the reason is on standard error.
pub(super) const EXIT_INVALID: u8 = 3;

/// Runs the child to its end.
#[must_use]
pub fn child_main() -> ExitCode {
    limit_self();
    let mut bytes = Vec::new();
    if std::io::stdin().lock().read_to_end(&mut bytes).is_err() {
        return ExitCode::FAILURE;
    }
    match compile_here(&bytes) {
        Ok(code) => match std::io::stdout().lock().write_all(&code) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(NotCompiled::Engine) => ExitCode::FAILURE,
        Err(NotCompiled::Invalid(reason)) => {
            drop(writeln!(std::io::stderr(), "{reason}"));
            ExitCode::from(EXIT_INVALID)
        }
    }
}

/// Why there is no native code.
#[derive(Debug, PartialEq, Eq)]
pub enum NotCompiled {
    /// This machine cannot compile.
    Engine,
    /// What the validator or the compiler said.
    Invalid(String),
}

/// Compiles in this process, which has set its own limits.
///
/// # Errors
/// When the bytes are no valid component.
pub fn compile_here(bytes: &[u8]) -> Result<Vec<u8>, NotCompiled> {
    let engine = config::compiling().map_err(|_| NotCompiled::Engine)?;
    let roomy = room::with_room(bytes);
    engine
        .precompile_component(roomy.as_deref().unwrap_or(bytes))
        .map_err(|error| NotCompiled::Invalid(error.root_cause().to_string()))
}

/// Lowers what this process may use. A limit that the system refuses to set is not fatal: the
/// parent's clock still ends us.
fn limit_self() {
    let limit = |value: u64| libc::rlimit {
        rlim_cur: value,
        rlim_max: value,
    };
    let (memory, cpu, core) = (limit(ADDRESS_SPACE_BYTES), limit(CPU_SECONDS), limit(0));
    // SAFETY: plain system calls on this process with valid, local arguments; no thread but this
    // one exists yet.
    #[expect(
        unsafe_code,
        reason = "there is no safe binding for limits on the own process"
    )]
    unsafe {
        libc::setrlimit(libc::RLIMIT_AS, &raw const memory);
        libc::setrlimit(libc::RLIMIT_CPU, &raw const cpu);
        libc::setrlimit(libc::RLIMIT_CORE, &raw const core);
        libc::nice(19);
        #[cfg(target_os = "linux")]
        {
            let parameters = libc::sched_param { sched_priority: 0 };
            libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters);
        }
    }
}
