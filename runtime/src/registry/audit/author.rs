//! Who acts. Told once, where a request is let in, and true for all that is done on its behalf.
//!
//! It travels beside the calls and not through them: a function that could be given an author could be
//! given none, or another one.

use std::future::Future;

use uuid::Uuid;

/// Nobody's request: a start, the scheduler, a sweep.
const SYSTEM: &str = "system";

/// Who acts, and in which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// A user's id, or the name in a token.
    pub actor: String,
    /// The request that asked for it.
    pub request: Option<Uuid>,
}

tokio::task_local! {
    static AUTHOR: Author;
}

/// Does something on behalf of an author.
pub async fn on_behalf<F: Future>(author: Author, work: F) -> F::Output {
    AUTHOR.scope(author, work).await
}

impl Author {
    /// Who acts now; the node itself outside of any request.
    pub(crate) fn current() -> Self {
        AUTHOR.try_with(Clone::clone).unwrap_or_else(|_| Self {
            actor: SYSTEM.to_owned(),
            request: None,
        })
    }
}
