//! What a deploy sends: a component, alone or in a form with its manifest. Bounded while it streams.

use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use crate::http::Code;
use crate::registry::Manifest;

use super::Shared;
use super::error::ApiError;
use super::json::{BODY_BYTES_MAX, expect_media_type};

/// A manifest with a thousand config keys has a tenth of this.
const MANIFEST_BYTES_MAX: usize = 256 << 10;

/// A component, and the manifest where one was sent.
pub(super) struct Upload {
    pub(super) component: Bytes,
    pub(super) manifest: Option<Manifest>,
}

impl FromRequest<Shared> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Shared) -> Result<Upload, ApiError> {
        let limit = state.component_bytes_max;
        // An honest length is refused before the first byte is sent: `curl -T` waits for our word.
        let whole_max = limit + FORM_OVERHEAD_BYTES_MAX;
        if declared_length(request.headers()).is_some_and(|length| length > whole_max) {
            return Err(ApiError::ComponentTooLarge { limit });
        }
        if is_form(request.headers()) {
            let form = Multipart::from_request(request, state).await;
            return from_form(form.map_err(|_| BAD_FORM)?, limit).await;
        }
        expect_media_type(request.headers(), COMPONENT, INSTEAD)?;
        let component = gather(
            request.into_body().into_data_stream(),
            component_part(limit),
        )
        .await?;
        finish(Some(component), None)
    }
}

/// What a lone component may announce itself as. The last is what `curl --data-binary` says of
/// anything.
const COMPONENT: &[&str] = &[
    "application/wasm",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
];

const INSTEAD: &str = "send a component as `application/wasm`, or a `multipart/form-data` form";

/// What a form may have beside the component: the manifest at its largest, and its own lines.
const FORM_OVERHEAD_BYTES_MAX: usize = MANIFEST_BYTES_MAX + (16 << 10);

pub(super) const BAD_FORM: ApiError =
    ApiError::BadUpload("the form cannot be read: send `multipart/form-data` with its boundary");

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_form(headers: &HeaderMap) -> bool {
    let declared = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    declared.is_some_and(|kind| {
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("multipart/form-data")
    })
}

async fn from_form(mut form: Multipart, limit: usize) -> Result<Upload, ApiError> {
    let (mut component, mut manifest) = (None, None);
    while let Some(field) = form.next_field().await.map_err(|_| BAD_FORM)? {
        match field.name() {
            Some("component") if component.is_none() => {
                component = Some(read_component(field, limit).await?);
            }
            Some("manifest") if manifest.is_none() => manifest = Some(read_manifest(field).await?),
            _ => {
                return Err(ApiError::BadUpload(
                    "the form takes one `component` and one `manifest`",
                ));
            }
        }
    }
    finish(component, manifest)
}

fn finish(component: Option<Bytes>, manifest: Option<Manifest>) -> Result<Upload, ApiError> {
    match component {
        Some(component) if !component.is_empty() => Ok(Upload {
            component,
            manifest,
        }),
        Some(_) | None => Err(ApiError::BadUpload("send the bytes of a component")),
    }
}

/// The component in a part of a form.
pub(super) async fn read_component(field: Field<'_>, limit: usize) -> Result<Bytes, ApiError> {
    gather(field, component_part(limit)).await
}

/// The text of a document in a part of a form.
pub(super) async fn read_document(field: Field<'_>) -> Result<Bytes, ApiError> {
    gather(field, DOCUMENT).await
}

/// The manifest in a part of a form.
pub(super) async fn read_manifest(field: Field<'_>) -> Result<Manifest, ApiError> {
    let bytes = gather(field, MANIFEST).await?;
    // Nothing that is TOML begins with a brace, and every JSON object does.
    if bytes.trim_ascii_start().starts_with(b"{") {
        return Manifest::parse_json(&bytes).map_err(ApiError::invalid_as(Code::InvalidManifest));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| ApiError::BadUpload("the manifest must be UTF-8 text: TOML or JSON"))?;
    Manifest::parse_toml(text).map_err(ApiError::invalid_as(Code::InvalidManifest))
}

/// A part's limit, and the refusal that goes with it.
struct Part {
    limit: usize,
    too_large: fn(usize) -> ApiError,
}

fn component_part(limit: usize) -> Part {
    Part {
        limit,
        too_large: |limit| ApiError::ComponentTooLarge { limit },
    }
}

const MANIFEST: Part = Part {
    limit: MANIFEST_BYTES_MAX,
    too_large: |limit| ApiError::BodyTooLarge { limit },
};

const DOCUMENT: Part = Part {
    limit: BODY_BYTES_MAX,
    too_large: |limit| ApiError::BodyTooLarge { limit },
};

/// Collects into one piece of memory: joining pieces at the end would need the double.
async fn gather<E: Interrupted>(
    mut chunks: impl Stream<Item = Result<Bytes, E>> + Unpin,
    part: Part,
) -> Result<Bytes, ApiError> {
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(E::refusal)?;
        if whole.len() + chunk.len() > part.limit {
            return Err((part.too_large)(part.limit));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}

/// How a stream that broke is told.
trait Interrupted {
    fn refusal(self) -> ApiError;
}

impl Interrupted for axum::Error {
    fn refusal(self) -> ApiError {
        ApiError::BodyIncomplete
    }
}

impl Interrupted for MultipartError {
    fn refusal(self) -> ApiError {
        BAD_FORM
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures::stream;

    use super::*;

    async fn check(sizes: &[usize], limit: usize, accepted: bool) {
        let part = component_part(limit);
        let chunks = sizes
            .iter()
            .map(|size| Ok::<_, axum::Error>(Bytes::from(vec![0; *size])));
        let gathered = gather(stream::iter(chunks), part).await;
        assert_eq!(gathered.is_ok(), accepted, "{sizes:?} under {limit}");
    }

    #[tokio::test]
    async fn the_first_chunk_over_the_limit_ends_the_upload() {
        check(&[4, 4], 8, true).await;
        check(&[4, 4, 1], 8, false).await;
        check(&[9, 0], 8, false).await;
        check(&[], 0, true).await;
    }

    #[test]
    fn a_form_is_known_by_its_type() {
        let check = |kind: Option<&'static str>, form| {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
            }
            assert_eq!(is_form(&headers), form, "{kind:?}");
        };
        check(None, false);
        check(Some("application/wasm"), false);
        check(Some("application/x-www-form-urlencoded"), false);
        check(Some("Multipart/Form-Data; boundary=x"), true);
        check(Some("multipart/mixed; boundary=x"), false);
    }

    #[tokio::test]
    async fn an_empty_upload_is_not_a_component() {
        let chunks = Body::empty().into_data_stream();
        let nothing = gather(chunks, component_part(1)).await.unwrap();
        assert!(matches!(
            finish(Some(nothing), None),
            Err(ApiError::BadUpload(_))
        ));
    }
}
