//! Aggregations.

use koyalite_policy::ColumnType;

use super::mentions::{answer_name, check_order_length};
use super::{Checked, Mentions, Rows};
use crate::db::sql::{Aggregate, Filtered, MeasureOf, SortedBy};
use crate::error::HostError;
use crate::limits::MEASURES;
use crate::tables::query::{AggregateQuery, Measure, Summary};

pub(in crate::tables) fn aggregate(
    mentions: &mut Mentions<'_>,
    query: &AggregateQuery,
) -> Result<Checked<Aggregate>, HostError> {
    if query.measures.is_empty() {
        let reason = "name at least one measure, for example count";
        return Err(HostError::invalid_aggregate(reason));
    }
    if query.measures.len() > MEASURES {
        return Err(HostError::too_much(
            "too_many_measures",
            "measures",
            MEASURES,
        ));
    }
    let groups = mentions.named_outputs(&query.group_by)?;
    let ungrouped = |ty| matches!(ty, ColumnType::Json | ColumnType::Vector(_));
    if let Some(group) = groups.iter().find(|group| ungrouped(group.ty)) {
        let reason = format!(
            "nothing is grouped by {}, whose values have no equality",
            group.ty
        );
        return Err(HostError::invalid_aggregate(reason));
    }
    let mut names: Vec<_> = groups.iter().map(|group| group.name.clone()).collect();
    let mut measures = Vec::with_capacity(query.measures.len());
    for asked in &query.measures {
        let measure = measure(mentions, asked)?;
        if names.contains(&measure.name) {
            return Err(HostError::repeated_name(measure.name.as_str()));
        }
        names.push(measure.name.clone());
        measures.push(measure);
    }
    check_order_length(&query.order)?;
    let mut order = Vec::with_capacity(query.order.len());
    for key in &query.order {
        let place = names.iter().position(|name| name.as_str() == key.column);
        let Some(place) = place else {
            let reason = "an aggregation is ordered by names of its answer: measures and groups";
            return Err(HostError::invalid_aggregate(reason));
        };
        order.push(SortedBy {
            place: place + 1,
            direction: key.direction,
            nulls: key.nulls.unwrap_or_else(|| key.direction.nulls()),
        });
    }
    let limit = mentions.limit(query.limit);
    let filter = match mentions.filter(&query.filter)? {
        // One row of nothing is still an answer: a count of 0.
        Rows::None if groups.is_empty() => Some(Filtered::Never),
        Rows::None => return Ok(Checked::Nothing),
        Rows::Where(filter) => filter.map(Filtered::When),
    };
    if limit == 0 {
        return Ok(Checked::Nothing);
    }
    Ok(Checked::Ask(Aggregate {
        groups,
        measures,
        filter,
        order,
        limit,
    }))
}

fn measure(mentions: &mut Mentions<'_>, asked: &Measure) -> Result<MeasureOf, HostError> {
    let name = answer_name(&asked.name)?;
    let Some(column) = &asked.column else {
        return match asked.summary {
            Summary::Count => Ok(MeasureOf {
                summary: asked.summary,
                column: None,
                name,
            }),
            Summary::Sum | Summary::Avg | Summary::Min | Summary::Max => Err(
                HostError::invalid_aggregate("only count goes without a column"),
            ),
        };
    };
    let column = mentions.readable(column)?;
    if !fits(asked.summary, column.ty) {
        let reason = format!(
            "no {} is worked out of {}",
            word(asked.summary),
            column.ty.sql_name()
        );
        return Err(HostError::invalid_aggregate(reason));
    }
    Ok(MeasureOf {
        summary: asked.summary,
        column: Some(column.name.clone()),
        name,
    })
}

fn word(summary: Summary) -> &'static str {
    match summary {
        Summary::Count => "count",
        Summary::Sum => "sum",
        Summary::Avg => "average",
        Summary::Min | Summary::Max => "extreme",
    }
}

fn fits(summary: Summary, ty: ColumnType) -> bool {
    match summary {
        // Values are only told from NULL.
        Summary::Count => true,
        Summary::Sum | Summary::Avg => ty.is_number(),
        Summary::Min | Summary::Max => {
            ty.is_number()
                || matches!(
                    ty,
                    ColumnType::Text
                        | ColumnType::Timestamptz
                        | ColumnType::Date
                        | ColumnType::Time
                )
        }
    }
}
