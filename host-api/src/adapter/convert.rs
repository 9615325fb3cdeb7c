//! WIT types to domain types and back, for both packages.

use koyalite_policy::Value;

use crate::bindings::concurrent::koyalite::host as concurrent_host;
use crate::bindings::sync::koyalite::host_sync as sync_host;
use crate::error::{ErrorKind, HostError};
use crate::tables::query::json_param;
use crate::tables::{Direction, Filter, SelectQuery};

/// A parameter on its way in. Its own type, since neither side of the conversion is ours.
struct Param(Value);

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
                Self {
                    kind,
                    code: error.code().to_owned(),
                    message: error.message().to_owned(),
                }
            }
        }

        impl TryFrom<$package::types::Value> for Param {
            type Error = HostError;

            fn try_from(value: $package::types::Value) -> Result<Self, HostError> {
                use $package::types::Value as Wit;
                Ok(Self(match value {
                    Wit::Null => Value::Null,
                    Wit::Boolean(value) => Value::Boolean(value),
                    Wit::Integer(value) => Value::Integer(value),
                    Wit::Float(value) => Value::Float(value),
                    Wit::Text(value) => Value::Text(value),
                    Wit::Json(text) => json_param(&text)?,
                }))
            }
        }

        impl TryFrom<$package::tables::Filter> for Filter {
            type Error = HostError;

            fn try_from(filter: $package::tables::Filter) -> Result<Self, HostError> {
                let params = filter
                    .params
                    .into_iter()
                    .map(|value| Param::try_from(value).map(|p| p.0));
                Ok(Self {
                    text: filter.text,
                    params: params.collect::<Result<_, _>>()?,
                })
            }
        }

        impl TryFrom<(String, $package::tables::Query)> for SelectQuery {
            type Error = HostError;

            fn try_from(
                (table, query): (String, $package::tables::Query),
            ) -> Result<Self, HostError> {
                use $package::tables::Direction as Wit;
                let direction = |direction| match direction {
                    Wit::Ascending => Direction::Ascending,
                    Wit::Descending => Direction::Descending,
                };
                let order = query.order.into_iter();
                Ok(Self {
                    table,
                    columns: query.columns,
                    filter: query.filter.try_into()?,
                    order: order
                        .map(|key| (key.column, direction(key.direction)))
                        .collect(),
                    limit: query.limit,
                })
            }
        }
    };
}

implement!(concurrent_host);
implement!(sync_host);
