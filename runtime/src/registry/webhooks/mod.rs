//! Webhooks in the control database: who has subscribed, what was delivered, and what is due.
//!
//! `endpoints`, `endpoint_list` and `input` are for operators, `tables` makes tables emit, `deliveries` and
//! `replay` show and repeat, `due` is what the
//! worker of [`crate::delivery`] asks. Events themselves are written by the statements of tenants, in
//! functions that the migrations make.

pub mod deliveries;
pub(crate) mod disable;
pub(crate) mod due;
pub mod endpoint_list;
pub mod endpoints;
pub mod input;
pub mod replay;
pub(crate) mod tables;
