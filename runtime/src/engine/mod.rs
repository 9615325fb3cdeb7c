//! Running functions: WebAssembly components, limits, identity. Knows nothing of listeners or SQL.
