//! WIT types to domain types and back, for both packages.

use koyalite_policy::Value;

use crate::bindings::concurrent::koyalite::host as concurrent_host;
use crate::bindings::sync::koyalite::host_sync as sync_host;
use crate::error::{ErrorKind, HostError};
use crate::tables::{Direction, SelectQuery};

macro_rules! implement {
    ($package:ident) => {
        impl From<HostError> for $package::types::Error {
            fn from(error: HostError) -> Self {
                use $package::types::ErrorKind as Wit;
                let kind = match error.kind() {
                    ErrorKind::Denied => Wit::Denied,
                    ErrorKind::NotFound => Wit::NotFound,
                    ErrorKind::Invalid => Wit::Invalid,
                    ErrorKind::Conflict => Wit::Conflict,
                    ErrorKind::Limit => Wit::Limit,
                    ErrorKind::Unavailable => Wit::Unavailable,
                    ErrorKind::Internal => Wit::Internal,
                };
                Self { kind, code: error.code().to_owned(), message: error.message().to_owned() }
            }
        }

        impl From<$package::types::Value> for Value {
            fn from(value: $package::types::Value) -> Self {
                use $package::types::Value as Wit;
                match value {
                    Wit::Null => Self::Null,
                    Wit::Boolean(value) => Self::Boolean(value),
                    Wit::Integer(value) => Self::Integer(value),
                    Wit::Float(value) => Self::Float(value),
                    Wit::Text(value) => Self::Text(value),
                    // Text that is not JSON stays text; the checker then says which type it wanted.
                    Wit::Json(text) => match serde_json::from_str(&text) {
                        Ok(value) => Self::Json(value),
                        Err(_) => Self::Text(text),
                    },
                }
            }
        }

        impl From<$package::tables::Filter> for (String, Vec<Value>) {
            fn from(filter: $package::tables::Filter) -> Self {
                (filter.text, filter.params.into_iter().map(Into::into).collect())
            }
        }

        impl From<(String, $package::tables::Query)> for SelectQuery {
            fn from((table, query): (String, $package::tables::Query)) -> Self {
                use $package::tables::Direction as Wit;
                let (filter, params) = query.filter.into();
                let direction = |direction| match direction {
                    Wit::Ascending => Direction::Ascending,
                    Wit::Descending => Direction::Descending,
                };
                let order = query.order.into_iter();
                Self {
                    table,
                    columns: query.columns,
                    filter,
                    params,
                    order: order.map(|key| (key.column, direction(key.direction))).collect(),
                    limit: query.limit,
                }
            }
        }
    };
}

implement!(concurrent_host);
implement!(sync_host);
