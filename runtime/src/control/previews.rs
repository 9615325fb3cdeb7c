//! Signed URLs to a version that need not serve: made for people who are to look at it, with an end.

use axum::extract::State;
use axum::response::NoContent;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::http::Mistake;
use crate::keys::{PREVIEW, Preview};
use crate::registry::RegistryError;
use crate::registry::deploy::previews::{self, PREVIEW_TTL_S_MAX};

use super::Shared;
use super::answer::{Created, created};
use super::error::ApiError;
use super::extract::{At, InProject, name};
use super::functions::find;
use super::json::Json;

/// An hour for a colleague to look.
const TTL_S_USUAL: i64 = 3600;

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = NewPreview)]
pub(super) struct Wanted {
    version: u32,
    /// For how long, in seconds; an hour if nothing is said.
    ttl_s: Option<i64>,
}

/// A URL that was made, shown once.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = PreviewUrl)]
pub(super) struct Made {
    /// By which it can be taken back alone.
    id: Uuid,
    version: u32,
    /// Whoever has it may call that version.
    url: String,
    expires_at: DateTime<Utc>,
}

pub(super) async fn create(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
    Json(asked): Json<Wanted>,
) -> Result<Created<Made>, ApiError> {
    let ttl_s = asked.ttl_s.unwrap_or(TTL_S_USUAL);
    if !(1..=i64::from(PREVIEW_TTL_S_MAX)).contains(&ttl_s) {
        let message = format!("write seconds from 1 to {PREVIEW_TTL_S_MAX}");
        return Err(ApiError::Invalid(vec![Mistake {
            field: Some("ttl_s".to_owned()),
            ..Mistake::new(message)
        }]));
    }
    let version = asked.version;
    let function = find(&project, &wanted)?;
    let shown = function.versions.get(&version);
    let shown = shown.ok_or_else(|| RegistryError::not_found("version", version))?;
    let expires_at = Utc::now() + TimeDelta::seconds(ttl_s);
    let preview = Preview {
        id: Uuid::now_v7(),
        version,
        epoch: function.deployment.preview_epoch,
        expires_at: expires_at.timestamp(),
    };
    let until = (preview.id, version, expires_at);
    previews::record(&control.registry, &project, function, until).await?;
    let signed = preview.seal(&control.registry.ring(), function.id);
    let signed = signed.map_err(|_| ApiError::Unwritable)?;
    // Requests find a function by the path of the version that serves.
    let url = control.url(&project, &function.active.manifest.path);
    Ok(created(Made {
        id: preview.id,
        version: shown.number,
        url: format!("{url}?{PREVIEW}={signed}"),
        expires_at,
    }))
}

pub(super) async fn revoke_one(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted, preview)): At<(String, String, String)>,
) -> Result<NoContent, ApiError> {
    let id = preview.parse().map_err(|_| {
        let message = "write the id that the URL was made with";
        ApiError::Invalid(vec![Mistake {
            field: Some("id".to_owned()),
            ..Mistake::new(message.to_owned())
        }])
    })?;
    let function = name(&wanted)?;
    previews::revoke_one(&control.registry, (&project.name, &function), id).await?;
    Ok(NoContent)
}

pub(super) async fn revoke(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
) -> Result<NoContent, ApiError> {
    previews::revoke(&control.registry, &project.name, &name(&wanted)?).await?;
    Ok(NoContent)
}
