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
//! # Related rows
//!
//! A select takes rows of related tables along, through the relationships that the tables declare.
//! One related row is an object (or null), several are an array:
//!
//! ```no_run
//! # use koyalite::{Result, tables};
//! # use serde::Deserialize;
//! #[derive(Deserialize)]
//! struct Post { title: String, author: Option<Author>, tags: Vec<Tag> }
//!
//! #[derive(Deserialize)]
//! struct Author { name: String }
//!
//! #[derive(Deserialize)]
//! struct Tag { word: String }
//!
//! # async fn example() -> Result<Vec<Post>> {
//! # Ok(
//! tables::from("posts")
//!     .select(["title"])
//!     .embed(tables::embed("people").via("author_id").named("author").columns(["name"]))
//!     .embed(tables::embed("tags").columns(["word"]).order_by("word").limit(5))
//!     .fetch()
//!     .await?
//! # )
//! # }
//! ```
//!
//! # Pages, counts and sums
//!
//! ```no_run
//! # use koyalite::{Result, tables};
//! # use serde::Deserialize;
//! # #[derive(Deserialize)]
//! # struct Todo { id: String }
//! # async fn example(after: Option<String>) -> Result<()> {
//! let todos = tables::from("todos");
//!
//! // Twenty rows and where the next twenty begin.
//! let page = todos
//!     .select(["id"])
//!     .order_by(tables::descending("created_at"))
//!     .limit(20)
//!     .page::<Todo>(after)
//!     .await?;
//! let next: Option<String> = page.next;
//!
//! let open: u64 = todos.count().filter("not done", []).fetch().await?;
//!
//! #[derive(Deserialize)]
//! struct Total { kind: Option<String>, rows: u64, spent: Option<f64> }
//!
//! let totals: Vec<Total> = tables::from("expenses")
//!     .aggregate([tables::count().named("rows"), tables::sum("price").named("spent")])
//!     .group_by(["kind"])
//!     .order_by(tables::descending("spent").nulls_last())
//!     .fetch()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Together or not at all
//!
//! [`batch`] takes what is known beforehand in one journey to the database; a [`Transaction`] lets
//! the function think in between.
//!
//! ```no_run
//! # use koyalite::{Result, tables};
//! # use serde_json::json;
//! # async fn example() -> Result<()> {
//! let accounts = tables::from("accounts");
//! tables::batch([
//!     accounts.update(&json!({ "open": false })).filter("id = 1", []).into(),
//!     tables::from("log").insert(&json!({ "text": "closed 1" })).into(),
//! ])
//! .await?;
//!
//! let transaction = tables::begin().await?;
//! let open = transaction.run(accounts.count().filter("open", [])).await?.count()?;
//! if open > 0 {
//!     transaction.run(accounts.update(&json!({ "open": false })).every_row()).await?;
//!     transaction.commit().await?;
//! } // Else it is dropped, and nothing was done.
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! Every call fails with a typed [`Error`], with a [`code`](Error::code) to match on. Returned by
//! `?` it becomes an answer with a fitting status; see [`ErrorKind`].
//!
//! ```no_run
//! # use koyalite::{Result, tables};
//! # async fn example(row: serde_json::Value) -> Result<&'static str> {
//! match tables::from("names").insert(&row).run().await {
//!     Ok(()) => Ok("yours"),
//!     Err(error) if error.code == "already_exists" => Ok("taken"),
//!     Err(error) => Err(error.into()),
//! }
//! # }
//! ```

mod aggregate;
mod embed;
mod error;
mod int8;
mod operation;
mod query;
mod transaction;
mod value;
mod write;

pub use crate::bindings::imports::koyalite::host::types::Value;
pub use aggregate::{Aggregate, Count, Measure, avg, count, max, min, sum};
pub use embed::{Embed, embed};
pub use error::{Error, ErrorKind};
pub use int8::Int8;
pub use operation::{Answer, Operation, batch};
pub(crate) use query::{filter, parse_rows, texts};
pub use query::{Order, Page, Select, ascending, descending};
pub use transaction::{Transaction, begin};
pub(crate) use write::to_json;
pub use write::{Delete, Insert, Update, Upsert};

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
    /// Reads these columns, each perhaps under another name (`title as heading`); none means all
    /// that the caller may read.
    pub fn select<C: Into<String>>(&self, columns: impl IntoIterator<Item = C>) -> Select {
        Select::new(&self.name, columns)
    }

    /// Writes a new row, a struct or map whose fields are columns; or several, as a slice of them.
    pub fn insert<T: Serialize + ?Sized>(&self, rows: &T) -> Insert {
        Insert::new(&self.name, rows)
    }

    /// Writes rows that may be there already: where the key is, that row changes.
    pub fn upsert<T: Serialize + ?Sized>(&self, rows: &T) -> Upsert {
        Upsert::new(&self.name, rows)
    }

    /// Counts rows.
    pub fn count(&self) -> Count {
        Count::new(&self.name)
    }

    /// Works values out of rows: [`count`], [`sum`], [`avg`], [`min`], [`max`].
    pub fn aggregate(&self, measures: impl IntoIterator<Item = Measure>) -> Aggregate {
        Aggregate::new(&self.name, measures)
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
