//! Why a call that was routed did not produce an answer.

use crate::engine::InvokeError;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// No room now. The caller may come back.
    #[error("this function is serving as many calls as it may; try again in a moment")]
    Overloaded,
    /// The function failed.
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    /// A firing by request was answered with an error status.
    #[error("the function answered its schedule with status {status}")]
    ScheduleRefused {
        /// The status.
        status: u16,
    },
    /// The stored version cannot be run by this build; the fault is ours.
    #[error("this version cannot be run")]
    Unusable {
        /// For the log.
        inside: String,
    },
    /// The engine answered another kind of call than it was given; the fault is ours.
    #[error("this call cannot be answered")]
    Confused,
}

impl DispatchError {
    /// Whether another version of the function might have answered: not where the node had no room, or the
    /// host failed.
    #[must_use]
    pub const fn is_the_functions(&self) -> bool {
        match self {
            Self::Overloaded
            | Self::ScheduleRefused { .. }
            | Self::Unusable { .. }
            | Self::Confused
            | Self::Invoke(InvokeError::Overloaded | InvokeError::Unloadable { .. }) => false,
            Self::Invoke(
                InvokeError::CpuLimit { .. }
                | InvokeError::WallLimit { .. }
                | InvokeError::MemoryLimit { .. }
                | InvokeError::NoResponse
                | InvokeError::Collateral { .. }
                | InvokeError::NotExported { .. }
                | InvokeError::Trapped { .. }
                | InvokeError::GuestError { .. }
                | InvokeError::ScheduledFailed { .. },
            ) => true,
        }
    }

    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Invoke(error) => error.code(),
            Self::ScheduleRefused { .. } => "schedule_refused",
            Self::Unusable { .. } | Self::Confused => "internal",
        }
    }
}
