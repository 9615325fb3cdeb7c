//! The project that an invocation runs for.

use std::sync::Arc;

use koyalite_policy::{ProjectName, Schema};
use uuid::Uuid;

use crate::db::Database;

/// A project as host calls see it.
#[derive(Clone)]
pub struct Project {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: ProjectName,
    /// Its tables and policies.
    pub schema: Arc<Schema>,
    /// Its tables' database.
    pub database: Database,
}
