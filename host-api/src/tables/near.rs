//! The nearest rows: a read like any other as far as the statement, ordered by distance.

use koyalite_policy::{ColumnType, Command, Value};

use super::check::{Mentions, Rows};
use super::plan::Planning;
use crate::db::bind::Bind;
use crate::db::sql::{AnswerName, Near, NearIn};
use crate::error::HostError;
use crate::invocation::Project;
use crate::limits::NEAREST_ROWS;
use crate::vectors::{Metric, SearchQuery, VectorIndex};
use koyalite_policy::{Identity, Permit};

/// The key of each row's distance.
pub(crate) const DISTANCE: &str = "distance";

/// A search that was decided and checked: what its statements are made of.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) permit: Permit,
    pub(crate) near: Near,
}

/// Decides and checks; none where no row can count, whatever the table holds.
pub(crate) fn search(
    project: &Project,
    identity: &Identity,
    (index, query): (&VectorIndex, &SearchQuery),
) -> Result<Option<Search>, HostError> {
    let planning = Planning::new(project, identity);
    let permit = planning.permit(Command::Select, index.table.as_str())?;
    let mut mentions = Mentions::of(&permit);
    let column = mentions.readable(index.column.as_str())?;
    let ColumnType::Vector(dimension) = column.ty else {
        return Err(HostError::unknown_vector_index(index.name.as_str()));
    };
    let outputs = match query.columns.as_slice() {
        [] => {
            let others = permit.table().columns.iter();
            let others = others.filter(|column| column.name != index.column);
            let others = others.filter(|column| permit.readable(&column.name));
            let names: Vec<_> = others.map(|column| column.name.to_string()).collect();
            mentions.named_outputs(&names)?
        }
        named => mentions.named_outputs(named)?,
    };
    if outputs
        .iter()
        .any(|output| output.name.as_str() == DISTANCE)
    {
        return Err(HostError::repeated_name(DISTANCE));
    }
    check_vector(&query.vector, dimension, index.metric)?;
    if query.k == 0 || query.k > NEAREST_ROWS {
        return Err(HostError::invalid_k());
    }
    let filter = match mentions.filter(&query.filter)? {
        Rows::None => return Ok(None),
        Rows::Where(filter) => filter,
    };
    let distance = AnswerName::parse(DISTANCE).ok_or_else(HostError::invalid_k)?;
    let near = Near {
        columns: outputs,
        filter,
        column: index.column.clone(),
        vector: Bind::Typed {
            value: Value::Vector(query.vector.clone()),
            ty: ColumnType::Vector(dimension),
        },
        dimension,
        metric: index.metric,
        limit: query.k,
        distance,
        place: NearIn {
            schema: project.database.schema().to_owned(),
            extension: project
                .vectors
                .pgvector
                .as_ref()
                .map(|extension| extension.schema.clone()),
        },
    };
    Ok(Some(Search {
        permit: mentions.narrowed()?.into_owned(),
        near,
    }))
}

fn check_vector(vector: &[f32], dimension: u16, metric: Metric) -> Result<(), HostError> {
    if vector.len() != usize::from(dimension) {
        return Err(HostError::wrong_dimension(dimension, vector.len()));
    }
    if !vector.iter().all(|number| number.is_finite()) {
        return Err(HostError::invalid_vector("a number in it is not finite"));
    }
    match metric {
        Metric::Cosine if vector.iter().all(|number| *number == 0.0) => Err(
            HostError::invalid_vector("it is all zeros, which have no angle to anything"),
        ),
        Metric::Cosine | Metric::L2 | Metric::InnerProduct => Ok(()),
    }
}
