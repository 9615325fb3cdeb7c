//! What the tests stand on: a server, a database each, projects with tables and policies.

mod project;
pub(crate) mod random;
mod server;

pub(crate) use project::{Owner, TODOS, TestDatabase, TestProject, filter, policy, rows, user};
pub(crate) use server::Server;
