//! What a project in production does not take without a word more, or at all.

use crate::registry::tables::Data;
use crate::registry::{Environment, ProjectEntry};

use super::error::ApiError;

/// In production nothing is dropped unless that is said, whether or not anything would be lost.
pub(super) fn may_drop(project: &ProjectEntry, data: Data) -> Result<(), ApiError> {
    match (project.environment, data) {
        (Environment::Prod, Data::Kept) => Err(ApiError::DropInProduction),
        (Environment::Prod, Data::MayGo) | (Environment::Dev | Environment::Staging, _) => Ok(()),
    }
}

/// In production users sign in; nobody makes tokens for them.
pub(super) fn may_mint(project: &ProjectEntry) -> Result<(), ApiError> {
    match project.environment {
        Environment::Prod => Err(ApiError::TokenInProduction),
        Environment::Dev | Environment::Staging => Ok(()),
    }
}
