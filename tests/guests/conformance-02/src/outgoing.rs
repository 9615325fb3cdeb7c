//! Requests to others: sent as the words say, and what came back in one line.

use crate::incoming::read;
use crate::targets::{direct, options};
use crate::wasi::http::outgoing_handler;
use crate::wasi::http::types::{Fields, IncomingResponse, OutgoingBody, OutgoingRequest};
use crate::words::{Words, entries, listed, name, text};

/// Sends one request and tells what came of it.
pub fn send(words: &Words) -> String {
    try_send(words).unwrap_or_else(|error| error)
}

fn try_send(words: &Words) -> Result<String, String> {
    let fields = Fields::from_list(&words.fields("header"));
    let fields = fields.map_err(|error| format!("header {}", name(&error)))?;
    let request = OutgoingRequest::new(fields);
    direct(&request, words)?;
    let has_body = words.get("piece").or(words.get("trailer")).is_some();
    let body = has_body.then(|| request.body());
    let body = body.transpose().map_err(|()| "body refused".to_owned())?;
    let answer = outgoing_handler::handle(request, options(words));
    let answer = answer.map_err(|code| format!("error {}", name(&code)))?;
    let sent = body.map_or(Ok(()), |body| write(body, words));
    answer.subscribe().block();
    let answer = answer.get().expect("ready").expect("taken once");
    let mut said = match answer {
        Ok(response) => received(&response, words),
        Err(code) => format!("error {}", name(&code)),
    };
    if let Err(code) = sent {
        said.push_str(&format!(" sending {code}"));
    }
    Ok(said)
}

fn write(body: OutgoingBody, words: &Words) -> Result<(), String> {
    let stream = body.write().expect("the stream is taken once");
    let mut failed = false;
    for piece in words.all("piece") {
        failed |= stream.blocking_write_and_flush(piece).is_err();
    }
    drop(stream);
    let trailers = words.fields("trailer");
    let trailers = (!trailers.is_empty()).then(|| Fields::from_list(&trailers).expect("trailers"));
    match OutgoingBody::finish(body, trailers) {
        Err(code) => Err(name(&code)),
        Ok(()) if failed => Err("broken".to_owned()),
        Ok(()) => Ok(()),
    }
}

fn received(response: &IncomingResponse, words: &Words) -> String {
    let mut said = response.status().to_string();
    for shown in words.all("show") {
        let values = response.headers().get(&text(shown));
        said.push_str(&format!(" {}", listed(&values)));
    }
    let (bytes, end) = read(response.consume().expect("the body is taken once"));
    said.push_str(&format!(" {}", bytes.escape_ascii()));
    match end {
        Ok(None) => {}
        Ok(Some(trailers)) => said.push_str(&format!(" {}", entries(&trailers))),
        Err(code) => said.push_str(&format!(" body {code}")),
    }
    said
}
