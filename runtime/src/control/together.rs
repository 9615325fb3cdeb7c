//! Several functions in one request, with the tables and policies that they rely on: all of them serve
//! together, or nothing has changed.
//!
//! Each component is judged and kept as it comes, and nothing is recorded before all of them were.

use axum::extract::multipart::{Field, Multipart};
use axum::extract::{FromRequest, Request, State};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::http::Code;
use crate::registry::deploy::terms::Terms;
use crate::registry::deploy::together::{FUNCTIONS_TOGETHER_MAX, Together, deploy_together};
use crate::registry::functions::{DeployInput, Deployed};
use crate::registry::migration::Applied;
use crate::registry::{Manifest, ProjectEntry, RegistryError};

use super::answer::{Created, created};
use super::auth::Operator;
use super::deploy::{self, What};
use super::deployments::message;
use super::error::ApiError;
use super::extract::{Asked, InProject};
use super::functions::{WithUrl, with_url};
use super::permission::Permission;
use super::schema::{self, Document};
use super::upload::{BAD_FORM, read_component, read_document, read_manifest};
use super::{Control, Shared, json};

const ORDER: &str = "the form takes, for each function, a `manifest` and then its `component`, and \
                     one `schema`";

/// All components of one request: they stay in memory until all of them serve.
const TOGETHER_BYTES_MAX: usize = 256 << 20;

/// A form of any length, read part by part.
pub(super) struct Form(Multipart);

impl FromRequest<Shared> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Shared) -> Result<Form, ApiError> {
        let form = Multipart::from_request(request, state).await;
        Ok(Form(form.map_err(|_| BAD_FORM)?))
    }
}

/// What became of all of it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = DeployedTogether)]
pub(super) struct All {
    /// Nodes that are at this number, or after it, serve all of it.
    seq: i64,
    /// In the order in which they were sent.
    #[schema(value_type = Vec<Deployed>)]
    functions: Vec<WithUrl<Deployed>>,
    /// What became of tables and policies, where they were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<Applied>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TogetherQuery {
    message: Option<String>,
}

pub(super) async fn deploy_all(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Asked(query): Asked<TogetherQuery>,
    Form(form): Form,
) -> Result<Created<All>, ApiError> {
    let terms = Terms {
        message: message(query.message)?,
        ..Terms::default()
    };
    let sent = read(&control, (&project, &operator), form, &terms).await?;
    let (schema, places) = match sent.schema {
        None => (None, Vec::new()),
        Some(document) => {
            operator.demand(Permission::PolicyWrite)?;
            let (file, places) = document.flatten()?;
            (Some((file, schema::cautious(&control, &operator))), places)
        }
    };
    let hash = |one: &DeployInput| one.sha256.clone();
    let hashes: Vec<String> = sent.functions.iter().map(hash).collect();
    let together = Together {
        project: project.name.clone(),
        functions: sent.functions,
        schema,
    };
    let deployed = deploy_together(&control.registry, together).await;
    let deployed = deployed.map_err(|error| refused(error, &places))?;
    // Whoever has just removed the last other use of one may have taken it away in between.
    for (hash, component) in hashes.into_iter().zip(sent.components) {
        deploy::keep(control.objects.as_ref(), &hash, component).await?;
    }
    let with_urls = deployed.functions.into_iter();
    let with_urls = with_urls.map(|one| with_url(&control, &project, one));
    Ok(created(All {
        seq: deployed.seq,
        functions: with_urls.collect(),
        schema: deployed.schema,
    }))
}

/// What was sent, judged by the engine.
#[derive(Default)]
struct Sent {
    functions: Vec<DeployInput>,
    /// Theirs, in the same order.
    components: Vec<Bytes>,
    schema: Option<Document>,
}

async fn read(
    control: &Control,
    (project, operator): (&ProjectEntry, &Operator),
    mut form: Multipart,
    terms: &Terms,
) -> Result<Sent, ApiError> {
    let mut sent = Sent::default();
    let mut waiting: Option<Manifest> = None;
    while let Some(field) = form.next_field().await.map_err(|_| BAD_FORM)? {
        match (field.name(), waiting.take()) {
            (Some("manifest"), None) if sent.functions.len() < FUNCTIONS_TOGETHER_MAX => {
                waiting = Some(read_manifest(field).await?);
            }
            (Some("component"), Some(manifest)) => {
                let component = sent.room(control, field).await?;
                sent.components.push(component.clone());
                let name = manifest.name.clone();
                let what = What {
                    component,
                    manifest: Some(manifest),
                    source_url: None,
                    terms: terms.clone(),
                };
                let input = deploy::prepare(control, project, (name, what), operator).await?;
                sent.functions.push(input);
            }
            (Some("schema"), None) if sent.schema.is_none() => {
                sent.schema = Some(json::parse(&read_document(field).await?)?);
            }
            _ => return Err(ApiError::BadUpload(ORDER)),
        }
    }
    match waiting {
        None => Ok(sent),
        Some(_) => Err(ApiError::BadUpload(ORDER)),
    }
}

impl Sent {
    /// The next component, within its limit and that of all.
    async fn room(&self, control: &Control, field: Field<'_>) -> Result<Bytes, ApiError> {
        let limit = TOGETHER_BYTES_MAX;
        let component = read_component(field, control.component_bytes_max).await?;
        let before: usize = self.components.iter().map(Bytes::len).sum();
        match before + component.len() <= limit {
            true => Ok(component),
            false => Err(ApiError::BodyTooLarge { limit }),
        }
    }
}

/// What is wrong with a manifest is told as such, the rest as a schema's refusal.
fn refused(error: RegistryError, places: &[String]) -> ApiError {
    match &error {
        RegistryError::Invalid { errors }
            if errors.iter().all(|one| one.field.starts_with("functions")) =>
        {
            ApiError::invalid_as(Code::InvalidManifest)(error)
        }
        _ => schema::refused(error, places),
    }
}
