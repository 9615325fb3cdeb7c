//! A component that is fetched from a URL in place of being sent, once and whenever somebody asks.
//!
//! It is fetched through `egress`, so from a public address alone, and no redirect is followed. What was
//! fetched is kept under its hash like any other component: nothing is fetched to serve a call.

use std::time::Duration;

use axum::extract::State;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use koyalite_policy::FunctionName;
use serde::Deserialize;
use serde_json::Value;

use super::answer::Either;
use super::auth::Operator;
use super::deploy::{self, What};
use super::error::ApiError;
use super::extract::{At, InProject, name};
use super::functions::WithUrl;
use super::json::Json;
use super::{Control, Shared};
use crate::delivery::target;
use crate::egress::{Egress, EgressError, EgressGrant};
use crate::engine;
use crate::http::{Code, Mistake};
use crate::registry::deploy::rule::AutoRollback;
use crate::registry::deploy::terms::WrittenTerms;
use crate::registry::functions::{self, Deployed};
use crate::registry::{Manifest, RegistryError};

/// From asking for a component to the head of the answer: what stores of files need who first look for it.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// For the whole of a component; 64 MiB in this time is a slow line.
const FETCH_TIMEOUT: Duration = Duration::from_secs(120);

/// The longest URL that is kept: as of an endpoint's target.
const SOURCE_BYTES_MAX: usize = 2048;

const AGENT: &str = concat!("KoyaLite/", env!("CARGO_PKG_VERSION"));

/// Why there is no component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No answer, or none that may be asked for.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// Something else than a file.
    #[error(
        "the source answered {0}; it must answer 200 with the component, redirects are not followed"
    )]
    Status(StatusCode),
    /// It broke off, or took too long.
    #[error("the component broke off, or took longer than {} seconds", FETCH_TIMEOUT.as_secs())]
    Incomplete,
    /// Other bytes than were named.
    #[error("the source has other bytes: their SHA-256 is {found}")]
    Changed {
        /// In lower-case hexadecimal.
        found: String,
    },
}

impl SourceError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Egress(_) | Self::Status(_) | Self::Incomplete => Code::SourceFailed,
            Self::Changed { .. } => Code::SourceChanged,
        }
    }
}

/// What is to be fetched.
#[derive(Deserialize, utoipa::ToSchema)]
pub(super) struct Fetch {
    /// None: from where it was fetched last.
    source_url: Option<String>,
    /// Nothing else is taken.
    sha256: Option<String>,
    /// As text (TOML) or as an object; none: as before.
    manifest: Option<Value>,
    /// Percent of the calls, 1 to 100; none: all of them.
    weight: Option<u32>,
    /// Why.
    message: Option<String>,
    /// What callers are told apart by, as `claim:sub`.
    affinity: Option<String>,
    /// When it is taken back by itself.
    auto_rollback: Option<AutoRollback>,
}

pub(super) async fn fetch(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
    operator: Operator,
    Json(asked): Json<Fetch>,
) -> Result<Either<WithUrl<Deployed>>, ApiError> {
    let wanted: FunctionName = name(&wanted)?;
    let manifest = asked.manifest.map(manifest).transpose()?;
    let terms = WrittenTerms {
        weight: asked.weight,
        affinity: asked.affinity,
        auto_rollback: asked.auto_rollback,
        message: asked.message,
    };
    let terms = terms
        .read()
        .map_err(ApiError::invalid_as(Code::InvalidField))?;
    let source = match asked.source_url {
        Some(source) => source,
        None => functions::get(&control.registry, &project.name, &wanted)
            .await?
            .source_url
            .ok_or_else(|| wrong("source_url", "this function was uploaded; say from where"))?,
    };
    let component = from(&control, &source).await?;
    if let Some(pinned) = asked.sha256 {
        let found = engine::hash(&component);
        if !pinned.eq_ignore_ascii_case(&found) {
            return Err(SourceError::Changed { found }.into());
        }
    }
    let what = What {
        component,
        manifest,
        source_url: Some(source),
        terms,
    };
    deploy::admit(&control, &project, (wanted, what), &operator).await
}

fn wrong(field: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::Invalid(vec![Mistake {
        field: Some(field.to_owned()),
        ..Mistake::new(message.into())
    }])
}

fn manifest(written: Value) -> Result<Manifest, ApiError> {
    let read: Result<Manifest, RegistryError> = match written {
        Value::String(text) => Manifest::parse_toml(&text),
        written => Manifest::parse_json(written.to_string().as_bytes()),
    };
    read.map_err(ApiError::invalid_as(Code::InvalidManifest))
}

/// The bytes at a URL, if they may be asked for and are not too many.
async fn from(control: &Control, source: &str) -> Result<Bytes, ApiError> {
    if source.len() > SOURCE_BYTES_MAX {
        let message = format!("a URL has at most {SOURCE_BYTES_MAX} bytes");
        return Err(wrong("source_url", message));
    }
    target::check(source, control.targets)
        .map_err(|error| wrong("source_url", error.to_string()))?;
    let fetching = download(&control.egress, source, control.component_bytes_max);
    match tokio::time::timeout(FETCH_TIMEOUT, fetching).await {
        Ok(fetched) => fetched,
        Err(_late) => Err(SourceError::Incomplete.into()),
    }
}

async fn download(egress: &Egress, source: &str, limit: usize) -> Result<Bytes, ApiError> {
    let not_a_url = |_| wrong("source_url", target::TargetError::NotAUrl.to_string());
    let uri: Uri = source.parse().map_err(not_a_url)?;
    let not_granted = || wrong("source_url", target::TargetError::NotAUrl.to_string());
    let grant = EgressGrant::to_origin_of(&uri).ok_or_else(not_granted)?;
    let request = Request::get(uri)
        .header(ACCEPT, "application/wasm, application/octet-stream")
        .header(USER_AGENT, AGENT)
        .body(Empty::<Bytes>::new())
        .map_err(|_| not_granted())?;
    let answer = egress.send(&grant, request).await;
    let answer = answer.map_err(SourceError::from)?;
    if answer.status() != StatusCode::OK {
        return Err(SourceError::Status(answer.status()).into());
    }
    let told = answer.headers().get(CONTENT_LENGTH);
    let told = told.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|length| length > limit) {
        return Err(ApiError::ComponentTooLarge { limit });
    }
    let (mut body, mut whole) = (answer.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        let piece = frame.map_err(|_| SourceError::Incomplete)?;
        let piece = piece.into_data().unwrap_or_default();
        if whole.len() + piece.len() > limit {
            return Err(ApiError::ComponentTooLarge { limit });
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}
