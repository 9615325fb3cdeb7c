//! Errors about the shape of a request: relationships, pages, sums, upserts, transactions.

use super::{ErrorKind, HostError, echo};
use crate::limits::TRANSACTION_TIME;

/// Answers and what they are made of.
impl HostError {
    /// A key of an answer that no language could use.
    pub fn invalid_name(name: &str) -> HostError {
        let message = format!(
            "{} cannot be a name in an answer: write up to 63 letters, digits and underscores, not \
             beginning with a digit",
            echo(name)
        );
        HostError::new(ErrorKind::Invalid, "invalid_name", message)
    }

    /// Two keys of an answer would be the same.
    pub fn repeated_name(name: &str) -> HostError {
        let message = format!(
            "{} would be in the answer twice: name one of them otherwise, with `as`",
            echo(name)
        );
        HostError::new(ErrorKind::Invalid, "repeated_column", message)
    }

    /// An aggregation that works nothing out, or what cannot be.
    pub fn invalid_aggregate(reason: impl Into<String>) -> HostError {
        HostError::new(ErrorKind::Invalid, "invalid_aggregate", reason)
    }
}

/// Embeds.
impl HostError {
    /// No declared relationship leads from one table to the other, or none of that name.
    pub fn unknown_relationship(outer: &str, inner: &str) -> HostError {
        let message = format!(
            "no such relationship leads from {} to {}",
            echo(outer),
            echo(inner)
        );
        HostError::new(ErrorKind::NotFound, "unknown_relationship", message)
    }

    /// Several do. `names` are what `via` could say.
    pub fn ambiguous_relationship(outer: &str, inner: &str, names: &[&str]) -> HostError {
        let names: Vec<_> = names.iter().map(|name| echo(name)).collect();
        let message = format!(
            "several relationships lead from {} to {}: say which with `via`: {}",
            echo(outer),
            echo(inner),
            names.join(", ")
        );
        HostError::new(ErrorKind::Invalid, "ambiguous_relationship", message)
    }

    /// An embed inside of one that does not stand before it.
    pub fn invalid_embed() -> HostError {
        let message = "an embed goes inside of one that stands before it in the list";
        HostError::new(ErrorKind::Invalid, "invalid_embed", message)
    }
}

/// Pages.
impl HostError {
    /// A cursor that this select did not answer.
    pub fn invalid_cursor() -> HostError {
        let message = "the cursor is not one that this table and order answered: begin without one";
        HostError::new(ErrorKind::Invalid, "invalid_cursor", message)
    }

    /// A column that pages cannot be ordered by.
    pub fn unordered_column(column: &str) -> HostError {
        let message = format!(
            "pages cannot be ordered by {}, whose values have no order",
            echo(column)
        );
        HostError::new(ErrorKind::Invalid, "unordered_column", message)
    }

    /// A table whose rows cannot be told apart.
    pub fn no_primary_key(table: &str) -> HostError {
        let message = format!("table {} has no primary key, which this needs", echo(table));
        HostError::new(ErrorKind::Invalid, "no_primary_key", message)
    }
}

/// Upserts.
impl HostError {
    /// The columns do not tell rows apart.
    pub fn invalid_conflict_target() -> HostError {
        let message = "conflict must name a unique column, all columns of the primary key, or all of a unique index";
        HostError::new(ErrorKind::Invalid, "invalid_conflict_target", message)
    }

    /// The rows do not all name the same columns.
    pub fn uneven_rows() -> HostError {
        let message = "all rows of an upsert name the same columns, those of `conflict` among them";
        HostError::new(ErrorKind::Invalid, "invalid_rows", message)
    }

    /// Two rows of one upsert mean the same stored row.
    pub fn repeated_row() -> HostError {
        let message = "two of the rows have the same key; nothing was written";
        HostError::new(ErrorKind::Invalid, "repeated_row", message)
    }
}

/// Scheduled runs.
impl HostError {
    /// Its node was silent for too long, or was cut off from the database: the run counts as failed,
    /// and another attempt may be at work.
    pub fn lease_lost() -> HostError {
        let message =
            "this run has lost its lease: it counts as failed and writes nothing any more";
        HostError::new(ErrorKind::Conflict, "lease_lost", message)
    }
}

/// Transactions.
impl HostError {
    /// It was committed, rolled back, or undone by an operation that failed.
    pub fn transaction_over() -> HostError {
        let message = "the transaction is over: committed, rolled back, or undone by an error";
        HostError::new(ErrorKind::Invalid, "transaction_over", message)
    }

    /// It met its deadline and was undone.
    pub fn transaction_time() -> HostError {
        let message = format!(
            "the transaction was open for {} seconds and is undone",
            TRANSACTION_TIME.as_secs()
        );
        HostError::new(ErrorKind::Limit, "transaction_time", message)
    }

    /// The invocation has one already.
    pub fn transaction_open() -> HostError {
        let message = "an invocation may have one transaction at a time; end the other first";
        HostError::new(ErrorKind::Limit, "transaction_open", message)
    }

    /// It was begun by another invocation.
    pub fn foreign_transaction() -> HostError {
        let message = "the transaction belongs to another invocation";
        HostError::new(ErrorKind::Denied, "foreign_transaction", message)
    }
}
