//! Setters of outgoing requests, responses and options: what they refuse, and what they keep.

use crate::targets::{method, scheme};
use crate::wasi::http::types::{Fields, Request, RequestOptions, Response};
use crate::wit_future;
use crate::words::{Words, name, text};

/// An outgoing request: each word a setter.
pub fn request(words: &Words) -> String {
    let (_, end) = wit_future::new(|| Ok(None));
    let (request, _) = Request::new(Fields::new(), None, end, None);
    let mut said = Vec::new();
    for (word, value) in words.iter() {
        let value = text(value);
        let value_or_none = (value != "none").then_some(value.as_str());
        said.push(match word {
            "method" => done(request.set_method(&method(&value))),
            "scheme" => done(request.set_scheme(value_or_none.map(scheme).as_ref())),
            "authority" => done(request.set_authority(value_or_none)),
            "path" => done(request.set_path_with_query(value_or_none)),
            _ => {
                let shown = |value: Option<String>| value.unwrap_or("none".to_owned());
                let scheme = request.get_scheme().map(|scheme| name(&scheme));
                format!(
                    "{} {} {} {}",
                    name(&request.get_method()),
                    shown(scheme),
                    shown(request.get_authority()),
                    shown(request.get_path_with_query())
                )
            }
        });
    }
    said.join(" ")
}

/// A response: its status and its body.
pub fn response(words: &Words) -> String {
    let (_, end) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(Fields::new(), None, end);
    let mut said = Vec::new();
    for (word, value) in words.iter() {
        said.push(match word {
            "status" => {
                let status = text(value).parse().unwrap_or_default();
                done(response.set_status_code(status))
            }
            _ => response.get_status_code().to_string(),
        });
    }
    said.join(" ")
}

/// Request options: each word a timeout in milliseconds, or `none`.
pub fn options(words: &Words) -> String {
    let options = RequestOptions::new();
    let mut said = Vec::new();
    for (word, value) in words.iter() {
        let limit = text(value).parse().ok().map(|ms: u64| ms * 1_000_000);
        said.push(match word {
            "immutable" => immutable(),
            "connect" => done(options.set_connect_timeout(limit)),
            "first" => done(options.set_first_byte_timeout(limit)),
            "between" => done(options.set_between_bytes_timeout(limit)),
            _ => [
                options.get_connect_timeout(),
                options.get_first_byte_timeout(),
                options.get_between_bytes_timeout(),
            ]
            .map(|limit| limit.map_or("none".to_owned(), |ns| (ns / 1_000_000).to_string()))
            .join(","),
        });
    }
    said.join(" ")
}

/// What can be changed of the options that a request gives back.
fn immutable() -> String {
    let (_, end) = wit_future::new(|| Ok(None));
    let options = RequestOptions::new();
    let (request, _) = Request::new(Fields::new(), None, end, Some(options));
    let given = request
        .get_options()
        .expect("the options that it was made with");
    let kept = given
        .set_connect_timeout(Some(1))
        .expect_err("they are immutable");
    let copy = given.clone().set_connect_timeout(Some(1));
    format!("{} {}", name(&kept), done(copy))
}

fn done<E>(result: Result<(), E>) -> String {
    if result.is_ok() { "ok" } else { "refused" }.to_owned()
}
