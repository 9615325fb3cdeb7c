//! The compiling child: `koyalite compile`, hidden. Component bytes in on standard input, native code
//! with its tag out on standard output. It limits itself before it reads a byte and has an empty environment.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use super::room;
use crate::engine::aside::NICE;
use crate::engine::config;
use crate::engine::inspect::inspect;
use crate::engine::kind::Kind;

/// Address space of the child: a 64 MiB component at full size needs well under half of it.
const ADDRESS_SPACE_BYTES: u64 = 2 << 30;

/// CPU seconds of the child. A 13 MB JavaScript engine takes about ten.
pub(super) const CPU_SECONDS: u64 = 60;

/// Exit code for a component that does not validate; the reason is on standard error.
pub(super) const EXIT_INVALID: u8 = 3;

/// How a compilation stands to what else the machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Behind everything, as long as there are idle moments.
    Idle,
    /// Beside everything, giving way.
    Usual,
}

/// Runs the child to its end.
#[must_use]
pub fn child_main(priority: Priority) -> ExitCode {
    limit_self();
    give_way(priority);
    let mut bytes = Vec::new();
    if std::io::stdin().lock().read_to_end(&mut bytes).is_err() {
        return ExitCode::FAILURE;
    }
    match compile_here(&bytes) {
        Ok(compiled) => match compiled.write() {
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

/// Native code, and what it is for.
#[derive(Debug)]
pub struct Compiled {
    /// The engine that runs it.
    pub kind: Kind,
    /// The code.
    pub code: Vec<u8>,
}

impl Compiled {
    fn write(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(&[self.kind.tag()])?;
        out.write_all(&self.code)
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
pub fn compile_here(bytes: &[u8]) -> Result<Compiled, NotCompiled> {
    let roomy = room::with_room(bytes);
    let bytes = roomy.as_deref().unwrap_or(bytes);
    // Whether it has tasks inside is the compiler's to say: it reads all types before it compiles a line.
    if inspect(bytes).is_ok_and(|surface| surface.may_be_sequential())
        && let Ok(compiled) = compile_for(Kind::Sequential, bytes)
    {
        return Ok(compiled);
    }
    compile_for(Kind::Concurrent, bytes)
}

fn compile_for(kind: Kind, bytes: &[u8]) -> Result<Compiled, NotCompiled> {
    let engine = config::compiling(kind).map_err(|_| NotCompiled::Engine)?;
    let code = engine.precompile_component(bytes);
    let code = code.map_err(|error| NotCompiled::Invalid(error.root_cause().to_string()))?;
    Ok(Compiled { kind, code })
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
    }
}

fn give_way(priority: Priority) {
    let nice = match priority {
        Priority::Idle => 19,
        // As calls that take long have it.
        Priority::Usual => NICE,
    };
    // SAFETY: plain system calls on this process with a valid, local argument.
    #[expect(
        unsafe_code,
        reason = "there is no safe binding for the priority of the own process"
    )]
    unsafe {
        libc::nice(nice);
        #[cfg(target_os = "linux")]
        if priority == Priority::Idle {
            let parameters = libc::sched_param { sched_priority: 0 };
            libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that speaks 0.2, and whatever else.
    fn with_handler(more: &str) -> Vec<u8> {
        let handler = r#"(instance $handler) (export "wasi:http/incoming-handler@0.2.3" (instance $handler))"#;
        wat::parse_str(format!("(component {more} {handler})")).unwrap()
    }

    fn kind(bytes: &[u8]) -> Kind {
        compile_here(bytes).unwrap().kind
    }

    #[test]
    fn what_speaks_0_2_alone_is_compiled_without_tasks() {
        for more in [
            "",
            r#"(import "wasi:io/poll@0.2.0" (instance))"#,
            r#"(import "koyalite:host/identity@0.1.0" (instance))"#,
            r#"(import "koyalite:host-sync/tables@0.1.0" (instance))"#,
        ] {
            assert_eq!(kind(&with_handler(more)), Kind::Sequential, "{more}");
        }
    }

    #[test]
    fn whatever_has_tasks_anywhere_is_compiled_with_them() {
        for more in [
            r#"(import "wasi:random/random@0.3.0" (instance))"#,
            r#"(import "koyalite:host/tables@0.1.0" (instance))"#,
            r#"(instance $cron) (export "koyalite:host/scheduled@0.1.0" (instance $cron))"#,
            "(type (stream u8))",
            "(type (instance (type (future))))",
            "(component (type (func async)))",
            "(component (component (core func (canon subtask.drop))))",
        ] {
            assert_eq!(kind(&with_handler(more)), Kind::Concurrent, "{more}");
        }
        assert_eq!(kind(b"\0asm\x0d\0\x01\0"), Kind::Concurrent);
    }

    #[test]
    fn what_is_wrong_is_wrong_for_both() {
        let refused = compile_here(&with_handler("")[..12]).unwrap_err();
        assert!(matches!(refused, NotCompiled::Invalid(_)), "{refused:?}");
    }
}
