//! What handlers take out of a request besides its body: path parts, the query, the project.
//!
//! Every refusal is a problem document; nothing of the framework's own wording reaches a caller.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use koyalite_policy::NameError;
use serde::de::DeserializeOwned;

use crate::registry::ProjectEntry;

use super::Shared;
use super::error::ApiError;

/// The variable parts of the path, in order.
#[derive(Debug)]
pub struct At<T>(pub T);

/// The query string. Its type denies unknown fields, so that a misspelt `folow` is an error.
#[derive(Debug)]
pub struct Asked<T>(pub T);

/// The project named in the path, as the latest snapshot has it.
pub struct InProject(pub Arc<ProjectEntry>);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<At<T>, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(At(value)),
            Err(_) => Err(ApiError::BadPath),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Asked<T>, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Asked(value)),
            Err(rejection) => Err(ApiError::BadQuery(innermost(&rejection))),
        }
    }
}

/// What is wrong with the value itself: the outer words are the framework's.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

impl FromRequestParts<Shared> for InProject {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<InProject, ApiError> {
        #[derive(serde::Deserialize)]
        struct Named {
            project: String,
        }
        let At(Named { project }) = At::from_request_parts(parts, state).await?;
        state.project(&project).map(InProject)
    }
}

/// A validated name out of the text of a path or a body.
pub(super) fn name<N: FromStr<Err = NameError>>(text: &str) -> Result<N, ApiError> {
    Ok(text.parse()?)
}
