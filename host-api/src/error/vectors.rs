//! Errors of searches for near rows.

use super::{ErrorKind, HostError, echo};
use crate::limits::{NEAREST_ROWS, SCANNED_VECTORS};

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

    /// More rows than the host compares by itself.
    pub fn too_many_vectors() -> HostError {
        let message = format!(
            "without pgvector at most {SCANNED_VECTORS} visible rows are compared; narrow the search \
             by a filter, or have pgvector installed in the database"
        );
        HostError::new(ErrorKind::Limit, "too_many_vectors", message)
    }
}
