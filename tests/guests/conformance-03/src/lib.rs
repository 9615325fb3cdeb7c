//! Does with wasi:http 0.3 what a row of the conformance table says, and answers what came of it.
//!
//! `words`, `fields` and `targets` are the guest of 0.2's too, `own` is what they leave to each.
//! `incoming` is what a handler sees and answers, `setters` what the resources allow, `outgoing`
//! requests to others.

#[path = "../../conformance-02/src/fields.rs"]
mod fields;
mod incoming;
mod outgoing;
mod own;
mod setters;
#[path = "../../conformance-02/src/targets.rs"]
mod targets;
#[path = "../../conformance-02/src/words.rs"]
mod words;

use exports::wasi::http::handler::Guest;
use wasi::http::types::{ErrorCode, Fields, Request, Response};
use words::Words;

wit_bindgen::generate!({
    inline: "
        package example:conformance;
        world conformance {
            import wasi:http/types@0.3.0;
            import wasi:http/client@0.3.0;
            export wasi:http/handler@0.3.0;
        }
    ",
    path: ["wit"],
    generate_all,
});

struct Conformance;

impl Guest for Conformance {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let words = Words::read(&request.get_path_with_query().unwrap_or_default());
        let said = match words.action.as_str() {
            "echo" => return Ok(incoming::echo(request)),
            "respond" => return incoming::respond(words),
            "error" => return Err(incoming::error(&words)),
            "silent" => std::future::pending().await,
            "length" => incoming::length(request).await,
            "trailers" => incoming::trailers(request).await,
            "header" => incoming::header(&request, &words),
            "immutable" => fields::immutable(&own::given(&request)),
            "fields" => fields::script(&words),
            "request" => setters::request(&words),
            "response" => setters::response(&words),
            "options" => setters::options(&words),
            "send" => outgoing::send(&words).await,
            _ => incoming::seen(&request),
        };
        Ok(say(said))
    }
}

/// A 200 with a text.
fn say(text: String) -> Response {
    let (mut stream, read) = wit_stream::new();
    let (trailers, end) = wit_future::new(|| Ok(None));
    wit_bindgen::spawn_local(async move {
        stream.write_all(text.into_bytes()).await;
        drop(stream);
        drop(trailers);
    });
    Response::new(Fields::new(), Some(read), end).0
}

export!(Conformance);
