//! The KoyaLite process. Modules in reading order, along the path of a request.

pub mod cli;
pub mod config;
pub mod server;
pub mod http;
pub mod gateway;
pub mod dispatch;
pub mod engine;
pub mod egress;
pub mod control;
pub mod registry;
pub mod scheduler;
pub mod records;
pub mod keys;
pub mod postgres;
