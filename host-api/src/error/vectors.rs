//! Errors of searches for near rows.

use super::{ErrorKind, HostError, echo};
use crate::limits::{HYBRID_ROWS, NEAREST_ROWS, SCANNED_VECTORS};

impl HostError {
    /// No such vector index, or none any more.
    pub fn unknown_vector_index(name: &str) -> HostError {
        let message = format!(
            "no vector index {} in this project; an operator makes one on a column of type vector(n)",
            echo(name)
        );
        HostError::new(ErrorKind::NotFound, "unknown_vector_index", message)
    }

    /// A vector of another length than the column's.
    pub fn wrong_dimension(expected: u16, found: usize) -> HostError {
        let message = format!("the index is of {expected} dimensions, the vector has {found}");
        HostError::new(ErrorKind::Invalid, "wrong_dimension", message)
    }

    /// A vector that is near to nothing.
    pub fn invalid_vector(reason: &str) -> HostError {
        let message = format!("rows cannot be near to this vector: {reason}");
        HostError::new(ErrorKind::Invalid, "invalid_vector", message)
    }

    /// No row, or too many.
    pub fn invalid_k() -> HostError {
        let message = format!("k is between 1 and {NEAREST_ROWS}");
        HostError::new(ErrorKind::Invalid, "invalid_k", message)
    }

    /// A language that there are no words of.
    pub fn unknown_language(word: &str) -> HostError {
        let message = format!(
            "there is no language {}; it is simple, or one of Postgres' own, as english or german",
            echo(word)
        );
        HostError::new(ErrorKind::Invalid, "unknown_language", message)
    }

    /// Something else than columns of text.
    pub fn not_text(column: &str) -> HostError {
        let message = format!(
            "{} is not of type text; words are looked for in columns that are",
            echo(column)
        );
        HostError::new(ErrorKind::Invalid, "not_text", message)
    }

    /// Words in no column.
    pub fn no_text_columns() -> HostError {
        let message = "name the columns of text that the words are looked for in";
        HostError::new(ErrorKind::Invalid, "not_text", message)
    }

    /// More rows than words are looked for in.
    pub fn too_many_texts() -> HostError {
        let message = format!(
            "words are looked for in at most {HYBRID_ROWS} visible rows; narrow the search by a filter"
        );
        HostError::new(ErrorKind::Limit, "too_many_texts", message)
    }

    /// More rows than the host compares by itself.
    pub fn too_many_vectors() -> HostError {
        let message = format!(
            "without pgvector at most {SCANNED_VECTORS} visible rows are compared; narrow the search \
             by a filter, or have pgvector installed in the database"
        );
        HostError::new(ErrorKind::Limit, "too_many_vectors", message)
    }
}
