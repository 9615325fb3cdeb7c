//! One small document that the host needs for itself, such as the keys of an identity server.

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};

use super::{AllowList, Egress, EgressError, EgressGrant, Target};

/// The longest document: a hundred keys with their certificates.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address cannot be read.
    #[error("the address cannot be read")]
    Address,
    /// It could not be asked for.
    #[error("{code}: {0}", code = .0.code())]
    Send(#[from] EgressError),
    /// Something else came. Redirects are not followed.
    #[error("the answer was {0}")]
    Status(StatusCode),
    /// It was too long, or broke off.
    #[error("the answer broke off, or has more than {DOCUMENT_BYTES_MAX} bytes")]
    Body,
}

impl EgressGrant {
    /// Permission to send to this origin and to no other.
    #[must_use]
    pub fn to_origin_of(uri: &Uri) -> Option<Self> {
        let target = Target::parse(uri).ok()?;
        let origin = format!("{}://{}", target.scheme.as_str(), target.authority());
        let allow = AllowList::parse(&[origin]).ok()?;
        Some(Self::new(allow.into()))
    }
}

impl Egress {
    /// Fetches a document.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, url: &str) -> Result<Bytes, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Address)?;
        let grant = EgressGrant::to_origin_of(&uri).ok_or(FetchError::Address)?;
        let request = Request::get(uri)
            .header(http::header::ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|_| FetchError::Address)?;
        let response = self.send(&grant, request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), DOCUMENT_BYTES_MAX);
        let body = body.collect().await.map_err(|_| FetchError::Body)?;
        Ok(body.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_for_one_origin() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        let grant = EgressGrant::to_origin_of(&uri("https://example.com/a")).unwrap();
        let admits = |text: &str| grant.admit(&Target::parse(&uri(text)).unwrap()).is_ok();
        assert!(admits("https://example.com/b"));
        assert!(!admits("https://example.com:8443/a"));
        assert!(!admits("https://other.example/a"));
    }
}
