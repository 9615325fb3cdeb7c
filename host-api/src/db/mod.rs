//! The tenants' data: connections, statements, rows. Tenant SQL is written here and nowhere else.
//!
//! A [`Permit`](koyalite_policy::Permit) is the only way in: every statement is built from one, so
//! a forgotten policy check does not compile. Never here: control data (`runtime/src/registry`),
//! WebAssembly types, or a decision about who may do what.
//!
//! Reading order: [`access`] (one project's credentials), [`pool`] (who gets a connection when),
//! `homes` (on which thread it lives), `sql` (permit to statement), `values` and `rows` (JSON in, JSON out), `run`, `batch`,
//! `transaction`, `told` (who asks, for mirrored policies), `fence` (whose run it is), `error`.

pub mod access;
pub mod pool;

pub(crate) mod batch;
pub(crate) mod bind;
pub(crate) mod compare;
pub(crate) mod error;
pub(crate) mod moments;
pub(crate) mod nearest;
pub(crate) mod numeric;
pub(crate) mod rows;
pub(crate) mod run;
pub(crate) mod sql;
pub(crate) mod transaction;
pub(crate) mod values;

mod connect;
mod fence;
mod homes;
mod node;
mod tls;
mod told;

pub use access::{DatabaseAccess, Password};
pub use compare::{Compared, Disagreement};
pub use fence::RunFence;
pub use homes::Homes;
pub use pool::{Database, Databases, NodeLimits};
pub use sql::{Direction, Nulls};
pub use tokio_postgres::Config as PostgresConfig;
pub use told::Mirror;
pub(crate) use told::Told;
