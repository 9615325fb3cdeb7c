//! The operations one by one, each as a function.

use koyalite_policy::Identity;

use super::plan;
use super::query::{
    AggregateQuery, CountQuery, DeleteQuery, InsertQuery, Operation, Page, SelectQuery,
    UpdateQuery, UpsertQuery,
};
use super::reads::{Look, refused, told};
use super::run;
use crate::error::HostError;
use crate::invocation::Project;

/// Reads rows: a JSON array of objects, at most [`crate::limits::SELECT_ROWS`].
///
/// # Errors
/// [`HostError`], from the catalogue in `error`.
pub async fn select(
    project: &Project,
    identity: &Identity,
    query: SelectQuery,
) -> Result<String, HostError> {
    run(project, identity, &Operation::Select(query))
        .await?
        .into_rows()
}

/// Reads rows page by page; `after` is the `next` of the page before.
///
/// # Errors
/// [`HostError`]; `invalid_cursor` where `after` is not from this table and order.
pub async fn select_page(
    project: &Project,
    identity: &Identity,
    query: &SelectQuery,
    after: Option<&str>,
) -> Result<Page, HostError> {
    let (whose, look) = ((project, identity), Look::select(query));
    let plan = match plan::plan_page(project, identity, query, after) {
        Ok(plan) => plan,
        Err(error) => return Err(refused(whose, [Some(look)], error).await),
    };
    match plan {
        (None, _) => {
            told(whose, [(Some(look), 0)]).await?;
            Ok(Page {
                rows: "[]".to_owned(),
                next: None,
            })
        }
        (Some(statement), order) => {
            let asker = project.told(identity);
            let read = project.database.run(asker.as_ref(), &statement).await?;
            told(whose, [(Some(look), read.count.into())]).await?;
            plan::page(read, &order)
        }
    }
}

/// Counts rows.
///
/// # Errors
/// [`HostError`], from the catalogue in `error`.
pub async fn count(
    project: &Project,
    identity: &Identity,
    query: CountQuery,
) -> Result<u64, HostError> {
    run(project, identity, &Operation::Count(query))
        .await?
        .into_count()
}

/// Works values out of rows: a JSON array of objects.
///
/// # Errors
/// [`HostError`], from the catalogue in `error`.
pub async fn aggregate(
    project: &Project,
    identity: &Identity,
    query: AggregateQuery,
) -> Result<String, HostError> {
    run(project, identity, &Operation::Aggregate(query))
        .await?
        .into_rows()
}

/// Writes new rows, all or none; the columns asked for as a JSON array.
///
/// # Errors
/// [`HostError`]; nothing was written, with the one exception of `answer_too_large`.
pub async fn insert(
    project: &Project,
    identity: &Identity,
    query: InsertQuery,
) -> Result<String, HostError> {
    run(project, identity, &Operation::Insert(query))
        .await?
        .into_rows()
}

/// Writes rows that may be there already, all or none.
///
/// # Errors
/// [`HostError`]; nothing was written, with the one exception of `answer_too_large`.
pub async fn upsert(
    project: &Project,
    identity: &Identity,
    query: UpsertQuery,
) -> Result<String, HostError> {
    run(project, identity, &Operation::Upsert(query))
        .await?
        .into_rows()
}

/// Changes the rows that the filter names and the caller may change, all or none.
///
/// # Errors
/// [`HostError`]; nothing was changed, with the one exception of `answer_too_large`.
pub async fn update(
    project: &Project,
    identity: &Identity,
    query: UpdateQuery,
) -> Result<String, HostError> {
    run(project, identity, &Operation::Update(query))
        .await?
        .into_rows()
}

/// Deletes the rows that the filter names and the caller may delete, all or none.
///
/// # Errors
/// [`HostError`]; nothing was deleted, with the one exception of `answer_too_large`.
pub async fn delete(
    project: &Project,
    identity: &Identity,
    query: DeleteQuery,
) -> Result<String, HostError> {
    run(project, identity, &Operation::Delete(query))
        .await?
        .into_rows()
}
