//! What a handler sees of a request, and what it can answer.

use crate::say;
use crate::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse,
    ResponseOutparam, Scheme, http_error_code,
};
use crate::wasi::io::streams::StreamError;
use crate::words::{Words, entries, listed, name};

/// Method, scheme, authority and path.
pub fn seen(request: &IncomingRequest) -> String {
    let method = match request.method() {
        crate::wasi::http::types::Method::Other(other) => format!("other({other})"),
        standard => name(&standard),
    };
    let scheme = request
        .scheme()
        .map_or("none".to_owned(), |scheme| match scheme {
            Scheme::Other(other) => format!("other({other})"),
            web => name(&web),
        });
    let authority = request.authority().unwrap_or("none".to_owned());
    let path = request.path_with_query().unwrap_or("none".to_owned());
    format!("{method} {scheme} {authority} {path}")
}

/// The values of one header.
pub fn header(request: &IncomingRequest, words: &Words) -> String {
    listed(
        &request
            .headers()
            .get(&words.get("name").unwrap_or_default()),
    )
}

/// How long the body is, and how it ended.
pub fn length(request: &IncomingRequest) -> String {
    let (bytes, end) = read(request.consume().expect("the body is taken once"));
    format!(
        "{} {}",
        bytes.len(),
        end.map_or_else(|code| code, |_| "whole".to_owned())
    )
}

/// The request's trailers.
pub fn trailers(request: &IncomingRequest) -> String {
    let (_, end) = read(request.consume().expect("the body is taken once"));
    match end {
        Ok(Some(trailers)) => entries(&trailers),
        Ok(None) => "none".to_owned(),
        Err(code) => code,
    }
}

/// What is given a second time, where it may be given once.
pub fn twice(request: &IncomingRequest) -> String {
    let body = request.consume().expect("the first time");
    let again = request.consume().is_err();
    let stream = body.stream().expect("the first time");
    let stream_again = body.stream().is_err();
    drop(stream);
    format!("{again} {stream_again}")
}

type End = Result<Option<Vec<(String, Vec<u8>)>>, String>;

/// A body to its end, and its trailers or why there is no end.
pub fn read(body: IncomingBody) -> (Vec<u8>, End) {
    let stream = body.stream().expect("the stream is taken once");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                let code = http_error_code(&error).map(|code| name(&code));
                return (bytes, Err(code.unwrap_or("no code".to_owned())));
            }
        }
    }
    drop(stream);
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    let end = match trailers.get() {
        Some(Ok(Ok(trailers))) => Ok(trailers.map(|fields| fields.entries())),
        Some(Ok(Err(code))) => Err(name(&code)),
        Some(Err(())) | None => Err("no trailers".to_owned()),
    };
    (bytes, end)
}

/// The request's body as the answer's, while it arrives.
pub fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let incoming = request.consume().expect("the body is taken once");
    let stream = incoming.stream().expect("the stream is taken once");
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let sink = body.write().expect("the stream is taken once");
    while let Ok(piece) = stream.blocking_read(4096) {
        if sink.blocking_write_and_flush(&piece).is_err() {
            return;
        }
    }
    drop(sink);
    let _ = OutgoingBody::finish(body, None);
}

/// The answer that the words describe: `status`, `header`, `piece`, `trailer`, or `nobody`.
pub fn respond(words: &Words, out: ResponseOutparam) {
    let fields = match Fields::from_list(&words.fields("header")) {
        Ok(fields) => fields,
        Err(error) => return say(out, &name(&error)),
    };
    let response = OutgoingResponse::new(fields);
    let status = words.number("status").unwrap_or(200);
    if response
        .set_status_code(u16::try_from(status).unwrap_or_default())
        .is_err()
    {
        return say(out, "refused");
    }
    if words.get("nobody").is_some() {
        return ResponseOutparam::set(out, Ok(response));
    }
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the stream is taken once");
    for piece in words.all("piece") {
        if stream.blocking_write_and_flush(piece).is_err() {
            break;
        }
    }
    drop(stream);
    let trailers = words.fields("trailer");
    let trailers = (!trailers.is_empty()).then(|| Fields::from_list(&trailers).expect("trailers"));
    if words.get("abandon").is_none()
        && let Err(code) = OutgoingBody::finish(body, trailers)
    {
        eprintln!("finish: {}", name(&code));
    }
}

/// An error in place of an answer.
pub fn error(words: &Words, out: ResponseOutparam) {
    let code = match words.get("code").as_deref() {
        Some("connection-refused") => ErrorCode::ConnectionRefused,
        Some("loop-detected") => ErrorCode::LoopDetected,
        _ => ErrorCode::InternalError(Some("a secret of the function".to_owned())),
    };
    ResponseOutparam::set(out, Err(code));
}
