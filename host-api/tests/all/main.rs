//! The tables interface against a real Postgres, without WebAssembly and without HTTP.
//!
//! One server per run, started here and gone with the process; one database per test, so tests run
//! side by side. Each operation has the same four: works, refused by policy, bad input, over the
//! limit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot continue should stop; clippy.toml says so of tests, this of their support"
)]

mod adversary;
mod aggregate;
mod batch;
mod columns;
mod delete;
mod differential;
mod embed;
mod homes;
mod insert;
mod interference;
mod interference_found;
mod mirror;
mod native;
mod near;
mod pages;
mod policy_readable;
mod pool;
mod reads;
mod select;
mod support;
mod transaction;
mod trial;
mod types;
mod update;
mod upsert;
mod upsert_old;
mod verify;
mod walls;
