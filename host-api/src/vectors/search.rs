//! One search: decided and checked as every read is, then found by the way that is best for it.
//!
//! Few rows, or a small part of the graph, are compared one by one. For the rest the graph is asked, as hard
//! as its answers to earlier searches have shown to be needed, and where it finds fewer rows than were asked
//! for, all are compared after all.

use std::sync::Arc;
use std::time::Instant;

use koyalite_policy::Identity;

use super::known::{Course, Kind, Reach};
use super::probe::Probe;
use super::{Found, Graph, Precision, SearchPlan, SearchQuery, VectorIndex};
use crate::db::nearest::Comparing;
use crate::db::rows::Read;
use crate::db::run::Statement;
use crate::db::sql::near::{self, Effort};
use crate::error::HostError;
use crate::invocation::Project;
use crate::tables::near::{Search, search as plan};

/// Looks for the nearest rows that the caller may see.
///
/// # Errors
/// [`HostError`], from the catalogue in `error`.
pub async fn search(
    project: &Project,
    identity: &Identity,
    query: &SearchQuery,
) -> Result<Found, HostError> {
    let index = project.vectors.index(&query.index);
    let index = index.ok_or_else(|| HostError::unknown_vector_index(&query.index))?;
    let Some(search) = plan(project, identity, (index, query))? else {
        project.database.count_decided_without_database();
        return Ok(Found {
            rows: "[]".to_owned(),
            plan: nothing_to_compare(project),
        });
    };
    let searching = Searching {
        project,
        identity,
        index,
        search: Arc::new(search),
    };
    match (&project.vectors.pgvector, index.graph, query.precision) {
        (None, _, _) => searching.scan(&query.vector).await,
        (Some(_), Graph::Hnsw, Precision::Automatic) => searching.routed().await,
        (Some(_), Graph::None, _) | (Some(_), Graph::Hnsw, Precision::Exact) => {
            searching.exact().await
        }
    }
}

/// How no row at all is found.
fn nothing_to_compare(project: &Project) -> SearchPlan {
    match project.vectors.pgvector {
        Some(_) => SearchPlan::Exact,
        None => SearchPlan::Scan,
    }
}

struct Searching<'a> {
    project: &'a Project,
    identity: &'a Identity,
    index: &'a VectorIndex,
    search: Arc<Search>,
}

impl Searching<'_> {
    async fn scan(&self, vector: &[f32]) -> Result<Found, HostError> {
        let Search { permit, near } = &*self.search;
        let told = self.project.told(self.identity);
        let comparing = Comparing {
            candidates: &near::candidates(permit, near),
            vector,
            metric: near.metric,
            limit: usize::try_from(near.limit).unwrap_or(usize::MAX),
        };
        let database = &self.project.database;
        let read = |found: Vec<_>| match found.as_slice() {
            [] => None,
            _ => Some(near::at(permit, near, found)),
        };
        let read = database.nearest(told.as_ref(), comparing, read).await?;
        Ok(found(read, SearchPlan::Scan))
    }

    async fn exact(&self) -> Result<Found, HostError> {
        let statement = near::exact(&self.search.permit, &self.search.near);
        Ok(found(self.run(&statement).await?, SearchPlan::Exact))
    }

    async fn routed(&self) -> Result<Found, HostError> {
        let Search { permit, near } = &*self.search;
        let reach = near::reach(permit, near);
        let kind = Kind::of(self.index.id, &reach);
        if self.reach(kind, &reach).await?.is_small() {
            return self.exact().await;
        }
        let known = self.project.database.known_searches();
        match known.course(kind) {
            Course::CompareOnly => self.exact().await,
            Course::Compare => {
                let answer = self.exact().await?;
                self.probe(kind).start(Some(&answer.rows));
                Ok(answer)
            }
            Course::Graph { ef } => self.graph(Effort { ef }).await,
            Course::GraphAndProbe { ef } => {
                let answer = self.graph(Effort { ef }).await?;
                self.probe(kind).start(None);
                Ok(answer)
            }
        }
    }

    async fn reach(&self, kind: Kind, statement: &Statement) -> Result<Reach, HostError> {
        let known = self.project.database.known_searches();
        if let Some(reach) = known.reach(kind, Instant::now()) {
            return Ok(reach);
        }
        let read = self.run(statement).await?;
        let number = |at: usize| -> Result<u64, HostError> {
            let text = read.hidden.get(at).map_or("", String::as_str);
            text.trim_matches('"').parse().map_err(HostError::internal)
        };
        let reach = Reach {
            visible: number(0)?,
            table: number(1)?,
        };
        known.counted(kind, reach, Instant::now());
        Ok(reach)
    }

    async fn graph(&self, effort: Effort) -> Result<Found, HostError> {
        let Search { permit, near } = &*self.search;
        let told = self.project.told(self.identity);
        let together = [near::effort(effort), near::graph(permit, near)];
        let database = &self.project.database;
        let reads = database.run_together(told.as_ref(), &together).await?;
        let read = reads.into_iter().next_back();
        let read = read.ok_or_else(|| HostError::internal("a search without an answer"))?;
        match read.count >= near.limit {
            true => Ok(found(read, SearchPlan::Graph)),
            // It was cut off from rows that are there, or there are no more: only all of them tell.
            false => self.exact().await,
        }
    }

    async fn run(&self, statement: &Statement) -> Result<Read, HostError> {
        let told = self.project.told(self.identity);
        self.project.database.run(told.as_ref(), statement).await
    }

    fn probe(&self, kind: Kind) -> Probe {
        Probe {
            database: self.project.database.clone(),
            told: self.project.told(self.identity),
            search: Arc::clone(&self.search),
            kind,
        }
    }
}

fn found(read: Read, plan: SearchPlan) -> Found {
    Found {
        rows: read.rows,
        plan,
    }
}
