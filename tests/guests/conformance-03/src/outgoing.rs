//! Requests to others: sent as the words say, and what came back in one line.

use wit_bindgen::FutureReader;

use crate::incoming::read;
use crate::setters::{method, scheme};
use crate::wasi::http::client;
use crate::wasi::http::types::{ErrorCode, Fields, Request, RequestOptions, Response};
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
    let refused = |what: &'static str| move |()| format!("{what} refused");
    let wanted = words.get("method").unwrap_or("GET".to_owned());
    request
        .set_method(&method(&wanted))
        .map_err(refused("method"))?;
    let wanted = words.get("scheme").map(|name| scheme(&name));
    request
        .set_scheme(wanted.as_ref())
        .map_err(refused("scheme"))?;
    let authority = words.get("to");
    request
        .set_authority(authority.as_deref())
        .map_err(refused("authority"))?;
    let path = words.get("path");
    request
        .set_path_with_query(path.as_deref())
        .map_err(refused("path"))?;
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

fn options(words: &Words) -> Option<RequestOptions> {
    let options = RequestOptions::new();
    let limit = |word| words.number(word).map(|ms| ms * 1_000_000);
    options
        .set_connect_timeout(limit("connect"))
        .expect("connect");
    options
        .set_first_byte_timeout(limit("first"))
        .expect("first");
    options
        .set_between_bytes_timeout(limit("between"))
        .expect("between");
    Some(options)
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
