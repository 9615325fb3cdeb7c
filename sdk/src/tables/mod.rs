//! Rows of the project's tables, under the policies of the caller.
//!
//! Everything starts with [`from`]:
//!
//! ```no_run
//! # use koyalite::{Result, tables};
//! # use serde::{Deserialize, Serialize};
//! #[derive(Serialize)]
//! struct NewTodo { title: String }
//!
//! #[derive(Deserialize)]
//! struct Todo { id: String, title: String, done: bool }
//!
//! # async fn example() -> Result<()> {
//! let todos = tables::from("todos");
//!
//! // Read.
//! let open: Vec<Todo> = todos.select(["id", "title", "done"]).filter("not done", []).fetch().await?;
//!
//! // Write, and see what was stored.
//! let made: Vec<Todo> = todos
//!     .insert(&NewTodo { title: "water the plants".into() })
//!     .returning(["id", "title", "done"])
//!     .fetch()
//!     .await?;
//!
//! // Change one row.
//! todos
//!     .update(&serde_json::json!({ "done": true }))
//!     .filter("id = $1", [made[0].id.as_str().into()])
//!     .run()
//!     .await?;
//!
//! // Remove what is done.
//! todos.delete().filter("done", []).run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Filters
//!
//! A filter is a boolean SQL expression in the Postgres dialect, the language that policies are
//! written in. Its parameters `$1`, `$2`, … are [`Value`]s and never become part of the text:
//!
//! ```no_run
//! # use koyalite::{Result, tables};
//! # async fn example(words: &str) -> Result<Vec<serde_json::Value>> {
//! # Ok(
//! tables::from("todos")
//!     .select(["id", "title"])
//!     .filter("title ilike $1 and created_at > $2", [words.into(), "2026-01-01".into()])
//!     .fetch()
//!     .await?
//! # )
//! # }
//! ```
//!
//! # Errors
//!
//! Every call fails with a typed [`Error`]. Returned by `?` it becomes an answer with a fitting
//! status; see [`ErrorKind`].

mod error;
mod query;
mod value;
mod write;

pub use crate::bindings::imports::koyalite::host::types::Value;
pub use error::{Error, ErrorKind};
pub use query::{Order, Select, ascending, descending};
pub use write::{Delete, Insert, Update};

use serde::Serialize;

/// One of the project's tables. Nothing is asked of the host before one of its operations ends in
/// `fetch` or `run`.
pub fn from(name: impl Into<String>) -> Table {
    Table { name: name.into() }
}

/// A table, by name.
#[derive(Clone, Debug)]
pub struct Table {
    name: String,
}

impl Table {
    /// Reads these columns; none means all that the caller may read.
    pub fn select<C: Into<String>>(&self, columns: impl IntoIterator<Item = C>) -> Select {
        Select::new(&self.name, columns)
    }

    /// Writes a new row, a struct or map whose fields are columns; or several, as a slice of them.
    pub fn insert<T: Serialize + ?Sized>(&self, rows: &T) -> Insert {
        Insert::new(&self.name, rows)
    }

    /// Changes rows: the fields of `changes` are the columns to set.
    pub fn update<T: Serialize + ?Sized>(&self, changes: &T) -> Update {
        Update::new(&self.name, changes)
    }

    /// Deletes rows.
    pub fn delete(&self) -> Delete {
        Delete::new(&self.name)
    }
}
