//! An address with another query: what is meant for the host is taken out before others read the rest.

use http::Uri;
use http::uri::PathAndQuery;

/// The same address with that query; an empty one is none. None where the query is no text for a URL.
pub fn with_query(uri: &Uri, query: &str) -> Option<Uri> {
    let target = match query {
        "" => uri.path().to_owned(),
        query => format!("{}?{query}", uri.path()),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}
