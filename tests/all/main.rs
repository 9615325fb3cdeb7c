//! The whole of KoyaLite through its front door: a real server process, real HTTP, a real Postgres.
//!
//! Each module is a theme, each test a story about one. What they are told with is in `../support`.
//! `tidy` looks at the sources instead.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod deploy;
