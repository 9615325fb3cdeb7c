//! JSON in: every mistake of a body told with its field or its position.
//!
//! An unknown field is an error that names it, wherever it is: a misspelt `using` must not become
//! a policy without a condition. Bodies are bounded; what is valid beyond its type is decided by
//! whoever the value is for.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::http::Mistake;

use super::error::ApiError;

/// Far above any document that people write (a schema of a thousand columns has 100 KiB), far
/// below what would hurt to hold for each of a few hundred requests.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// A body read as JSON. An empty body counts as `{}`, so that an operation without arguments
/// needs none.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON at all.
    #[error("the body is not valid JSON")]
    Malformed(Vec<Mistake>),
    /// Fields that the document does not have.
    #[error("the body has {} that nothing here reads", fields(.0.len()))]
    UnknownFields(Vec<Mistake>),
    /// A field is missing or has the wrong type.
    #[error("the body is JSON of the wrong shape")]
    WrongShape(Vec<Mistake>),
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Json<T>, ApiError> {
        expect_media_type(request.headers(), JSON, "send `application/json`")?;
        let bytes = read(request).await?;
        let text: &[u8] = if bytes.trim_ascii().is_empty() {
            b"{}"
        } else {
            &bytes
        };
        Ok(Json(parse(text)?))
    }
}

/// What a JSON body may announce itself as.
const JSON: &[&str] = &["application/json"];

/// Refuses a body that says it is something else. One that says nothing is taken at its content.
pub(super) fn expect_media_type(
    headers: &HeaderMap,
    expected: &[&str],
    instead: &'static str,
) -> Result<(), ApiError> {
    let Some(sent) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let sent = String::from_utf8_lossy(sent.as_bytes());
    let kind = sent.split(';').next().unwrap_or_default().trim();
    match expected
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known))
    {
        true => Ok(()),
        false => Err(ApiError::UnsupportedMediaType {
            sent: kind.chars().take(SENT_CHARS_MAX).collect(),
            instead,
        }),
    }
}

/// How much of a wrong content type is repeated: any real one is shorter.
const SENT_CHARS_MAX: usize = 64;

async fn read(request: Request) -> Result<Bytes, ApiError> {
    match Limited::new(request.into_body(), BODY_BYTES_MAX)
        .collect()
        .await
    {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge {
            limit: BODY_BYTES_MAX,
        }),
        Err(_) => Err(ApiError::BodyIncomplete),
    }
}

/// Reads JSON into a type, or says everything that is wrong with it.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_slice(text);
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let parsed = serde_ignored::deserialize(tracked, |path: serde_ignored::Path<'_>| {
        unknown.push(Mistake::at(field(&path), "unknown field"));
    });
    let parsed = parsed.and_then(|value: T| json.end().map(|()| value));
    match parsed {
        Ok(value) if unknown.is_empty() => Ok(value),
        Ok(_) => Err(JsonError::UnknownFields(unknown)),
        Err(error) if error.is_data() => {
            unknown.insert(0, wrong_shape(&error, &track.path().to_string()));
            Err(JsonError::WrongShape(unknown))
        }
        Err(error) => Err(JsonError::Malformed(vec![positioned(&error)])),
    }
}

fn wrong_shape(error: &serde_json::Error, path: &str) -> Mistake {
    let field = (path != ".").then(|| path.to_owned());
    Mistake {
        field,
        ..positioned(error)
    }
}

fn positioned(error: &serde_json::Error) -> Mistake {
    let text = error.to_string();
    // serde_json ends its sentences with the position, which has fields of its own here.
    let message = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(message, _)| message);
    Mistake {
        line: u32::try_from(error.line()).ok(),
        column: u32::try_from(error.column()).ok(),
        ..Mistake::new(message)
    }
}

/// The path as people write it: `columns[0].type`.
fn field(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", field(parent)),
        Path::Map { parent, key } => match field(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => field(parent),
    }
}

fn fields(count: usize) -> String {
    match count {
        1 => "a field".to_owned(),
        count => format!("{count} fields"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Table {
        #[expect(dead_code, reason = "only its being read matters")]
        name: String,
        #[serde(default)]
        #[expect(dead_code, reason = "only its being read matters")]
        columns: Vec<Column>,
    }

    #[derive(Debug, Deserialize)]
    struct Column {
        #[expect(dead_code, reason = "only its being read matters")]
        nullable: Option<bool>,
    }

    fn check(text: &str, expected: &str) {
        let said = match parse::<Table>(text.as_bytes()) {
            Ok(_) => "ok".to_owned(),
            Err(JsonError::Malformed(mistakes)) => format!("malformed {}", say(&mistakes)),
            Err(JsonError::UnknownFields(mistakes)) => format!("unknown {}", say(&mistakes)),
            Err(JsonError::WrongShape(mistakes)) => format!("shape {}", say(&mistakes)),
        };
        assert_eq!(said, expected, "{text}");
    }

    fn say(mistakes: &[Mistake]) -> String {
        let one = |mistake: &Mistake| {
            let field = mistake.field.clone().unwrap_or_else(|| "-".to_owned());
            let line = mistake.line.zip(mistake.column);
            let place = line
                .map(|(line, column)| format!(" {line}:{column}"))
                .unwrap_or_default();
            format!("{field}{place} {}", mistake.message)
        };
        mistakes.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_document_of_the_right_shape_is_read() {
        check(
            r#"{"name": "todos", "columns": [{"nullable": true}, {}]}"#,
            "ok",
        );
    }

    #[test]
    fn every_unknown_field_is_named_wherever_it_is() {
        check(
            r#"{"name": "todos", "colums": [], "columns": [{}, {"nulable": true}], "x": {"y": 1}}"#,
            "unknown colums unknown field; columns[1].nulable unknown field; x unknown field",
        );
    }

    #[test]
    fn a_wrong_type_is_told_with_field_and_position() {
        check(
            r#"{"name": "todos", "columns": [{"nullable": "yes"}]}"#,
            "shape columns[0].nullable 1:48 invalid type: string \"yes\", expected a boolean",
        );
        check("{}", "shape - 1:2 missing field `name`");
        check(
            "[]",
            "shape - 1:2 invalid length 0, expected struct Table with 2 elements",
        );
        check(
            "7",
            "shape - 1:1 invalid type: integer `7`, expected struct Table",
        );
    }

    #[test]
    fn a_body_that_says_it_is_something_else_is_refused() {
        let check = |sent: Option<&'static str>, accepted| {
            let mut headers = HeaderMap::new();
            if let Some(sent) = sent {
                headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(sent));
            }
            let judged = expect_media_type(&headers, JSON, "send `application/json`");
            assert_eq!(judged.is_ok(), accepted, "{sent:?}");
        };
        check(None, true);
        check(Some("application/json"), true);
        check(Some("Application/JSON; charset=utf-8"), true);
        check(Some("text/plain"), false);
        check(Some("application/x-www-form-urlencoded"), false);
        check(Some(""), false);
    }

    #[test]
    fn malformed_text_is_told_with_its_position() {
        check("{\"name\":\n nope}", "malformed - 2:3 expected ident");
        check(
            "{\"name\": \"a\"",
            "malformed - 1:12 EOF while parsing an object",
        );
        check(
            "{\"name\": \"a\"} {}",
            "malformed - 1:15 trailing characters",
        );
    }
}
