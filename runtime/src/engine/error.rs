//! What can go wrong when a function is admitted or run. Transport-neutral: the gateway and the
//! control API decide on status codes.

use std::sync::Arc;
use std::time::Duration;

/// Why an invocation did not produce an answer. Cloneable, because every request on a shared
/// instance learns of its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The guest spent its CPU time.
    #[error(
        "the function used more than {} ms of CPU time; `cpu_ms` in [limits] of its manifest raises that",
        limit.as_millis()
    )]
    CpuLimit {
        /// The limit that was reached.
        limit: Duration,
    },
    /// The guest did not answer, or did not finish, in time.
    #[error(
        "the function did not answer within {} ms; `first_byte_ms` in [limits] of its manifest raises \
         that, for a scheduled call `wall_ms`",
        limit.as_millis()
    )]
    WallLimit {
        /// The limit that was reached.
        limit: Duration,
    },
    /// All memories and tables together grew over the limit.
    #[error(
        "the function needs more than {} MiB of memory; `memory_mib` in [limits] of its manifest raises that",
        limit_bytes / (1024 * 1024)
    )]
    MemoryLimit {
        /// The limit that was reached.
        limit_bytes: usize,
    },
    /// The guest trapped: a panic, an unreachable instruction, an access out of bounds, a stack overflow.
    #[error("the function trapped: {reason}")]
    Trapped {
        /// One line: what kind of trap. For logs and the owner; never holds guest memory.
        reason: String,
        /// Where: the guest's functions, innermost first. For the owner's log.
        frames: Arc<[String]>,
    },
    /// The guest returned without having answered.
    #[error("the function returned without an answer")]
    NoResponse,
    /// The guest answered with a `wasi:http` error code in place of a response.
    #[error("the function answered with the error {code}")]
    GuestError {
        /// The WASI error code, as text.
        code: String,
    },
    /// A scheduled call returned an error.
    #[error("the scheduled call failed: {message}")]
    ScheduledFailed {
        /// The guest's own words, cut to a line.
        message: String,
    },
    /// The component has no export for this kind of call.
    #[error("the function has no {export} export")]
    NotExported {
        /// The export that would have been called.
        export: &'static str,
    },
    /// Another call ended the instance that this one shared with it, or this one did: several were at
    /// work, and an instance does not say whose code failed.
    #[error("the instance that this call shared with others ended: {why}")]
    Collateral {
        /// What ended it, in words for the function's owner.
        why: String,
    },
    /// No instance slot was free.
    #[error("no room for another instance")]
    Overloaded,
    /// The compiled code could not be loaded; the fault is ours.
    #[error("the function could not be loaded")]
    Unloadable {
        /// For the log.
        inside: String,
    },
}

impl InvokeError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CpuLimit { .. } => "cpu_limit",
            Self::WallLimit { .. } => "wall_limit",
            Self::MemoryLimit { .. } => "memory_limit",
            Self::Trapped { .. } => "guest_trapped",
            Self::NoResponse => "no_response",
            Self::GuestError { .. } => "guest_error",
            Self::ScheduledFailed { .. } => "scheduled_failed",
            Self::NotExported { .. } => "not_exported",
            Self::Collateral { .. } => "collateral",
            Self::Overloaded => "overloaded",
            Self::Unloadable { .. } => "unloadable",
        }
    }

    /// The same, as those hear it who were at work on the instance and are perhaps not at fault.
    #[must_use]
    pub fn for_others(&self) -> Self {
        match self {
            Self::Collateral { .. } => self.clone(),
            error => Self::Collateral {
                why: error.to_string(),
            },
        }
    }

    /// Whether an instance came to an end by it that would otherwise have gone on.
    #[must_use]
    pub const fn ends_instance(&self) -> bool {
        match self {
            Self::CpuLimit { .. }
            | Self::WallLimit { .. }
            | Self::MemoryLimit { .. }
            | Self::Trapped { .. }
            | Self::Collateral { .. } => true,
            Self::NoResponse
            | Self::GuestError { .. }
            | Self::ScheduledFailed { .. }
            | Self::NotExported { .. }
            | Self::Overloaded
            | Self::Unloadable { .. } => false,
        }
    }
}

/// Why a component was not admitted. The messages say what would have been right.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// The bytes do not start like WebAssembly.
    #[error("this is not WebAssembly: expected a component, a file that starts with \\0asm")]
    NotWasm,
    /// A core module was sent.
    #[error(
        "this is a core WebAssembly module, not a component; build with \
         `cargo build --release --target wasm32-wasip2`, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// The bytes are not a valid component.
    #[error("this component is not valid: {reason}")]
    Invalid {
        /// What the validator said, with its offset.
        reason: String,
    },
    /// Nothing that we could call is exported.
    #[error(
        "this component exports no handler; export `wasi:http/handler@0.3.0`, \
         `wasi:http/incoming-handler@0.2` or `koyalite:host/scheduled@0.1.0` (found: {})",
        list(found)
    )]
    NoHandler {
        /// What is exported.
        found: Vec<String>,
    },
    /// Imports that this host does not provide.
    #[error(
        "this component imports what this host does not provide: {}",
        list(missing)
    )]
    MissingImports {
        /// Every one of them, each with a word on why where there is one.
        missing: Vec<String>,
    },
    /// A 0.2 handler imports async functions, for which it can never wait.
    #[error(
        "a 0.2 handler cannot wait for async functions, and this component imports {}; import the \
         same interfaces of `koyalite:host-sync`, or export `wasi:http/handler@0.3.0`",
        list(imports)
    )]
    AsyncImports {
        /// Every one of them, as imported.
        imports: Vec<String>,
    },
    /// The compiler ran out of time or memory.
    #[error("compiling this component took more than its limit of {limit}")]
    CompileLimit {
        /// Which limit, in words.
        limit: &'static str,
    },
    /// Too many compilations are waiting.
    #[error("too many deployments are being compiled; try again in a moment")]
    Busy,
    /// The fault is ours.
    #[error("this component could not be compiled")]
    Internal {
        /// For the log.
        inside: String,
    },
}

impl AdmitError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotWasm => "not_wasm",
            Self::CoreModule => "core_module",
            Self::Invalid { .. } => "invalid_component",
            Self::NoHandler { .. } => "no_handler",
            Self::MissingImports { .. } => "missing_imports",
            Self::AsyncImports { .. } => "async_imports",
            Self::CompileLimit { .. } => "compile_limit",
            Self::Busy => "overloaded",
            Self::Internal { .. } => "internal",
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}
