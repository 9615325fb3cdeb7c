//! Header fields: a short list in the order they came, names compared without regard to case.

use crate::bindings::imports::wasi::http::types::{Fields, HeaderError};
use crate::{Error, Result};

/// The header fields of a request or response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// The first value of a header. None where there is none, or it is not text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// Every value of a header that is text, in order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self
            .0
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        named.filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All fields: names, and values as the bytes they are.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Adds a field beside others of its name.
    pub fn append(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), value.into()));
    }

    /// Sets a field in the place of all others of its name.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        let name = name.into();
        self.0
            .retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        self.0.push((name, value.into()));
    }

    pub(crate) fn from_raw(fields: &Fields) -> Self {
        Self(fields.copy_all())
    }

    /// # Errors
    /// Where a name or value is no header, or the host keeps that header for itself.
    pub(crate) fn into_raw(self) -> Result<Fields> {
        Fields::from_list(&self.0).map_err(|error| {
            let why = match error {
                HeaderError::InvalidSyntax => "a header's name or value has forbidden characters",
                HeaderError::Forbidden => "a header is one that the host sets by itself",
                HeaderError::SizeExceeded => "the headers are too long",
                HeaderError::Immutable | HeaderError::Other(_) => "the headers were not taken",
            };
            Error::internal(why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Headers;

    #[test]
    fn names_are_compared_without_regard_to_case() {
        let mut headers = Headers::default();
        headers.append("Accept", "text/html");
        headers.append("accept", "text/plain");
        assert_eq!(headers.get("ACCEPT"), Some("text/html"));
        assert_eq!(headers.get_all("accept").count(), 2);
        headers.set("accept", "*/*");
        assert_eq!(headers.get_all("Accept").collect::<Vec<_>>(), ["*/*"]);
    }
}
