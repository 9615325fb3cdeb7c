//! Does with wasi:http 0.2 what a row of the conformance table says, and answers what came of it.
//!
//! `words` is the language of the rows, `incoming` what a handler sees and answers, `fields` and
//! `setters` what the resources allow, `outgoing` requests to others, `targets` where they go.
//! `fields`, `targets` and `words` are the guest of 0.3's too; `own` is what they leave to each.

mod fields;
mod incoming;
mod outgoing;
mod own;
mod setters;
mod targets;
mod words;

use exports::wasi::http::incoming_handler::Guest;
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use words::Words;

wit_bindgen::generate!({
    inline: "
        package example:conformance;
        world conformance {
            import wasi:http/types@0.2.12;
            import wasi:http/outgoing-handler@0.2.12;
            export wasi:http/incoming-handler@0.2.12;
        }
    ",
    path: ["wit"],
    generate_all,
});

struct Conformance;

impl Guest for Conformance {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let words = Words::read(&request.path_with_query().unwrap_or_default());
        let said = match words.action.as_str() {
            "echo" => return incoming::echo(&request, out),
            "respond" => return incoming::respond(&words, out),
            "error" => return incoming::error(&words, out),
            "silent" => return drop(out),
            "length" => incoming::length(&request),
            "trailers" => incoming::trailers(&request),
            "header" => incoming::header(&request, &words),
            "twice" => incoming::twice(&request),
            "immutable" => fields::immutable(&own::given(&request)),
            "fields" => fields::script(&words),
            "request" => setters::request(&words),
            "response" => setters::response(&words),
            "options" => setters::options(&words),
            "send" => outgoing::send(&words),
            _ => incoming::seen(&request),
        };
        say(out, &said);
    }
}

/// Answers 200 with a text.
fn say(out: ResponseOutparam, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the stream is taken once");
    for piece in text.as_bytes().chunks(4096) {
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

export!(Conformance);
