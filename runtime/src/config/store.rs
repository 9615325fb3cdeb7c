//! Where objects lie, checked. A bucket is named by `store`; region and credentials come by the variables that
//! every tool for AWS reads, so that what a platform hands out works here too.

use std::sync::Arc;

use super::check::Reading;
use super::key::Key;
use super::report::{ConfigMistake, Origin};
use super::resolved::DataDir;
use crate::store::{Authorities, Bucket, StoreChoice};

/// The variables of AWS that count, where there is a bucket.
pub(super) const AWS_VARIABLES: [&str; 13] = [
    ACCESS_KEY,
    SECRET_KEY,
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
    "AWS_ENDPOINT_URL_STS",
];

/// How a platform is named that hands out keys, by the variables that go together. The machine itself is asked
/// where none is named, and for AWS alone: nobody else answers at its address.
const PLATFORMS: [&[&str]; 4] = [
    &["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"],
    &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
    &[
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ],
    &["AWS_METADATA_ENDPOINT"],
];

const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";

impl Reading<'_> {
    pub(super) fn store(&mut self, data: &DataDir) -> StoreChoice {
        let folder = StoreChoice::Folder(data.objects());
        let Some(url) = self.text(Key::Store) else {
            for key in [Key::StoreEndpoint, Key::StorePlainHttp, Key::StoreCa] {
                if self.text(key).is_some() {
                    self.wrong(key, "is for a bucket; set store too");
                }
            }
            return folder;
        };
        let Some(bucket) = Bucket::parse(&url) else {
            let form =
                "must be s3://bucket or s3://bucket/prefix, in letters, digits, dots and dashes";
            self.wrong(Key::Store, form);
            return folder;
        };
        let bucket = self.endpoint(bucket);
        let bucket = self.authorities(bucket);
        StoreChoice::Bucket(Arc::new(self.credentials(bucket)))
    }

    /// The server: AWS, or the one that is named. Without TLS only where that is said twice.
    fn endpoint(&mut self, bucket: Bucket) -> Bucket {
        let plain = self.yes_or_no(Key::StorePlainHttp);
        let Some(text) = self.text(Key::StoreEndpoint) else {
            return bucket;
        };
        let origin = text.trim_end_matches('/');
        let read = origin.parse::<http::Uri>().ok().filter(|uri| {
            uri.authority().is_some_and(|a| !a.as_str().contains('@'))
                && uri.path_and_query().is_none_or(|path| path == "/")
        });
        match (read.as_ref().and_then(http::Uri::scheme_str), plain) {
            (Some("https"), _) | (Some("http"), true) => {}
            (Some("http"), false) => {
                let expected = "must be https://; without TLS, set store_plain_http = true";
                self.wrong(Key::StoreEndpoint, expected);
            }
            _ => {
                let expected = "must be an origin, for example https://minio.internal:9000";
                self.wrong(Key::StoreEndpoint, expected);
            }
        }
        bucket.at(origin.to_owned())
    }

    fn authorities(&mut self, bucket: Bucket) -> Bucket {
        let Some(file) = self.path(Key::StoreCa) else {
            return bucket;
        };
        let read = std::fs::read(file).ok();
        match read.and_then(|pem| Authorities::parse(&pem)) {
            Some(authorities) => bucket.trusting(authorities),
            None => {
                self.wrong(Key::StoreCa, "must be a file with certificates (PEM)");
                bucket
            }
        }
    }

    /// A key of its own, or what the platform hands out.
    fn credentials(&mut self, mut bucket: Bucket) -> Bucket {
        let given = |name: &str| self.raw().aws.contains_key(name);
        let whole = |names: &&[&str]| names.iter().all(|name| given(name));
        let elsewhere = self.text(Key::StoreEndpoint).is_some() && !PLATFORMS.iter().any(whole);
        let missing = match (given(ACCESS_KEY), given(SECRET_KEY)) {
            (true, false) => Some(SECRET_KEY),
            (false, true) => Some(ACCESS_KEY),
            (false, false) if elsewhere => Some(ACCESS_KEY),
            (true, true) | (false, false) => None,
        };
        if let Some(missing) = missing {
            let problem =
                "is missing; a bucket is opened with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
            self.note(ConfigMistake::new(missing, Origin::Missing, problem));
        }
        for (name, value) in &self.raw().aws {
            bucket = bucket.with_variable(name, value);
        }
        bucket
    }
}
