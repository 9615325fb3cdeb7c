//! The `fields` resource: each word an operation, each answer in its place.

use crate::wasi::http::types::{Fields, HeaderError, Request, Response};
use crate::wit_future;
use crate::words::{Words, cut, entries, listed, name, text};

/// Runs the operations of a row on one `fields`.
pub fn script(words: &Words) -> String {
    let mut fields = Fields::new();
    let mut said = Vec::new();
    for (word, value) in words.iter() {
        if word == "from" {
            match Fields::from_list(&[cut(value)]) {
                Ok(made) => {
                    fields = made;
                    said.push("ok".to_owned());
                }
                Err(error) => said.push(name(&error)),
            }
        } else if word == "clone" {
            fields = fields.clone();
            said.push("ok".to_owned());
        } else {
            said.push(operation(&fields, word, value));
        }
    }
    said.join(" ")
}

fn operation(fields: &Fields, word: &str, value: &[u8]) -> String {
    let (key, rest) = cut(value);
    let values: Vec<Vec<u8>> = match rest.is_empty() {
        true => Vec::new(),
        false => rest
            .split(|byte| *byte == b',')
            .map(<[u8]>::to_vec)
            .collect(),
    };
    match word {
        "append" => done(fields.append(&key, &rest)),
        "set" => done(fields.set(&key, &values)),
        "delete" => done(fields.delete(&key)),
        "get" => listed(&fields.get(&text(value))),
        "has" => fields.has(&text(value)).to_string(),
        "fill" => fill(fields, key.parse().unwrap_or_default()),
        "take" => match fields.get_and_delete(&text(value)) {
            Ok(values) => listed(&values),
            Err(error) => name(&error),
        },
        _ => entries(&fields.copy_all()),
    }
}

/// Appends until it is refused, at most so many times.
fn fill(fields: &Fields, times: u32) -> String {
    let refused = (0..times).find_map(|n| fields.append(&format!("x-{n}"), &[b'x'; 1000]).err());
    refused.map_or("never".to_owned(), |error| name(&error))
}

fn done(result: Result<(), HeaderError>) -> String {
    result.map_or_else(|error| name(&error), |()| "ok".to_owned())
}

/// What can be changed of the headers that a request, an outgoing request and a response give.
pub fn immutable(request: &Request) -> String {
    let (_, end) = wit_future::new(|| Ok(None));
    let (outgoing, _) = Request::new(Fields::new(), None, end, None);
    let (_, end) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(Fields::new(), None, end);
    let all = [
        request.get_headers(),
        outgoing.get_headers(),
        response.get_headers(),
    ];
    let tried = all.iter().map(|fields| {
        let set = done(fields.set("a", &[b"b".to_vec()]));
        let append = done(fields.append("a", b"b"));
        let delete = done(fields.delete("a"));
        let copy = done(fields.clone().append("a", b"b"));
        format!("{set},{append},{delete},{copy}")
    });
    tried.collect::<Vec<_>>().join(" ")
}
