//! Searches by meaning and by words at once. Decided and checked as every read is; rows are compared and read
//! one by one, so there may not be too many of them.

use koyalite_policy::Identity;

use super::{Found, SearchPlan, SearchQuery};
use crate::db::nearest::Comparing;
use crate::db::rows::Read;
use crate::db::sql::hybrid::{self, Nearest};
use crate::db::sql::near;
use crate::error::HostError;
use crate::invocation::Project;
use crate::limits::{HYBRID_CANDIDATES, HYBRID_ROWS};
use crate::tables::near::{Search, search_words};

/// What is looked for, by its vector and by its words.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HybridQuery {
    /// The vector, how many rows, which of them count, and what is answered.
    pub near: SearchQuery,
    /// Words as people type them: `"a phrase"`, `or`, `-without`.
    pub text: String,
    /// The columns of text that they are looked for in.
    pub columns: Vec<String>,
    /// The language's word; empty: none in particular.
    pub language: String,
}

/// A language whose words Postgres knows the forms of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language(&'static str);

impl Language {
    /// All of them, as Postgres 15 calls them.
    const ALL: [&'static str; 29] = [
        "simple",
        "arabic",
        "armenian",
        "basque",
        "catalan",
        "danish",
        "dutch",
        "english",
        "finnish",
        "french",
        "german",
        "greek",
        "hindi",
        "hungarian",
        "indonesian",
        "irish",
        "italian",
        "lithuanian",
        "nepali",
        "norwegian",
        "portuguese",
        "romanian",
        "russian",
        "serbian",
        "spanish",
        "swedish",
        "tamil",
        "turkish",
        "yiddish",
    ];

    /// The language of that word. Nothing else becomes part of a statement.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = if word.is_empty() { "simple" } else { word };
        Self::ALL.into_iter().find(|one| *one == word).map(Self)
    }

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

/// Looks for the rows that stand best in both lists: of those that are near, and of those that have the words.
///
/// # Errors
/// [`HostError`], from the catalogue in `error`.
pub async fn search_hybrid(
    project: &Project,
    identity: &Identity,
    query: &HybridQuery,
) -> Result<Found, HostError> {
    let index = project.vectors.index(&query.near.index);
    let index = index.ok_or_else(|| HostError::unknown_vector_index(&query.near.index))?;
    let plan = match project.vectors.pgvector {
        Some(_) => SearchPlan::Exact,
        None => SearchPlan::Scan,
    };
    let Some((search, words)) = search_words(project, identity, (index, query))? else {
        project.database.count_decided_without_database();
        let rows = "[]".to_owned();
        return Ok(Found { rows, plan });
    };
    let Search { permit, near } = &search;
    let told = project.told(identity);
    let database = &project.database;
    let counted = hybrid::counted(permit, near);
    few_enough(&database.run(told.as_ref(), &counted).await?)?;
    let read = match plan {
        SearchPlan::Scan => {
            let comparing = Comparing {
                candidates: &near::candidates(permit, near),
                vector: &query.near.vector,
                metric: near.metric,
                limit: HYBRID_CANDIDATES as usize,
            };
            let read = |found: Vec<(String, f64)>| {
                let places = found.into_iter().map(|(place, _)| place).collect();
                Some(hybrid::hybrid(permit, near, &words, Nearest::At(places)))
            };
            database.nearest(told.as_ref(), comparing, read).await?
        }
        SearchPlan::Exact | SearchPlan::Graph => {
            let statement = hybrid::hybrid(permit, near, &words, Nearest::Here);
            database.run(told.as_ref(), &statement).await?
        }
    };
    Ok(Found {
        rows: read.rows,
        plan,
    })
}

fn few_enough(counted: &Read) -> Result<(), HostError> {
    let text = counted.hidden.first().map_or("", String::as_str);
    let rows: u32 = text
        .trim_matches('"')
        .parse()
        .map_err(HostError::internal)?;
    match rows > HYBRID_ROWS {
        true => Err(HostError::too_many_texts()),
        false => Ok(()),
    }
}
