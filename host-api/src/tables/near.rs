//! The nearest rows: a read like any other as far as the statement, ordered by distance.

use koyalite_policy::{ColumnType, Command, Identity, Permit, Value};

use super::check::Rows;
use super::plan::Planning;
use crate::db::bind::Bind;
use crate::db::sql::hybrid::Words;
use crate::db::sql::{AnswerName, Near, NearIn};
use crate::error::HostError;
use crate::invocation::Project;
use crate::limits::{HYBRID_COLUMNS, HYBRID_TEXT_BYTES, NEAREST_ROWS};
use crate::vectors::{HybridQuery, Language, Metric, SearchQuery, VectorIndex};

/// The key of each row's distance.
pub(crate) const DISTANCE: &str = "distance";

/// A search that was decided and checked: what its statements are made of.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) permit: Permit,
    pub(crate) near: Near,
}

/// The key of what a row's places in both lists come to.
pub(crate) const SCORE: &str = "score";

/// Decides and checks; none where no row can count, whatever the table holds.
pub(crate) fn search(
    project: &Project,
    identity: &Identity,
    asked: (&VectorIndex, &SearchQuery),
) -> Result<Option<Search>, HostError> {
    planned(project, identity, asked, (DISTANCE, &[]))
}

/// The same of a search by words too.
pub(crate) fn search_words(
    project: &Project,
    identity: &Identity,
    (index, query): (&VectorIndex, &HybridQuery),
) -> Result<Option<(Search, Words)>, HostError> {
    HostError::unless_within([
        (
            "params_too_large",
            "bytes of words",
            query.text.len(),
            HYBRID_TEXT_BYTES,
        ),
        (
            "too_many_columns",
            "columns of words",
            query.columns.len(),
            HYBRID_COLUMNS,
        ),
    ])?;
    if query.columns.is_empty() {
        return Err(HostError::no_text_columns());
    }
    let unknown = || HostError::unknown_language(&query.language);
    let language = Language::parse(&query.language).ok_or_else(unknown)?;
    let asked = (index, &query.near);
    let search = planned(project, identity, asked, (SCORE, &query.columns))?;
    let Some(search) = search else {
        return Ok(None);
    };
    let columns = query.columns.iter();
    let columns: Result<_, _> = columns
        .map(|name| name.parse().map_err(|_| HostError::not_text(name)))
        .collect();
    let words = Words {
        text: query.text.clone(),
        columns: columns?,
        language,
    };
    Ok(Some((search, words)))
}

/// `key` is what stands in each row beside its columns; `texts` are columns that are read too.
fn planned(
    project: &Project,
    identity: &Identity,
    (index, query): (&VectorIndex, &SearchQuery),
    (key, texts): (&str, &[String]),
) -> Result<Option<Search>, HostError> {
    let planning = Planning::new(project, identity);
    let permit = planning.permit(Command::Select, index.table.as_str())?;
    let mut mentions = planning.mentions(&permit);
    let column = mentions.readable(index.column.as_str())?;
    let ColumnType::Vector(dimension) = column.ty else {
        return Err(HostError::unknown_vector_index(index.name.as_str()));
    };
    for text in texts {
        if mentions.readable(text)?.ty != ColumnType::Text {
            return Err(HostError::not_text(text));
        }
    }
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
    if outputs.iter().any(|output| output.name.as_str() == key) {
        return Err(HostError::repeated_name(key));
    }
    check_vector(&query.vector, dimension, index.metric)?;
    if query.k == 0 || query.k > NEAREST_ROWS {
        return Err(HostError::invalid_k());
    }
    let filter = match mentions.filter(&query.filter)? {
        Rows::None => return Ok(None),
        Rows::Where(filter) => filter,
    };
    let distance = AnswerName::parse(key).ok_or_else(HostError::invalid_k)?;
    let near = Near {
        columns: outputs,
        filter,
        column: index.column.clone(),
        vector: numbers(&query.vector),
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

/// As an array in binary form: a text would be read again for every row that is compared.
fn numbers(vector: &[f32]) -> Bind {
    let numbers = vector.iter().map(|number| Value::Float((*number).into()));
    Bind::Typed {
        value: Value::List(numbers.collect()),
        ty: ColumnType::Real,
    }
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
