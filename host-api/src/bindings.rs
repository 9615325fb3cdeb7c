//! The host's only `bindgen!` calls: generated code and nothing else.
//!
//! There are two packages made from one WIT source: `koyalite:host` with `async func`, bound as
//! concurrent host functions that never hold the store while they wait, and `koyalite:host-sync`
//! with plain `func`, for toolchains that speak WASI 0.2 only. A synchronous call does hold its
//! store while it waits, which is why such components run one request per instance.

/// `koyalite:host`: functions that wait are `async func`.
pub mod concurrent {
    wasmtime::component::bindgen!({
        path: "../wit/host",
        world: "koyalite:host/imports",
        imports: { default: store | trappable },
        with: {
            "koyalite:host/tables.transaction": crate::tables::Transaction,
        },
    });
}

/// `koyalite:host-sync`: the same functions, each a plain `func`.
pub mod sync {
    wasmtime::component::bindgen!({
        path: "../wit/host-sync",
        world: "koyalite:host-sync/imports",
        imports: {
            "koyalite:host-sync/identity": store | trappable,
            "koyalite:host-sync/log": store | trappable,
            "koyalite:host-sync/config": store | trappable,
            "koyalite:host-sync/tables.[drop]transaction": store | trappable,
            "koyalite:host-sync/files.[drop]upload": store | trappable,
            "koyalite:host-sync/files.[drop]download": store | trappable,
            default: async | store | trappable,
        },
        with: {
            "koyalite:host-sync/tables.transaction": crate::tables::Transaction,
            "koyalite:host-sync/files.upload": crate::files::UploadHandle,
            "koyalite:host-sync/files.download": crate::files::DownloadHandle,
        },
    });
}

/// The world of a function with a cron export, for calling `scheduled.handle` from the host.
pub mod cron {
    wasmtime::component::bindgen!({
        path: "../wit/host",
        world: "koyalite:host/cron",
        imports: { default: store | trappable },
        exports: { default: async | store },
        with: {
            "koyalite:host/types": super::concurrent::koyalite::host::types,
            "koyalite:host/tables": super::concurrent::koyalite::host::tables,
            "koyalite:host/files": super::concurrent::koyalite::host::files,
            "koyalite:host/vectors": super::concurrent::koyalite::host::vectors,
            "koyalite:host/email": super::concurrent::koyalite::host::email,
            "koyalite:host/webhooks": super::concurrent::koyalite::host::webhooks,
            "koyalite:host/identity": super::concurrent::koyalite::host::identity,
            "koyalite:host/log": super::concurrent::koyalite::host::log,
            "koyalite:host/config": super::concurrent::koyalite::host::config,
        },
    });
}
