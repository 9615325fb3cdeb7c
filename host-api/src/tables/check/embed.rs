//! Embeds: rows of related tables, each under the policies of its own table.

use std::borrow::Cow;

use koyalite_policy::{Identity, Permit, TableName, Timestamp};

use super::mentions::answer_name;
use super::{Mentions, Rows};
use crate::db::sql::{AnswerName, Embed, Filtered, Link, Output, Through};
use crate::error::HostError;
use crate::invocation::Project;
use crate::limits::{EMBED_LEVELS, EMBEDS};
use crate::tables::query::{EmbedQuery, SelectQuery};
use crate::tables::related::{self, Path};
use crate::tables::select_permit;

/// What decides about the tables around the one that is asked for.
#[derive(Clone, Copy)]
pub(in crate::tables) struct Surroundings<'a> {
    pub(in crate::tables) project: &'a Project,
    pub(in crate::tables) identity: &'a Identity,
    /// One time for all decisions of a request.
    pub(in crate::tables) now: Timestamp,
}

impl<'a> Surroundings<'a> {
    /// What a request under this permit mentions: nothing yet.
    pub(in crate::tables) fn mentions<'p>(&self, permit: &'p Permit) -> Mentions<'p>
    where
        'a: 'p,
    {
        Mentions::of(
            permit,
            self.project.database.filter_texts(),
            self.project.select_rows,
        )
    }

    fn permit(&self, table: &TableName) -> Result<Permit, HostError> {
        select_permit(self.project, self.identity, table, self.now)
    }
}

/// The embeds of a query, each inside of where it belongs.
pub(super) fn embeds(
    mentions: &mut Mentions<'_>,
    surroundings: Surroundings<'_>,
    query: &SelectQuery,
    columns: &[Output],
) -> Result<Vec<Embed>, HostError> {
    if query.embeds.len() > EMBEDS {
        return Err(HostError::too_much("too_many_embeds", "embeds", EMBEDS));
    }
    for (place, embed) in (0..).zip(&query.embeds) {
        if embed.inside.is_some_and(|inside: u32| inside >= place) {
            return Err(HostError::invalid_embed());
        }
    }
    let forest = Forest {
        surroundings,
        embeds: &query.embeds,
    };
    forest.inside(None, mentions, columns, EMBED_LEVELS)
}

struct Forest<'a> {
    surroundings: Surroundings<'a>,
    embeds: &'a [EmbedQuery],
}

impl Forest<'_> {
    /// The embeds inside of one, or of the query itself. `columns` is what they stand beside.
    fn inside(
        &self,
        place: Option<u32>,
        outer: &mut Mentions<'_>,
        columns: &[Output],
        levels: usize,
    ) -> Result<Vec<Embed>, HostError> {
        let mut names: Vec<AnswerName> = columns.iter().map(|c| c.name.clone()).collect();
        let mut embeds = Vec::new();
        let inside = (0..).zip(self.embeds).filter(|(_, e)| e.inside == place);
        for (place, query) in inside {
            let Some(levels) = levels.checked_sub(1) else {
                let what = "embeds within one another";
                return Err(HostError::too_much("embeds_too_deep", what, EMBED_LEVELS));
            };
            let embed = self.embed(place, query, outer, levels)?;
            if names.contains(&embed.name) {
                return Err(HostError::repeated_name(embed.name.as_str()));
            }
            names.push(embed.name.clone());
            embeds.push(embed);
        }
        Ok(embeds)
    }

    fn embed(
        &self,
        place: u32,
        query: &EmbedQuery,
        outer: &mut Mentions<'_>,
        levels: usize,
    ) -> Result<Embed, HostError> {
        let unknown = || HostError::unknown_table(&query.table);
        let table: TableName = query.table.parse().map_err(|_| unknown())?;
        let permit = self.surroundings.permit(&table)?;
        let mut mentions = self.surroundings.mentions(&permit);
        let relationships = &self.surroundings.project.relationships;
        let (outer_table, via) = (&outer.table().name, query.via.as_deref());
        let path = related::path(relationships, outer_table, &table, via)?;
        let link = self.link(&path, outer, &mut mentions)?;
        let columns = mentions.outputs(&query.columns)?;
        let order = mentions.order(&query.order)?;
        let filter = match mentions.filter(&query.filter)? {
            Rows::None => Some(Filtered::Never),
            Rows::Where(filter) => filter.map(Filtered::When),
        };
        let embeds = self.inside(Some(place), &mut mentions, &columns, levels)?;
        let narrowed = owned(mentions.narrowed()?);
        Ok(Embed {
            name: answer_name(query.name.as_deref().unwrap_or(&query.table))?,
            columns,
            filter,
            order,
            limit: mentions.limit(query.limit),
            link,
            embeds,
            permit: narrowed.unwrap_or(permit),
        })
    }

    /// The columns on both sides are mentions, and so are those of a table in between.
    fn link(
        &self,
        path: &Path<'_>,
        outer_row: &mut Mentions<'_>,
        inner_row: &mut Mentions<'_>,
    ) -> Result<Link, HostError> {
        let (Path::One { outer, inner }
        | Path::Many { outer, inner }
        | Path::Through { outer, inner, .. }) = path;
        let outer = outer_row.readable(outer.as_str())?.name.clone();
        let inner = inner_row.readable(inner.as_str())?.name.clone();
        Ok(match path {
            Path::One { .. } => Link::One { outer, inner },
            Path::Many { .. } => Link::Many { outer, inner },
            Path::Through {
                table, near, far, ..
            } => {
                let permit = self.surroundings.permit(table)?;
                let mut between = self.surroundings.mentions(&permit);
                let near = between.readable(near.as_str())?.name.clone();
                let far = between.readable(far.as_str())?.name.clone();
                let narrowed = owned(between.narrowed()?);
                Link::Through(Box::new(Through {
                    outer,
                    near,
                    far,
                    inner,
                    permit: narrowed.unwrap_or(permit),
                }))
            }
        })
    }
}

/// None where it is still the permit that it was made from.
fn owned(permit: Cow<'_, Permit>) -> Option<Permit> {
    match permit {
        Cow::Owned(permit) => Some(permit),
        Cow::Borrowed(_) => None,
    }
}
