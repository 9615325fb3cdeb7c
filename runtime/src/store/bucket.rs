//! A bucket of a server that speaks S3, as the operator describes it.
//!
//! It is addressed by its path (`https://server/bucket/key`), which every such server understands. What is put
//! once is never changed, so nothing but plain reads, writes and deletes is asked of the server.

use std::fmt;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, RetryConfig};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use super::wire::Wire;

/// A request that failed is sent again so often: a server that restarts is back by then.
const RETRIES: usize = 4;

/// And no later than this after its beginning: somebody waits for it.
const RETRY_TIME: Duration = Duration::from_secs(30);

/// A bucket that is open, below its prefix.
pub(super) type Opened = PrefixStore<AmazonS3>;

/// Whom the server's certificate may be of, beside the public authorities.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Reads certificates in PEM. None where there are none.
    #[must_use]
    pub fn parse(pem: &[u8]) -> Option<Self> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let read = read.ok().filter(|certificates| !certificates.is_empty())?;
        Some(Self(read))
    }
}

/// A bucket, and how it is reached.
#[derive(Clone)]
pub struct Bucket {
    name: String,
    prefix: Path,
    endpoint: Option<String>,
    authorities: Authorities,
    /// Region and credentials, under the names of the AWS variables.
    settings: Vec<(AmazonS3ConfigKey, Zeroizing<String>)>,
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, prefix, .. } = self;
        match prefix.as_ref() {
            "" => write!(f, "s3://{name}"),
            prefix => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.endpoint.as_deref().unwrap_or("AWS");
        write!(f, "Bucket({self} at {server})")
    }
}

impl Bucket {
    /// Reads `s3://bucket` or `s3://bucket/prefix`. None where it is something else.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("s3://")?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
        let first = name.bytes().next()?;
        if !(3..=63).contains(&name.len()) || !name.bytes().all(plain) || b"-._".contains(&first) {
            return None;
        }
        let segment = |b: u8| plain(b) || b.is_ascii_uppercase() || b == b'/';
        if !prefix.bytes().all(segment) {
            return None;
        }
        Some(Self {
            name: name.to_owned(),
            prefix: Path::parse(prefix).ok()?,
            endpoint: None,
            authorities: Authorities::default(),
            settings: Vec::new(),
        })
    }

    /// The same, of another server than AWS: an origin, as in `https://minio.internal:9000`.
    #[must_use]
    pub fn at(self, origin: String) -> Self {
        Self {
            endpoint: Some(origin),
            ..self
        }
    }

    /// The same, trusting these authorities too.
    #[must_use]
    pub fn trusting(self, authorities: Authorities) -> Self {
        Self {
            authorities,
            ..self
        }
    }

    /// The same with the value of an AWS variable, as `AWS_REGION`. One that is unknown changes nothing.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            self.settings.push((key, Zeroizing::new(value.to_owned())));
        }
        self
    }

    pub(super) fn open(&self) -> object_store::Result<Opened> {
        let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        roots.add_parsable_certificates(self.authorities.0.iter().cloned());
        let plain = |endpoint: &String| endpoint.starts_with("http://");
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.name)
            .with_virtual_hosted_style_request(false)
            // Not every server has the bulk form, and we delete one at a time.
            .with_disable_bulk_delete(true)
            .with_allow_http(self.endpoint.as_ref().is_some_and(plain))
            .with_retry(retry())
            .with_http_connector(Wire::new(roots));
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        for (key, value) in &self.settings {
            builder = builder.with_config(*key, value.as_str());
        }
        Ok(PrefixStore::new(builder.build()?, self.prefix.clone()))
    }
}

fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: RETRIES,
        retry_timeout: RETRY_TIME,
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_by_a_url() {
        let check = |url: &str, expected: Option<&str>| {
            let read = Bucket::parse(url).map(|bucket| bucket.to_string());
            assert_eq!(read.as_deref(), expected, "{url}");
        };
        check("s3://objects", Some("s3://objects"));
        check("s3://objects/", Some("s3://objects"));
        check("s3://my.objects/a/B-1", Some("s3://my.objects/a/B-1"));
        check("s3://objects/a//b", None);
        check("s3://objects/../a", None);
        check("s3://objects/a?b=c", None);
        check("s3://Objects", None);
        check("s3://ab", None);
        check("s3://user@objects", None);
        check("s3://", None);
        check("https://objects", None);
        check("/var/objects", None);
    }

    #[test]
    fn what_opens_a_bucket_does_not_show() {
        let bucket = Bucket::parse("s3://objects").unwrap();
        let bucket = bucket
            .at("https://minio.internal:9000".to_owned())
            .with_variable("AWS_ACCESS_KEY_ID", "the-name")
            .with_variable("AWS_SECRET_ACCESS_KEY", "the-secret");
        assert_eq!(bucket.settings.len(), 2);
        let shown = format!("{bucket:?} {bucket}");
        assert!(!shown.contains("the-"), "{shown}");
    }
}
