//! Files for those who operate: which there are, and their content past the policies.
//!
//! Content goes the way of a function's, as a service that bypasses the policies of files: the same limits
//! and the same store. Who has seen or changed what is in the audit log, before it happens.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, NoContent};
use futures::TryStreamExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderValue, Response};
use http_body_util::{BodyExt as _, StreamBody};
use koyalite_host_api::HostError;
use koyalite_host_api::files::{
    self as host, Caller, Download, FilePath, Part, Precondition, Upload, Wanted,
};
use koyalite_policy::{Identity, Resource, Service};
use serde::Deserialize;

use crate::registry::ProjectEntry;
use crate::registry::audit::{self, Action, Chain, Deed};
use crate::registry::condition::Condition;
use crate::registry::files::{self, Listed};

use super::Shared;
use super::answer::{Answer, Items, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::paging::{Paging, part};
use super::unchanged::{Tagged, Unchanged, in_quotes, tagged_by};

/// The list, in its cursors.
const FILES: &str = "files";

/// What acts, in the log: there is no function behind it.
const OPERATOR: &str = "operator";

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = FileQuery)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    prefix: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A file as it leaves.
pub(super) struct Content(Response<Body>);

impl IntoResponse for Content {
    fn into_response(self) -> Response<Body> {
        self.0
    }
}

/// A file as it arrives.
pub(super) struct Sent(Request);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Sent, ApiError> {
        Ok(Sent(request))
    }
}

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(query): Asked<Query>,
) -> Result<Answer<Items<Listed>>, ApiError> {
    let (limit, cursor) = (query.limit, query.cursor);
    let page = Paging { limit, cursor }.page(FILES)?;
    let prefix = query.prefix.unwrap_or_default();
    let listed = files::list(&control.registry, project.id, &prefix, &page).await?;
    part(FILES, listed, |file| file.path.clone())
}

pub(super) async fn read(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, path)): At<(String, String)>,
    operator: Operator,
) -> Result<Content, ApiError> {
    let (caller, path) = meant(&control, &project, &path)?;
    let download = Download::begin(&caller, &path, Part::All).await?;
    record(&control, &project, (Action::FileRead, &path)).await?;
    tracing::info!(operator = operator.subject, project = %project.name, %path, "read a file");
    let length = download.file().size;
    let kind = HeaderValue::from_str(&download.file().mime_type);
    let tag = in_quotes(&download.file().etag())?;
    let pieces = download.stream().map_ok(http_body::Frame::data);
    let mut response = Response::new(Body::new(StreamBody::new(pieces)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(ETAG, tag);
    if let Ok(kind) = kind {
        headers.insert(CONTENT_TYPE, kind);
    }
    let attachment = HeaderValue::from_static("attachment");
    headers.insert(http::header::CONTENT_DISPOSITION, attachment);
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, nosniff);
    Ok(Content(response))
}

pub(super) async fn write(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, path)): At<(String, String)>,
    operator: Operator,
    (Unchanged(condition), Sent(request)): (Unchanged, Sent),
) -> Result<Tagged<Answer<Listed>>, ApiError> {
    let (caller, path) = meant(&control, &project, &path)?;
    let (parts, mut body) = request.into_parts();
    let declared = parts.headers.get(CONTENT_TYPE);
    let wanted = Wanted {
        path: path.clone(),
        mime_type: declared
            .and_then(|kind| kind.to_str().ok())
            .map(str::to_owned),
        size: http_body::Body::size_hint(&body).exact(),
        precondition: on_content(condition),
        url: None,
    };
    record(&control, &project, (Action::FileWrite, &path)).await?;
    let mut upload = Upload::begin(caller, wanted).await?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| HostError::upload_incomplete())?;
        if let Ok(bytes) = frame.into_data() {
            upload.write(bytes).await?;
        }
    }
    let written = upload.finish().await?;
    tracing::info!(operator = operator.subject, project = %project.name, %path, "wrote a file");
    let listed = files::find(&control.registry, project.id, path.as_str()).await?;
    tagged_by(ok(listed), &written.file.etag())
}

pub(super) async fn remove(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, path)): At<(String, String)>,
    operator: Operator,
    Unchanged(condition): Unchanged,
) -> Result<NoContent, ApiError> {
    let (caller, path) = meant(&control, &project, &path)?;
    host::stat(&caller, &path).await?;
    record(&control, &project, (Action::FileDelete, &path)).await?;
    host::delete(&caller, &path, &on_content(condition)).await?;
    tracing::info!(operator = operator.subject, project = %project.name, %path, "deleted a file");
    Ok(NoContent)
}

/// A condition on a file's content, whose tags are those of its versions.
fn on_content(condition: Condition) -> Precondition {
    match condition {
        Condition::Always => Precondition::Anything,
        Condition::Something => Precondition::Something,
        Condition::OneOf(tags) => Precondition::OneOf(tags),
    }
}

/// Which file, past its policies.
fn meant(
    control: &Shared,
    entry: &ProjectEntry,
    path: &str,
) -> Result<(Caller, FilePath), ApiError> {
    let path: FilePath = path
        .parse()
        .map_err(|error| HostError::invalid_path(&error))?;
    let mut project = entry.for_host(&control.databases);
    if let Some(store) = &control.files {
        project.files = project.files.kept_in(store);
    }
    let bypassed = [Resource::Files.shape().name];
    let identity = Identity::Service(Service::past_policies(OPERATOR, bypassed)?);
    let project = Arc::new(project);
    Ok((Caller { project, identity }, path))
}

async fn record(
    control: &Shared,
    project: &ProjectEntry,
    (action, path): (Action, &FilePath),
) -> Result<(), ApiError> {
    let deed = Deed::new(action, path);
    Ok(audit::record(&control.registry, Chain::Project(project.id), deed).await?)
}
