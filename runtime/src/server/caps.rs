//! What manifests may ask for on this node.

use crate::config::{OperatorCaps, ServeConfig};
use crate::registry::manifest::Limits;

/// In the registry's words.
pub(super) fn of(config: &ServeConfig) -> Limits {
    let OperatorCaps {
        memory_mib,
        cpu_ms,
        first_byte_ms,
        silence_ms,
        wall_ms,
        body_mib,
        host_calls,
        outbound_requests,
        log_kib,
        select_rows,
        statement_ms,
        outbound_ms,
        component_mib: _,
    } = config.caps;
    Limits {
        memory_mib,
        cpu_ms,
        first_byte_ms,
        silence_ms,
        wall_ms,
        body_mib,
        concurrency: u64::try_from(config.limits.invocations_per_function).ok(),
        host_calls,
        outbound_requests,
        log_kib,
        select_rows,
        statement_ms,
        outbound_ms,
    }
}
