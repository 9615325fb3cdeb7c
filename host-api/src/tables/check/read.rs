//! Select, and its pages.

use super::cursor::PageOrder;
use super::embed::Surroundings;
use super::{Checked, Mentions, Rows, embed};
use crate::db::sql::Select;
use crate::error::HostError;
use crate::tables::query::SelectQuery;

pub(in crate::tables) fn select(
    mentions: &mut Mentions<'_>,
    surroundings: Surroundings<'_>,
    query: &SelectQuery,
) -> Result<Checked<Select>, HostError> {
    let columns = mentions.outputs(&query.columns)?;
    let order = mentions.order(&query.order)?;
    let embeds = embed::embeds(mentions, surroundings, query, &columns)?;
    let limit = mentions.limit(query.limit);
    Ok(match mentions.filter(&query.filter)? {
        Rows::None => Checked::Nothing,
        _ if limit == 0 => Checked::Nothing,
        Rows::Where(filter) => Checked::Ask(Select {
            columns,
            filter,
            order,
            limit,
            embeds,
            page: None,
        }),
    })
}

/// A select whose order the primary key completes, and where its page begins.
pub(in crate::tables) fn page(
    mentions: &mut Mentions<'_>,
    surroundings: Surroundings<'_>,
    query: &SelectQuery,
    after: Option<&str>,
) -> Result<(Checked<Select>, PageOrder), HostError> {
    let mut checked = select(mentions, surroundings, query)?;
    // A wrong cursor is refused whether or not there is a row to look for.
    let order = PageOrder::of(mentions, &query.order)?;
    let page = order.keyset(after)?;
    if let Checked::Ask(select) = &mut checked {
        select.order = order.keys();
        select.page = Some(page);
    }
    Ok((checked, order))
}
