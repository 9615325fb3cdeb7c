//! WIT types to domain types and back, for both packages.

use koyalite_policy::Value;

use crate::bindings::concurrent::koyalite::host as concurrent_host;
use crate::bindings::sync::koyalite::host_sync as sync_host;
use crate::error::{ErrorKind, HostError};
use crate::tables::query::json_param;
use crate::tables::{
    AggregateQuery, CountQuery, DeleteQuery, Direction, EmbedQuery, Filter, InsertQuery, Measure,
    Nulls, Operation, OrderKey, Outcome, Page, SelectQuery, Summary, UpdateQuery, UpsertQuery,
};

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

        impl From<$package::tables::Order> for OrderKey {
            fn from(key: $package::tables::Order) -> Self {
                use $package::tables as wit;
                Self {
                    column: key.column,
                    direction: match key.direction {
                        wit::Direction::Ascending => Direction::Ascending,
                        wit::Direction::Descending => Direction::Descending,
                    },
                    nulls: key.nulls.map(|nulls| match nulls {
                        wit::Nulls::First => Nulls::First,
                        wit::Nulls::Last => Nulls::Last,
                    }),
                }
            }
        }

        impl TryFrom<$package::tables::Embed> for EmbedQuery {
            type Error = HostError;

            fn try_from(embed: $package::tables::Embed) -> Result<Self, HostError> {
                Ok(Self {
                    table: embed.table,
                    name: embed.name,
                    via: embed.via,
                    inside: embed.inside,
                    columns: embed.columns,
                    filter: embed.filter.try_into()?,
                    order: embed.order.into_iter().map(Into::into).collect(),
                    limit: embed.limit,
                })
            }
        }

        impl TryFrom<$package::tables::Selection> for SelectQuery {
            type Error = HostError;

            fn try_from(selection: $package::tables::Selection) -> Result<Self, HostError> {
                let $package::tables::Selection { table, query } = selection;
                let embeds = query.embeds.into_iter().map(EmbedQuery::try_from);
                Ok(Self {
                    table,
                    columns: query.columns,
                    filter: query.filter.try_into()?,
                    order: query.order.into_iter().map(Into::into).collect(),
                    limit: query.limit,
                    embeds: embeds.collect::<Result<_, _>>()?,
                })
            }
        }

        impl From<$package::tables::Measure> for Measure {
            fn from(measure: $package::tables::Measure) -> Self {
                use $package::tables::Summary as Wit;
                Self {
                    summary: match measure.summary {
                        Wit::Count => Summary::Count,
                        Wit::Sum => Summary::Sum,
                        Wit::Avg => Summary::Avg,
                        Wit::Min => Summary::Min,
                        Wit::Max => Summary::Max,
                    },
                    column: measure.column,
                    name: measure.name,
                }
            }
        }

        impl TryFrom<$package::tables::Summing> for AggregateQuery {
            type Error = HostError;

            fn try_from(summing: $package::tables::Summing) -> Result<Self, HostError> {
                let $package::tables::Summing { table, aggregation } = summing;
                Ok(Self {
                    table,
                    measures: aggregation.measures.into_iter().map(Into::into).collect(),
                    group_by: aggregation.group_by,
                    filter: aggregation.filter.try_into()?,
                    order: aggregation.order.into_iter().map(Into::into).collect(),
                    limit: aggregation.limit,
                })
            }
        }

        impl TryFrom<$package::tables::Counting> for CountQuery {
            type Error = HostError;

            fn try_from(counting: $package::tables::Counting) -> Result<Self, HostError> {
                Ok(Self {
                    table: counting.table,
                    filter: counting.filter.try_into()?,
                })
            }
        }

        impl TryFrom<$package::tables::Operation> for Operation {
            type Error = HostError;

            fn try_from(operation: $package::tables::Operation) -> Result<Self, HostError> {
                use $package::tables::Operation as Wit;
                Ok(match operation {
                    Wit::Select(selection) => Self::Select(selection.try_into()?),
                    Wit::Count(counting) => Self::Count(counting.try_into()?),
                    Wit::Aggregate(summing) => Self::Aggregate(summing.try_into()?),
                    Wit::Insert(insertion) => Self::Insert(InsertQuery {
                        table: insertion.table,
                        rows: insertion.rows,
                        returning: insertion.returning,
                    }),
                    Wit::Upsert(upsertion) => Self::Upsert(UpsertQuery {
                        table: upsertion.table,
                        rows: upsertion.rows,
                        conflict: upsertion.conflict,
                        returning: upsertion.returning,
                    }),
                    Wit::Update(change) => Self::Update(UpdateQuery {
                        table: change.table,
                        filter: change.filter.try_into()?,
                        changes: change.changes,
                        max_affected: change.max_affected,
                        returning: change.returning,
                    }),
                    Wit::Delete(removal) => Self::Delete(DeleteQuery {
                        table: removal.table,
                        filter: removal.filter.try_into()?,
                        max_affected: removal.max_affected,
                        returning: removal.returning,
                    }),
                })
            }
        }

        impl From<Outcome> for $package::tables::Outcome {
            fn from(outcome: Outcome) -> Self {
                match outcome {
                    Outcome::Rows(rows) => Self::Rows(rows),
                    Outcome::Count(count) => Self::Count(count),
                }
            }
        }

        impl From<Page> for $package::tables::Page {
            fn from(page: Page) -> Self {
                let Page { rows, next } = page;
                Self { rows, next }
            }
        }
    };
}

implement!(concurrent_host);
implement!(sync_host);
