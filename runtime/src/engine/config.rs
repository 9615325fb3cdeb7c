//! The wasmtime configuration of each kind: one for running, one for the compiling child, the same code.

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result,
};

use super::kind::Kind;
use super::limits;

/// Settings that native code depends on. The compiling child and the server must agree on these,
/// or the server refuses the child's output.
fn code_settings(kind: Kind) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    match kind {
        Kind::Concurrent => config.wasm_component_model_async(true),
        Kind::Sequential => config.concurrency_support(false),
    };
    config.epoch_interruption(true);
    // Enough to reach the author's code below a language's own machinery for panics; more would cost
    // more at every trap.
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(20));
    config
}

/// An engine that compiles and never runs. It reserves next to no address space, so it lives within
/// the child's limit.
///
/// # Errors
/// When the machine cannot run wasmtime at all.
pub fn compiling(kind: Kind) -> Result<Engine> {
    let mut config = code_settings(kind);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

/// An engine that runs guests: pooled slots where the address space allows it, on-demand otherwise.
///
/// # Errors
/// When the machine cannot run wasmtime at all.
pub fn running(kind: Kind, instances: u32) -> Result<Engine> {
    let mut config = code_settings(kind);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(kind, instances)));
    match Engine::new(&config) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::warn!(%error, "no address space for an instance pool; instances start slower");
            let mut config = code_settings(kind);
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Engine::new(&config)
        }
    }
}

/// Of everything there is as much as so many instances can need: whoever has an instance's place
/// finds all of it, however much the others make of theirs. The two kinds share the places
/// (`instances`), not the slots: either may have all of them at once, which costs address space alone.
fn pool(kind: Kind, instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * limits::CORE_INSTANCES_PER_COMPONENT_MAX)
        .total_memories(instances * limits::MEMORIES_PER_COMPONENT_MAX)
        .total_tables(instances * limits::TABLES_PER_COMPONENT_MAX)
        .total_stacks(instances * stacks(kind))
        .max_unused_warm_slots(limits::WARM_SLOTS / 2)
        .max_memories_per_component(limits::MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_component(limits::TABLES_PER_COMPONENT_MAX)
        .max_core_instances_per_component(limits::CORE_INSTANCES_PER_COMPONENT_MAX)
        .max_component_instance_size(10 << 20)
        .max_core_instance_size(10 << 20)
        .table_elements(limits::TABLE_ELEMENTS_MAX)
        .max_memory_size(limits::MEMORY_BYTES_MAX)
        .linear_memory_keep_resident(limits::MEMORY_KEEP_RESIDENT)
        .table_keep_resident(limits::TABLE_KEEP_RESIDENT)
        // Teardown asks the kernel which pages were written, where it can (6.7 and later).
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Stacks for an instance.
fn stacks(kind: Kind) -> u32 {
    match kind {
        // Two are for a call and what it began beside it; a few guests have more.
        Kind::Concurrent => 4,
        Kind::Sequential => 1,
    }
}
