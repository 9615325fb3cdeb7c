//! Requests to others: sent as the words say, and what came back in one line.

use wit_bindgen::FutureReader;

use crate::incoming::read;
use crate::targets::{direct, options};
use crate::wasi::http::client;
use crate::wasi::http::types::{ErrorCode, Fields, Request, Response};
use crate::words::{Words, entries, listed, name, text};
use crate::{wit_future, wit_stream};

/// Sends one request and tells what came of it.
pub async fn send(words: &Words) -> String {
    try_send(words).await.unwrap_or_else(|error| error)
}

async fn try_send(words: &Words) -> Result<String, String> {
    let (request, sent) = request(words)?;
    let mut said = match client::send(request).await {
        Ok(response) => received(response, words).await,
        Err(code) => format!("error {}", name(&code)),
    };
    if words.get("sent").is_some() {
        let sent = sent
            .await
            .map_or_else(|code| name(&code), |()| "ok".to_owned());
        said.push_str(&format!(" sending {sent}"));
    }
    Ok(said)
}

type Sent = FutureReader<Result<(), ErrorCode>>;

fn request(words: &Words) -> Result<(Request, Sent), String> {
    let fields = Fields::from_list(&words.fields("header"));
    let fields = fields.map_err(|error| format!("header {}", name(&error)))?;
    let (mut stream, contents) = wit_stream::new();
    let (trailers, end) = wit_future::new(|| Ok(None));
    let has_body = words.get("piece").or(words.get("trailer")).is_some();
    let contents = has_body.then_some(contents);
    let (request, sent) = Request::new(fields, contents, end, options(words));
    direct(&request, words)?;
    let pieces: Vec<Vec<u8>> = words.all("piece").map(<[u8]>::to_vec).collect();
    let fields = words.fields("trailer");
    if has_body {
        wit_bindgen::spawn_local(async move {
            for piece in pieces {
                stream.write_all(piece).await;
            }
            drop(stream);
            let fields =
                (!fields.is_empty()).then(|| Fields::from_list(&fields).expect("trailers"));
            let _ = trailers.write(Ok(fields)).await;
        });
    }
    Ok((request, sent))
}

async fn received(response: Response, words: &Words) -> String {
    let mut said = response.get_status_code().to_string();
    for shown in words.all("show") {
        let values = response.get_headers().get(&text(shown));
        said.push_str(&format!(" {}", listed(&values)));
    }
    let (_, done) = wit_future::new(|| Ok(()));
    let (bytes, end) = read(Response::consume_body(response, done)).await;
    said.push_str(&format!(" {}", bytes.escape_ascii()));
    match end {
        Ok(None) => {}
        Ok(Some(trailers)) => said.push_str(&format!(" {}", entries(&trailers))),
        Err(code) => said.push_str(&format!(" body {code}")),
    }
    said
}
