//! The `fields` resource: each word an operation, each answer in its place. The guest of 0.3 takes this
//! file in by its path.

use crate::own;
use crate::wasi::http::types::{Fields, HeaderError};
use crate::words::{Words, cut, listed, name, text};

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
        _ => own::operation(fields, word, value),
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

/// What can be changed of headers that the host gives.
pub fn immutable(all: &[Fields]) -> String {
    let tried = all.iter().map(|fields| {
        let set = done(fields.set("a", &[b"b".to_vec()]));
        let append = done(fields.append("a", b"b"));
        let delete = done(fields.delete("a"));
        let copy = done(fields.clone().append("a", b"b"));
        format!("{set},{append},{delete},{copy}")
    });
    tried.collect::<Vec<_>>().join(" ")
}
