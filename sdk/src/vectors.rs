//! The nearest rows of a table, always under the policies of the caller.
//!
//! An operator makes a vector index over a column of type `vector(n)`; the function brings the vectors.
//!
//! ```no_run
//! # use koyalite::{Result, vectors};
//! # use serde::Deserialize;
//! # async fn example(embedding: Vec<f32>) -> Result<()> {
//! #[derive(Deserialize)]
//! struct Document { title: String, distance: f64 }
//!
//! let found = vectors::index("documents_embedding")
//!     .near(embedding)
//!     .take(5)
//!     .columns(["title"])
//!     .filter("lang = $1", ["en".into()])
//!     .fetch::<Document>()
//!     .await?;
//! # drop(found);
//! # Ok(())
//! # }
//! ```
//!
//! Rows come with their `distance`, the nearest first. As many are answered as were asked for, if the caller
//! may see so many; [`Matches::plan`] says how they were found.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::imports::koyalite::host::vectors as host;
use crate::tables::{Error, Value, filter, parse_rows, texts, to_json};

pub use host::{Plan, Precision};

/// How many rows a search answers where nobody says.
const TAKEN: u32 = 10;

/// The vector index of that name.
pub fn index(name: impl Into<String>) -> Index {
    Index { name: name.into() }
}

/// A vector index. Nothing is asked of the host before `fetch` or one of the writes.
#[derive(Clone, Debug)]
pub struct Index {
    name: String,
}

impl Index {
    /// Looks for rows that are near to a vector.
    pub fn near(&self, vector: impl Into<Vec<f32>>) -> Search {
        Search {
            index: self.name.clone(),
            query: host::SearchQuery {
                vector: vector.into(),
                k: TAKEN,
                filter: filter("", []),
                columns: Vec::new(),
                precision: Precision::Automatic,
            },
        }
    }

    /// Writes rows of the table that the index is on: structs or maps whose fields are columns. Those with
    /// a primary key that is there are changed.
    ///
    /// # Errors
    /// As an upsert of [`tables`](crate::tables).
    pub async fn upsert<T: Serialize>(&self, rows: &[T]) -> Result<(), Error> {
        host::upsert(self.name.clone(), to_json(rows)?, Vec::new()).await?;
        Ok(())
    }

    /// Deletes the rows of that table for which the condition is true; empty text means every row.
    ///
    /// # Errors
    /// As a delete of [`tables`](crate::tables).
    pub async fn delete(
        &self,
        condition: impl Into<String>,
        params: impl IntoIterator<Item = Value>,
    ) -> Result<(), Error> {
        let filter = filter(condition, params);
        host::delete(self.name.clone(), filter, None, Vec::new()).await?;
        Ok(())
    }
}

/// A search to be made.
#[derive(Clone, Debug)]
#[must_use = "nothing is looked for yet"]
pub struct Search {
    index: String,
    query: host::SearchQuery,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Matches<T> {
    /// The nearest first.
    pub rows: Vec<T>,
    /// How they were found.
    pub plan: Plan,
}

impl Search {
    /// So many rows, 1 to 1000; 10 where nothing is said.
    pub fn take(mut self, rows: u32) -> Self {
        self.query.k = rows;
        self
    }

    /// These columns, each perhaps `column as name`. Without it, all that the caller may read but the
    /// vectors themselves.
    pub fn columns<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.query.columns = texts(columns);
        self
    }

    /// Only rows for which the condition is true, in the language of policies with `$1`, `$2`, … as
    /// parameters.
    pub fn filter(
        mut self,
        condition: impl Into<String>,
        params: impl IntoIterator<Item = Value>,
    ) -> Self {
        self.query.filter = filter(condition, params);
        self
    }

    /// Compares every row that counts, however many there are.
    pub fn exact(mut self) -> Self {
        self.query.precision = Precision::Exact;
        self
    }

    /// Looks for these words too, in these columns of type text: words as people type them, with `"a phrase"`,
    /// `or` and `-without`. Rows come with a `score` in place of the distance, those that stand best in both
    /// lists first. All rows that count are looked at, so at most 50 000 may.
    pub fn with_words<C: Into<String>>(
        self,
        text: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
    ) -> Hybrid {
        let host::SearchQuery {
            vector,
            k,
            filter,
            columns: answered,
            precision: _,
        } = self.query;
        Hybrid {
            index: self.index,
            query: host::HybridQuery {
                vector,
                text: text.into(),
                text_columns: texts(columns),
                language: "simple".to_owned(),
                k,
                filter,
                columns: answered,
            },
        }
    }

    /// Looks. Each row is read into a `T`: a struct whose fields are the columns and `distance`, or
    /// `serde_json::Value`.
    ///
    /// # Errors
    /// `unknown_vector_index`, `wrong_dimension`, `invalid_vector`, `invalid_k`; and as a select of
    /// [`tables`](crate::tables).
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<Matches<T>, Error> {
        let found = host::search(self.index.clone(), self.query).await?;
        Ok(Matches {
            rows: parse_rows(&self.index, &found.rows)?,
            plan: found.plan,
        })
    }
}

/// A search by meaning and by words, to be made.
#[derive(Clone, Debug)]
#[must_use = "nothing is looked for yet"]
pub struct Hybrid {
    index: String,
    query: host::HybridQuery,
}

impl Hybrid {
    /// Whose forms of words count as one: a language that Postgres knows, as `english`. Without it, words are as
    /// they are written.
    pub fn language(mut self, word: impl Into<String>) -> Self {
        self.query.language = word.into();
        self
    }

    /// Looks. Each row is read into a `T`: a struct whose fields are the columns and `score`, or
    /// `serde_json::Value`.
    ///
    /// # Errors
    /// As [`Search::fetch`]; `not_text`, `unknown_language`, `too_many_texts`.
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<Matches<T>, Error> {
        let found = host::search_hybrid(self.index.clone(), self.query).await?;
        Ok(Matches {
            rows: parse_rows(&self.index, &found.rows)?,
            plan: found.plan,
        })
    }
}
