//! Resumable uploads by TUS 1.0: creation (with content), expiration, checksum, termination.
//!
//! `POST /files/{project}/{path}` with `tus-resumable` begins one; it goes on at
//! `/files/{project}/.koyalite/uploads/{id}`, which no file can be called. What arrives is kept even where the
//! sender breaks off: that is what it is for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, request};
use http_body_util::BodyExt as _;
use koyalite_host_api::HostError;
use koyalite_host_api::files::{Caller, FilePath, Precondition, Resumable, Resumed, Wanted};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use uuid::Uuid;

use super::{UPLOAD_SILENCE, answer};
use crate::gateway::error::GatewayError;
use crate::gateway::route::RouteError;
use crate::http::{Body, BodyError, body};

/// What makes a request one of this protocol.
const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const VERSION: HeaderName = HeaderName::from_static("tus-version");
const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const ALGORITHMS: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");

/// Where uploads go on, below a project's files.
const UPLOADS: &str = ".koyalite/uploads/";

/// The type of content that goes on.
const CONTENT: &str = "application/offset+octet-stream";

/// The one version there is.
const ONE: &str = "1.0.0";

/// Of content that is not what its checksum says; the protocol's own, in no list of HTTP's.
const MISMATCH: u16 = 460;

/// Content under a checksum is looked at before any of it is kept, so it is held as a whole.
const CHECKED_BYTES_MAX: usize = 16 << 20;

/// The id of the upload that a path goes on with.
pub(super) fn upload_of(path: &str) -> Option<Uuid> {
    path.strip_prefix(UPLOADS)
        .and_then(|id| Uuid::parse_str(id).ok())
}

/// Whether a request speaks the protocol.
pub(super) fn is_spoken(parts: &request::Parts) -> bool {
    parts.headers.contains_key(RESUMABLE)
}

/// What the host can do.
pub(super) fn options(caller: &Caller) -> Response<Body> {
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    set(headers, RESUMABLE, ONE);
    set(headers, VERSION, ONE);
    let extensions = "creation,creation-with-upload,expiration,checksum,termination";
    set(headers, EXTENSION, extensions);
    set(headers, ALGORITHMS, "sha1,sha256");
    set(
        headers,
        MAX_SIZE,
        &caller.project.files.file_bytes().to_string(),
    );
    response
}

/// Begins an upload.
pub(super) async fn create(
    caller: Caller,
    (path, base): (FilePath, &str),
    (parts, body): (&request::Parts, Body),
) -> Result<Response<Body>, GatewayError> {
    check_version(parts)?;
    let length = number(&parts.headers, &LENGTH)?;
    let wanted = Wanted {
        path,
        mime_type: media_type(&parts.headers),
        size: Some(length),
        precondition: Precondition::Anything,
        url: None,
    };
    let upload = Resumable::begin(&caller, wanted).await?;
    let location = format!("{base}{UPLOADS}{}", upload.id());
    let has_content = parts
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == CONTENT);
    let upload = match has_content || length == 0 {
        true => take(caller, upload, (parts, body)).await?,
        false => Taken::Kept(upload),
    };
    let Taken::Kept(upload) = upload else {
        return Ok(mismatch());
    };
    let mut response = told(StatusCode::CREATED, &upload);
    set(response.headers_mut(), LOCATION, &location);
    Ok(response)
}

/// Goes on with an upload, says where it goes on, or ends it.
pub(super) async fn go_on(
    caller: Caller,
    id: Uuid,
    (parts, body): (&request::Parts, Body),
) -> Result<Response<Body>, GatewayError> {
    check_version(parts)?;
    let upload = Resumable::find(&caller, id).await?;
    match parts.method {
        Method::HEAD => {
            let mut response = told(StatusCode::OK, &upload);
            let headers = response.headers_mut();
            set(headers, LENGTH, &upload.length.to_string());
            set(headers, CACHE_CONTROL, "no-store");
            Ok(response)
        }
        Method::PATCH => {
            if parts
                .headers
                .get(CONTENT_TYPE)
                .is_none_or(|kind| kind != CONTENT)
            {
                return Err(GatewayError::NotOffset);
            }
            if number(&parts.headers, &OFFSET)? != upload.received {
                return Err(HostError::upload_elsewhere().into());
            }
            match take(caller, upload, (parts, body)).await? {
                Taken::Kept(upload) => Ok(told(StatusCode::NO_CONTENT, &upload)),
                Taken::Refused => Ok(mismatch()),
            }
        }
        Method::DELETE => {
            upload.end(&caller).await?;
            Ok(told(StatusCode::NO_CONTENT, &upload))
        }
        _ => Err(RouteError::Method {
            allowed: "HEAD, PATCH, DELETE",
        }
        .into()),
    }
}

/// What became of what a request brought.
enum Taken {
    Kept(Resumable),
    /// It is not what its checksum says.
    Refused,
}

fn mismatch() -> Response<Body> {
    let mut response =
        answer::empty(StatusCode::from_u16(MISMATCH).unwrap_or(StatusCode::BAD_REQUEST));
    set(response.headers_mut(), RESUMABLE, ONE);
    response
}

/// Takes what a request brings, and makes a file of it where that was the rest.
async fn take(
    caller: Caller,
    upload: Resumable,
    (parts, body): (&request::Parts, Body),
) -> Result<Taken, GatewayError> {
    let after = upload.received;
    let mut resumed = Resumed::begin(caller.clone(), upload, after)?;
    let end = match Checksum::of(&parts.headers)? {
        Some(checksum) => {
            let content = gathered(body).await?;
            if !checksum.fits(&content) {
                return Ok(Taken::Refused);
            }
            resumed.write(content).await?;
            Ok(())
        }
        None => flow(&mut resumed, body).await,
    };
    // What has arrived is kept, whatever came after it.
    resumed.keep().await?;
    end?;
    let upload = resumed.into_upload();
    if upload.is_complete() {
        upload.finish(&caller).await?;
    }
    Ok(Taken::Kept(upload))
}

async fn flow(resumed: &mut Resumed, mut body: Body) -> Result<(), GatewayError> {
    loop {
        let frame = tokio::time::timeout(UPLOAD_SILENCE, body.frame()).await;
        match frame.map_err(|_| GatewayError::BodyIncomplete)? {
            None => return Ok(()),
            Some(Err(_)) => return Err(GatewayError::BodyIncomplete),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    resumed.write(bytes).await?;
                }
            }
        }
    }
}

/// What content must come to.
#[derive(Debug, PartialEq, Eq)]
enum Checksum {
    Sha1(Vec<u8>),
    Sha256(Vec<u8>),
}

impl Checksum {
    fn of(headers: &HeaderMap) -> Result<Option<Checksum>, GatewayError> {
        let Some(value) = headers.get(CHECKSUM) else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or_default();
        let (algorithm, sum) = text.split_once(' ').unwrap_or_default();
        let sum = STANDARD.decode(sum.trim());
        let sum = sum.map_err(|_| GatewayError::BadQuery("upload-checksum: sha256 <base64>"))?;
        match algorithm {
            "sha1" => Ok(Some(Checksum::Sha1(sum))),
            "sha256" => Ok(Some(Checksum::Sha256(sum))),
            _ => Err(GatewayError::BadQuery(
                "upload-checksum is by sha1 or sha256",
            )),
        }
    }

    fn fits(&self, content: &[u8]) -> bool {
        match self {
            Checksum::Sha1(sum) => Sha1::digest(content).as_slice() == sum,
            Checksum::Sha256(sum) => Sha256::digest(content).as_slice() == sum,
        }
    }
}

/// Reads all that its headers may say.
pub(super) fn try_headers(headers: &HeaderMap) -> Result<(), GatewayError> {
    media_type(headers);
    let numbers = number(headers, &LENGTH).and(number(headers, &OFFSET));
    let checksum = Checksum::of(headers);
    numbers.and(checksum.map(drop))
}

async fn gathered(body: Body) -> Result<bytes::Bytes, GatewayError> {
    let limit = CHECKED_BYTES_MAX as u64;
    let content = body::collect(body, limit);
    let content = tokio::time::timeout(UPLOAD_SILENCE, content).await;
    let content = content.map_err(|_| GatewayError::BodyIncomplete)?;
    content.map_err(|error| match error {
        BodyError::TooLarge { limit } => GatewayError::BodyTooLarge { limit },
        BodyError::Client(_) | BodyError::Cut { .. } | BodyError::Source(_) => {
            GatewayError::BodyIncomplete
        }
    })
}

fn check_version(parts: &request::Parts) -> Result<(), GatewayError> {
    match parts
        .headers
        .get(RESUMABLE)
        .is_some_and(|version| version == ONE)
    {
        true => Ok(()),
        false => Err(GatewayError::TusVersion),
    }
}

fn told(status: StatusCode, upload: &Resumable) -> Response<Body> {
    let mut response = answer::empty(status);
    let headers = response.headers_mut();
    set(headers, RESUMABLE, ONE);
    set(headers, OFFSET, &upload.received.to_string());
    if let Ok(expires) = upload.expires_at.parse::<DateTime<Utc>>() {
        let expires = expires.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        set(headers, EXPIRES, &expires);
    }
    response
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, GatewayError> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or(GatewayError::BadQuery(
        "upload-length and upload-offset are numbers of bytes",
    ))
}

/// What the metadata calls `filetype`, as the public clients do.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(METADATA)?.to_str().ok()?;
    let mut pairs = text
        .split(',')
        .filter_map(|pair| pair.trim().split_once(' '));
    let (_, value) = pairs.find(|(key, _)| *key == "filetype")?;
    let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    (!decoded.is_empty()).then_some(decoded)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_read_out_of_the_metadata() {
        let check = |text: &'static str, expected: Option<&str>| {
            let headers = HeaderMap::from_iter([(METADATA, HeaderValue::from_static(text))]);
            assert_eq!(media_type(&headers).as_deref(), expected, "{text}");
        };
        check("filename YQ==,filetype aW1hZ2UvcG5n", Some("image/png"));
        check("filetype aW1hZ2UvcG5n", Some("image/png"));
        check("filename YQ==", None);
        check("filetype", None);
        check("filetype !", None);
        check("", None);
    }

    #[test]
    fn content_is_held_against_its_checksum() {
        let of = |text: &'static str| {
            let headers = HeaderMap::from_iter([(CHECKSUM, HeaderValue::from_static(text))]);
            Checksum::of(&headers)
        };
        let sha1 = of("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=").unwrap().unwrap();
        assert!(sha1.fits(b"hello") && !sha1.fits(b"hellO"));
        let sha256 = of("sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")
            .unwrap()
            .unwrap();
        assert!(sha256.fits(b"hello") && !sha256.fits(b""));
        assert!(of("md5 AAAA").is_err() && of("sha1 !").is_err() && of("").is_err());
    }

    #[test]
    fn an_upload_goes_on_where_no_file_can_be() {
        let id = Uuid::from_u128(7);
        let path = format!("{UPLOADS}{id}");
        assert_eq!(upload_of(&path), Some(id));
        assert!(path.parse::<FilePath>().is_err());
        assert_eq!(upload_of("a.txt"), None);
    }
}
