//! Request methods as a closed enum, so that a router can match on them.

use std::fmt;

use crate::bindings::imports::wasi::http::types::Method as Raw;

/// The method of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `CONNECT`
    Connect,
    /// `OPTIONS`
    Options,
    /// `TRACE`
    Trace,
    /// `PATCH`
    Patch,
    /// Any other, as it was sent.
    Other(String),
}

impl Method {
    /// The method as it stands in a request line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Raw> for Method {
    fn from(raw: Raw) -> Self {
        match raw {
            Raw::Get => Self::Get,
            Raw::Head => Self::Head,
            Raw::Post => Self::Post,
            Raw::Put => Self::Put,
            Raw::Delete => Self::Delete,
            Raw::Connect => Self::Connect,
            Raw::Options => Self::Options,
            Raw::Trace => Self::Trace,
            Raw::Patch => Self::Patch,
            Raw::Other(name) => Self::Other(name),
        }
    }
}

impl From<Method> for Raw {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::Get,
            Method::Head => Self::Head,
            Method::Post => Self::Post,
            Method::Put => Self::Put,
            Method::Delete => Self::Delete,
            Method::Connect => Self::Connect,
            Method::Options => Self::Options,
            Method::Trace => Self::Trace,
            Method::Patch => Self::Patch,
            Method::Other(name) => Self::Other(name),
        }
    }
}
