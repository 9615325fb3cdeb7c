//! What a function may ask of the host.

pub mod db;
pub mod error;
pub mod invocation;
pub mod limits;
pub mod tables;
