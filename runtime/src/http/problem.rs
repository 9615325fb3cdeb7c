//! Error answers: one `application/problem+json` document for everything the host itself says.
//!
//! A problem never carries text from Postgres, a key, or a stack; its detail is written for the
//! caller, lower case and without a full stop, and says what would have been right.

use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::body::{self, Body};
use super::{Code, REQUEST_ID_HEADER, SOURCE_HEADER};

/// Seconds a caller should wait after a 503. One: queues here drain in less, and a longer value
/// would keep well-behaved clients away after the trouble has passed.
const RETRY_AFTER_S: &str = "1";

/// A failure, ready to be told to a caller. Status and title follow from the code.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What kind of failure.
    pub code: Code,
    /// What happened this time.
    pub detail: String,
    /// Every single mistake, where the request had several.
    pub errors: Vec<Mistake>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// One mistake among several in a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Mistake {
    /// What is wrong and what would be right.
    pub message: String,
    /// The field or file it is in, as a dotted path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// 1-based line in a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// 1-based column in a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The document on the wire.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    request_id: Uuid,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Mistake],
}

impl Mistake {
    /// A mistake without a place.
    pub fn new(message: impl Into<String>) -> Mistake {
        Mistake {
            message: message.into(),
            ..Mistake::default()
        }
    }

    /// A mistake in one field.
    pub fn at(field: impl Into<String>, message: impl Into<String>) -> Mistake {
        Mistake {
            field: Some(field.into()),
            ..Mistake::new(message)
        }
    }
}

impl Problem {
    /// A problem with one sentence of detail.
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        Problem {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Lists every mistake.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<Mistake>) -> Problem {
        self.errors = errors;
        self
    }

    /// Adds a header to the answer, for example `allow`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.headers.push((name, value));
        self
    }

    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// The same for every problem of this code.
    pub const fn title(&self) -> &'static str {
        self.code.title()
    }

    /// The answer. Names the gateway as its author, forbids sniffing and storing.
    pub fn into_response(self, request_id: Uuid) -> Response<Body> {
        let document = Document {
            r#type: "about:blank",
            title: self.title(),
            status: self.status().as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            request_id,
            errors: &self.errors,
        };
        // Strings, numbers and a UUID always serialise; an empty body would still have the status.
        let bytes = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(body::full(bytes));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.code.is_passing() {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        headers.extend(self.headers);
        from_gateway(response, request_id)
    }
}

/// Marks an answer as the host's own.
pub fn from_gateway(mut response: Response<Body>, request_id: Uuid) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(SOURCE_HEADER, HeaderValue::from_static("gateway"));
    headers.insert(
        REQUEST_ID_HEADER,
        super::request_id::header_value(request_id),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_names_its_author_its_request_and_every_mistake() {
        let id = Uuid::now_v7();
        let problem = Problem::new(Code::InvalidManifest, "2 mistakes in koyalite.toml")
            .with_errors(vec![Mistake::at("limits.cpu_ms", "must be at most 10000")]);
        let response = problem.into_response(id);
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[SOURCE_HEADER], "gateway");
        assert_eq!(response.headers()[REQUEST_ID_HEADER], id.to_string());
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        let bytes = body::collect(response.into_body(), 4096).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "about:blank", "title": "The manifest is not acceptable", "status": 400,
                "code": "invalid_manifest", "detail": "2 mistakes in koyalite.toml",
                "request_id": id.to_string(),
                "errors": [{"field": "limits.cpu_ms", "message": "must be at most 10000"}],
            })
        );
    }

    #[test]
    fn a_busy_node_says_when_to_come_back_and_a_missing_token_says_what_to_bring() {
        let id = Uuid::now_v7();
        let busy = Problem::new(Code::Overloaded, "100 requests wait").into_response(id);
        assert_eq!(busy.headers()[RETRY_AFTER], "1");
        let nobody = Problem::new(Code::Unauthorized, "send a token").into_response(id);
        assert_eq!(nobody.headers()[WWW_AUTHENTICATE], "Bearer");
    }
}
