//! What came back: [`Opened`] while its body still flows, [`Answer`] once it is all there.

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    what: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(json) => json,
            Err(error) => panic!("{}: {error} in {}", self.what, self.text()),
        }
    }

    /// Fails unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}: {}", self.what, self.shown());
        self
    }

    /// Fails unless this is a well-formed problem with that status and code; answers it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        match self.check_problem(status, code) {
            Ok(problem) => problem,
            Err(difference) => panic!("{difference}"),
        }
    }

    /// The problem, or what is wrong with it: for tables of cases that are told all at once.
    pub(crate) fn check_problem(&self, status: u16, code: &str) -> Result<Value, String> {
        let wrong = |what: &str| Err(format!("{}: {what} in {}", self.what, self.shown()));
        if self.status != status {
            return wrong(&format!("not {status}"));
        }
        if self.header("content-type") != "application/problem+json" {
            return wrong("no application/problem+json");
        }
        if self.header("koyalite-source") != "gateway" {
            return wrong("not from the gateway");
        }
        let problem = self.json();
        let id = self.header("x-request-id");
        for (field, value) in [
            ("code", Value::from(code)),
            ("status", status.into()),
            ("type", "about:blank".into()),
            ("request_id", id.into()),
        ] {
            if problem[field] != value {
                return wrong(&format!("no {field} {value}"));
            }
        }
        let said = |field: &str| problem[field].as_str().is_some_and(|text| !text.is_empty());
        if id.is_empty() || !said("title") || !said("detail") {
            return wrong("no title, detail or request id");
        }
        Ok(problem)
    }

    /// Fails unless the function itself answered, with this status.
    #[track_caller]
    pub(crate) fn of_function(self, status: u16) -> Answer {
        assert_eq!(
            self.header("koyalite-source"),
            "function",
            "{}: {}",
            self.what,
            self.shown()
        );
        self.expect(status)
    }

    fn shown(&self) -> String {
        let text = self.text();
        let short: String = text.chars().take(2000).collect();
        format!("{} {short}", self.status)
    }
}

/// An answer whose body has yet to come.
pub(crate) struct Opened {
    what: String,
    response: Response<Incoming>,
}

impl Opened {
    pub(super) fn new(what: String, response: Response<Incoming>) -> Opened {
        Opened { what, response }
    }

    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The next piece of the body; `None` at its proper end, an error where it was cut off.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        loop {
            match self.response.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(error),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    Err(_trailers) => {}
                },
            }
        }
    }

    /// Counts the rest of the body without keeping it. The error is what cut it off.
    pub(crate) async fn count(mut self) -> (u64, Result<(), hyper::Error>) {
        let mut bytes = 0;
        loop {
            match self.piece().await {
                Ok(Some(piece)) => bytes += piece.len() as u64,
                Ok(None) => return (bytes, Ok(())),
                Err(error) => return (bytes, Err(error)),
            }
        }
    }

    /// The whole answer.
    pub(crate) async fn rest(self) -> Answer {
        let what = self.what.clone();
        match self.try_rest().await {
            Ok(answer) => answer,
            Err(error) => panic!("{what}: the body broke off: {error}"),
        }
    }

    /// The whole answer, or what cut it off.
    pub(crate) async fn whole_or_cut(self) -> Result<Answer, hyper::Error> {
        self.try_rest().await
    }

    pub(super) async fn attempt_rest(self) -> Option<Answer> {
        self.try_rest().await.ok()
    }

    async fn try_rest(self) -> Result<Answer, hyper::Error> {
        let (head, body) = self.response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            what: self.what,
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }
}
