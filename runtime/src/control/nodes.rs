//! The nodes of this installation: where they are, what they run, and which state each serves.

use axum::extract::State;

use crate::registry::nodes::{self, Node};

use super::Shared;
use super::answer::{Answer, Items};
use super::error::ApiError;
use super::extract::Asked;
use super::paging::{Paging, part};

/// The list, in its cursors.
const NODES: &str = "nodes";

pub(super) async fn list(
    State(control): State<Shared>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Node>>, ApiError> {
    let page = paging.page(NODES)?;
    let found = nodes::list(&control.registry, &page).await?;
    part(NODES, found, |node| node.id)
}
