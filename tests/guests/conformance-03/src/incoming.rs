//! What a handler sees of a request, and what it can answer.

use wit_bindgen::{FutureReader, StreamReader, StreamResult};

use crate::say;
use crate::wasi::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme, Trailers};
use crate::words::{Words, entries, listed, name};
use crate::{wit_future, wit_stream};

/// Method, scheme, authority and path.
pub fn seen(request: &Request) -> String {
    let method = match request.get_method() {
        Method::Other(other) => format!("other({other})"),
        standard => name(&standard),
    };
    let scheme = request
        .get_scheme()
        .map_or("none".to_owned(), |scheme| match scheme {
            Scheme::Other(other) => format!("other({other})"),
            web => name(&web),
        });
    let authority = request.get_authority().unwrap_or("none".to_owned());
    let path = request.get_path_with_query().unwrap_or("none".to_owned());
    format!("{method} {scheme} {authority} {path}")
}

/// The values of one header.
pub fn header(request: &Request, words: &Words) -> String {
    listed(
        &request
            .get_headers()
            .get(&words.get("name").unwrap_or_default()),
    )
}

type Body = (
    StreamReader<u8>,
    FutureReader<Result<Option<Trailers>, ErrorCode>>,
);

fn body(request: Request) -> Body {
    let (_, done) = wit_future::new(|| Ok(()));
    Request::consume_body(request, done)
}

type End = Result<Option<Vec<(String, Vec<u8>)>>, String>;

/// A body to its end, and its trailers or why there is no end.
pub async fn read((mut stream, end): Body) -> (Vec<u8>, End) {
    let mut bytes = Vec::new();
    loop {
        let (status, piece) = stream.read(Vec::with_capacity(64 * 1024)).await;
        bytes.extend(piece);
        if status == StreamResult::Dropped {
            break;
        }
    }
    drop(stream);
    let end = match end.await {
        Ok(trailers) => Ok(trailers.map(|fields| fields.copy_all())),
        Err(code) => Err(name(&code)),
    };
    (bytes, end)
}

/// How long the body is, and how it ended.
pub async fn length(request: Request) -> String {
    let (bytes, end) = read(body(request)).await;
    format!(
        "{} {}",
        bytes.len(),
        end.map_or_else(|code| code, |_| "whole".to_owned())
    )
}

/// The request's trailers.
pub async fn trailers(request: Request) -> String {
    match read(body(request)).await.1 {
        Ok(Some(trailers)) => entries(&trailers),
        Ok(None) => "none".to_owned(),
        Err(code) => code,
    }
}

/// The request's body as the answer's: the very stream, trailers included.
pub fn echo(request: Request) -> Response {
    let (stream, end) = body(request);
    Response::new(Fields::new(), Some(stream), end).0
}

/// The answer that the words describe: `status`, `header`, `piece`, `trailer`, or `nobody`.
pub fn respond(words: Words) -> Result<Response, ErrorCode> {
    let fields = match Fields::from_list(&words.fields("header")) {
        Ok(fields) => fields,
        Err(error) => return Ok(say(name(&error))),
    };
    let (mut stream, read) = wit_stream::new();
    let (trailers, end) = wit_future::new(|| Ok(None));
    let contents = words.get("nobody").is_none().then_some(read);
    let (response, _) = Response::new(fields, contents, end);
    let status = words.number("status").unwrap_or(200);
    if response
        .set_status_code(u16::try_from(status).unwrap_or_default())
        .is_err()
    {
        return Ok(say("refused".to_owned()));
    }
    wit_bindgen::spawn_local(async move {
        for piece in words.all("piece") {
            stream.write_all(piece.to_vec()).await;
        }
        drop(stream);
        let fields = words.fields("trailer");
        let said = match words.get("abandon") {
            Some(_) => Err(ErrorCode::InternalError(None)),
            None => Ok((!fields.is_empty()).then(|| Fields::from_list(&fields).expect("trailers"))),
        };
        let _ = trailers.write(said).await;
    });
    Ok(response)
}

/// An error in place of an answer.
pub fn error(words: &Words) -> ErrorCode {
    match words.get("code").as_deref() {
        Some("connection-refused") => ErrorCode::ConnectionRefused,
        Some("loop-detected") => ErrorCode::LoopDetected,
        _ => ErrorCode::InternalError(Some("a secret of the function".to_owned())),
    }
}
