//! A project's files at the border: `/files/{project}/{path}` becomes what functions do through `files`, by
//! the same identities and policies.
//!
//! Content streams both ways. `conditions` reads what a request's headers ask of the file, `answer` writes
//! the headers that content leaves with; a stranger's page must never run on this origin.

mod answer;
mod conditions;
mod tus;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use http::{HeaderMap, Method, Request, Response, StatusCode, request};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use koyalite_host_api::files::{
    self, Caller, Download, FileInfo, FilePath, List, Part, Redeemed, Upload, Wanted,
};
use koyalite_host_api::{HostError, Project};
use koyalite_policy::{Identity, ProjectName};
use uuid::Uuid;

use self::conditions::Conditions;
use super::auth::{self, Callers, Credential, Trust};
use super::error::GatewayError;
use super::{Behind, Gateway, cors, rates, route};
use crate::http::problem::from_gateway;
use crate::http::{Body, BodyError, Problem};
use crate::registry::ProjectEntry;

/// How long a sender may be silent in the middle of a file: as long as a guest in an answer.
const UPLOAD_SILENCE: Duration = Duration::from_secs(60);

/// What may be done to a file, for `allow`.
const ALLOWED: &str = "GET, HEAD, PUT, DELETE";

/// What pages may do to one, resumable uploads included.
const OF_PAGES: &str = "GET, HEAD, PUT, DELETE, POST, PATCH";

/// What a key for services acts as here, where no function is called.
const SERVICE: &str = "files";

impl<B: Behind> Gateway<B> {
    /// Answers a request for a file; a page of another origin may read the answer where the project says so.
    pub(in crate::gateway) async fn file_to_page(
        &self,
        id: Uuid,
        (name, path): (ProjectName, &str),
        request: Request<Body>,
    ) -> Response<Body> {
        let project = self.behind.project(&name);
        let origin = cors::allowed(request.headers(), project.as_deref());
        if cors::asks_first(request.method(), request.headers()) {
            return from_gateway(cors::preflight(origin, &cors::FILES, OF_PAGES), id);
        }
        let answer = self.file(id, (name, path), request).await;
        let mut answer = answer.unwrap_or_else(|error| Problem::from(error).into_response(id));
        cors::tell(answer.headers_mut(), &cors::FILES, origin);
        answer
    }

    /// Answers a request for a file.
    async fn file(
        &self,
        id: Uuid,
        (name, path): (ProjectName, &str),
        request: Request<Body>,
    ) -> Result<Response<Body>, GatewayError> {
        let entry = self.behind.project(&name);
        let entry = entry.ok_or(GatewayError::UnknownProject(name))?;
        if !entry.settings.allows_region(&self.settings.region) {
            let regions = entry.settings.data_residency.clone();
            return Err(GatewayError::DataElsewhere(regions));
        }
        let project = self.behind.host_project(&entry);
        let project = Arc::new(project.ok_or(GatewayError::NoFiles)?);
        let (parts, body) = request.into_parts();
        self.learn(&parts, &entry).await;
        let asked = asking(&parts, (&entry, &project), (&self.callers, path))?;
        let whose = (&asked.identity, asked.credential);
        let pace = rates::count(
            &entry,
            whose,
            &parts,
            (&self.settings.proxies, self.behind.nodes()),
        )?;
        let request = Request::from_parts(parts, body);
        let mut response = from_gateway(serve(asked, project, request).await?, id);
        if let Some(pace) = pace {
            rates::tell(response.headers_mut(), pace);
        }
        Ok(response)
    }
}

/// Reads all that the headers of a request may ask of a file of that size. The part that is meant, where one is
/// and all is in order; for whoever tries any headers.
#[must_use]
pub fn try_file_headers(headers: &HeaderMap, size: u64) -> Option<Range<u64>> {
    // Each is read whatever the others say.
    let resumable = tus::try_headers(headers);
    let declared = conditions::media_type(headers);
    let conditions = Conditions::of(headers).ok()?;
    let writes = conditions.of_write();
    let part = conditions.asked()?.of(size).ok()?;
    resumable
        .and(declared.map(drop))
        .and(writes.map(drop))
        .ok()?;
    Some(part)
}

/// Whoever asks for a file, and what their URL lets them do.
pub(super) struct Asking {
    pub(super) identity: Identity,
    pub(super) credential: Credential,
    meant: Meant,
    url: Option<Redeemed>,
    /// What the URL says before the file's path.
    base: String,
}

/// What a path stands for.
enum Meant {
    /// Nothing behind the project's name: the list.
    All,
    /// A file.
    File(FilePath),
    /// An upload that goes on.
    Upload(Uuid),
}

impl Meant {
    fn by(path: &str) -> Result<Meant, HostError> {
        match (path, tus::upload_of(path)) {
            ("", _) => Ok(Meant::All),
            (_, Some(id)) => Ok(Meant::Upload(id)),
            (path, None) => match path.parse() {
                Ok(path) => Ok(Meant::File(path)),
                Err(error) => Err(HostError::invalid_path(&error)),
            },
        }
    }
}

/// Reads who asks for which file. A signed URL speaks for itself, whoever sends it.
pub(super) fn asking(
    parts: &request::Parts,
    (entry, project): (&ProjectEntry, &Arc<Project>),
    (callers, path): (&Callers, &str),
) -> Result<Asking, GatewayError> {
    let decoded = route::decode(path).map_err(route::RouteError::from)?;
    let meant = Meant::by(&decoded)?;
    let base = parts.uri.path().strip_suffix(path).unwrap_or_default();
    let base = base.to_owned();
    let signature = parameter(parts, "signature");
    if let (Some(sealed), Meant::File(path)) = (signature, &meant) {
        let method = match parts.method {
            Method::PUT => files::Method::Put,
            _ => files::Method::Get,
        };
        let nobody = Caller {
            project: Arc::clone(project),
            identity: Identity::Anonymous,
        };
        let url = files::redeem(&nobody, (method, path), &sealed)?;
        return Ok(Asking {
            identity: url.identity.clone(),
            credential: Credential::None,
            meant,
            url: Some(url),
            base,
        });
    }
    let function = SERVICE.parse().map_err(|_| GatewayError::NoFiles)?;
    let trust = Trust {
        project: entry.id,
        environment: entry.environment,
        jwt_secret: entry.jwt_secret.expose(),
        api_keys: &entry.api_keys,
        providers: &entry.providers,
        function: &function,
        callers,
    };
    let caller = auth::authenticate(&parts.headers, &trust, None, Utc::now())?;
    Ok(Asking {
        identity: caller.identity,
        credential: caller.credential,
        meant,
        url: None,
        base,
    })
}

/// Does what is asked.
pub(super) async fn serve(
    asking: Asking,
    project: Arc<Project>,
    request: Request<Body>,
) -> Result<Response<Body>, GatewayError> {
    let (parts, body) = request.into_parts();
    let caller = Caller {
        project,
        identity: asking.identity,
    };
    let path = match (asking.meant, &parts.method) {
        (_, &Method::OPTIONS) => return Ok(tus::options(&caller)),
        (Meant::All, &Method::GET) => return list(&caller, &parts).await,
        (Meant::All, _) => return Err(route::RouteError::Method { allowed: "GET" }.into()),
        (Meant::Upload(id), _) => return tus::go_on(caller, id, (&parts, body)).await,
        (Meant::File(path), &Method::POST) if tus::is_spoken(&parts) => {
            return tus::create(caller, (path, &asking.base), (&parts, body)).await;
        }
        (Meant::File(path), _) => path,
    };
    let conditions = Conditions::of(&parts.headers)?;
    match (&parts.method, asking.url) {
        (&Method::GET | &Method::HEAD, url) => get(&caller, (path, url), &parts, &conditions).await,
        (&Method::PUT, url) => put(caller, (path, url), (&parts, body), conditions).await,
        (&Method::DELETE, None) => {
            files::delete(&caller, &path, &conditions.of_write()?).await?;
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(route::RouteError::Method { allowed: ALLOWED }.into()),
    }
}

async fn get(
    caller: &Caller,
    (path, url): (FilePath, Option<Redeemed>),
    parts: &request::Parts,
    conditions: &Conditions,
) -> Result<Response<Body>, GatewayError> {
    let file = files::stat(caller, &path).await?;
    if url.is_some_and(|url| url.version != Some(file.version)) {
        return Err(HostError::file_changed().into());
    }
    if !conditions.may_read(&file) {
        return Err(HostError::file_changed().into());
    }
    if conditions.has_it(&file) {
        return Ok(answer::not_modified(&file));
    }
    let part = conditions.part(&file);
    let size = file.size;
    let download = Download::of(caller, file.clone(), part.unwrap_or(Part::All));
    let download = download.map_err(|error| GatewayError::NoSuchPart { size, error })?;
    Ok(answer::content(
        &file,
        part.map(|_| download.left()),
        match parts.method {
            Method::HEAD => None,
            _ => Some(download),
        },
    ))
}

async fn put(
    caller: Caller,
    (path, url): (FilePath, Option<Redeemed>),
    (parts, body): (&request::Parts, Body),
    conditions: Conditions,
) -> Result<Response<Body>, GatewayError> {
    let declared = conditions::media_type(&parts.headers)?;
    let bound = url.as_ref().and_then(|url| url.mime_type.clone());
    let mime_type = match (bound, declared) {
        (Some(bound), Some(declared)) if !bound.eq_ignore_ascii_case(&declared) => {
            return Err(HostError::type_not_allowed(&declared).into());
        }
        (Some(bound), _) => Some(bound),
        (None, declared) => declared,
    };
    let wanted = Wanted {
        path,
        mime_type,
        size: body.size_hint().exact(),
        precondition: conditions.of_write()?,
        url,
    };
    let mut upload = Upload::begin(caller, wanted).await?;
    take(&mut upload, body).await?;
    let written = upload.finish().await?;
    let status = match written.replaced {
        Some(_) => StatusCode::OK,
        None => StatusCode::CREATED,
    };
    Ok(answer::written(status, &written.file))
}

/// Takes a body to its end, or as far as the upload allows.
async fn take(upload: &mut Upload, mut body: Body) -> Result<(), GatewayError> {
    loop {
        let frame = tokio::time::timeout(UPLOAD_SILENCE, body.frame()).await;
        let frame = frame.map_err(|_| GatewayError::BodyIncomplete)?;
        let Some(frame) = frame else {
            return Ok(());
        };
        let frame = frame.map_err(|error| match error {
            BodyError::TooLarge { limit } => GatewayError::BodyTooLarge { limit },
            BodyError::Client(_) | BodyError::Cut { .. } | BodyError::Source(_) => {
                GatewayError::BodyIncomplete
            }
        })?;
        // Trailers say nothing of a file.
        if let Ok(bytes) = frame.into_data() {
            upload.write(bytes).await?;
        }
    }
}

async fn list(caller: &Caller, parts: &request::Parts) -> Result<Response<Body>, GatewayError> {
    let limit = parameter(parts, "limit").map(|limit| limit.parse::<u32>());
    let limit = limit
        .transpose()
        .map_err(|_| GatewayError::BadQuery("limit is a number"))?;
    let list = List {
        prefix: parameter(parts, "prefix").unwrap_or_default(),
        after: parameter(parts, "after"),
        limit,
    };
    let listed = files::list(caller, list).await?;
    Ok(answer::listing(&listed))
}

/// A parameter of the query.
fn parameter(parts: &request::Parts, name: &str) -> Option<String> {
    let query = parts.uri.query()?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    let value = value.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&value).decode_utf8();
    decoded.ok().map(String::from)
}

/// What an answer says of a file, beside its content.
fn quoted(file: &FileInfo) -> String {
    format!("\"{}\"", file.etag())
}
