//! What signs the URLs of files: sealed by the key ring, which names its key in what it seals.
//!
//! A URL of one project opens in no other. Keys that were rotated away open what they sealed for as long as
//! they are on the ring.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use koyalite_host_api::files::Signer;
use uuid::Uuid;

use super::ring::KeyRing;
use super::sealed::{Context, Sealed};

/// Longer than any URL that goes through common proxies.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// Seals by a key ring.
pub struct FileUrls(pub Arc<KeyRing>);

fn context(project: &str) -> Context<'_> {
    Context {
        table: "files",
        row: project,
        column: "url",
    }
}

impl Signer for FileUrls {
    fn seal(&self, project: Uuid, plain: &[u8]) -> Result<String, String> {
        let sealed = self.0.seal(plain, &context(&project.to_string()));
        let sealed = sealed.map_err(|error| error.to_string())?;
        Ok(URL_SAFE_NO_PAD.encode(sealed.as_bytes()))
    }

    fn open(&self, project: Uuid, sealed: &str) -> Option<Vec<u8>> {
        if sealed.len() > TEXT_BYTES_MAX {
            return None;
        }
        let sealed = Sealed::from_bytes(URL_SAFE_NO_PAD.decode(sealed).ok()?);
        let plain = self
            .0
            .unseal(&sealed, &context(&project.to_string()))
            .ok()?;
        Some(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_opens_in_its_project_alone_and_not_once_it_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        let ring = KeyRing::create(&dir.path().join("keys.json")).unwrap();
        let urls = FileUrls(Arc::new(ring));
        let (mine, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = urls.seal(mine, b"text").unwrap();
        assert_eq!(urls.open(mine, &sealed).unwrap(), b"text");
        assert_eq!(urls.open(other, &sealed), None);
        for at in 0..sealed.len() {
            let mut bent = sealed.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            // The last letter holds bits that stand for nothing; with those it does not decode.
            assert_eq!(urls.open(mine, &bent), None, "{at}");
        }
        assert_eq!(urls.open(mine, ""), None);
        assert_eq!(urls.open(mine, &"A".repeat(TEXT_BYTES_MAX + 1)), None);
    }
}
