//! Where a request goes, and how long it may take, in the words of a row. The guest of 0.3 takes this file
//! in by its path.

use crate::own::Outgoing;
use crate::wasi::http::types::{Method, RequestOptions, Scheme};
use crate::words::Words;

/// A method by its name.
pub fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

/// A scheme by its name.
pub fn scheme(name: &str) -> Scheme {
    match name {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    }
}

/// Gives a request the method, scheme, authority and path of a row.
///
/// # Errors
/// What was refused.
pub fn direct(request: &Outgoing, words: &Words) -> Result<(), String> {
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
        .map_err(refused("path"))
}

/// The time-outs of a row.
pub fn options(words: &Words) -> Option<RequestOptions> {
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
