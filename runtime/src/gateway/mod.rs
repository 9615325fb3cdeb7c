//! Requests for functions: bytes to route and identity, then one call of the dispatcher.

pub mod route;
pub mod find;
mod auth;
mod headers;
mod error;
