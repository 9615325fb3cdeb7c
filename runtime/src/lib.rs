//! The KoyaLite process. Modules in reading order, along the path of a request.

pub mod accounts;
pub mod cli;
pub mod config;
pub mod control;
pub mod cores;
pub mod delivery;
pub mod dispatch;
pub mod egress;
pub mod engine;
mod file_code;
pub mod forward;
pub mod gateway;
pub mod http;
pub mod import;
pub mod keys;
pub mod postgres;
pub mod records;
pub mod registry;
pub mod scheduler;
pub mod server;
pub mod silence;
pub mod store;
pub mod sweeper;
