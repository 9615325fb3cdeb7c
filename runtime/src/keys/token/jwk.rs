//! The public keys of an identity server, from its JSON Web Key Set.
//!
//! A key's kind decides the one algorithm that it is for; what the document says beside that can rule a
//! key out and never make it good for another. Keys of other kinds are passed over: a server may have
//! them for others. Never here: private keys, and secrets shared with the server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::key::{Algorithm, TrustedKey};

/// Keys of one document: a server has two or three, and some more while it changes them.
pub const JWKS_KEYS_MAX: usize = 100;

/// Of an RSA key: what the standards ask for, and what is still quick to verify.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A public key of an identity server.
#[derive(Debug, Clone)]
pub struct PublicKey {
    /// The name by which its tokens refer to it.
    pub id: Option<String>,
    /// What tokens are verified with.
    pub key: TrustedKey,
    /// Tells it from every other key: a hash of all that it is.
    pub mark: [u8; 32],
}

/// Why a document is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// It is not of the form.
    #[error("it is no JSON Web Key Set: {{\"keys\":[…]}}")]
    NotASet,
    /// Nobody needs that many.
    #[error("it has more than {JWKS_KEYS_MAX} keys")]
    TooMany,
    /// None of its keys is one that tokens are verified with here.
    #[error("it has no key for RS256, ES256 or EdDSA")]
    NoKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Reads the keys of a document that can be used here, for tokens of this issuer.
///
/// # Errors
/// See [`JwksError`].
pub fn read_jwks(document: &[u8], issuer: &str) -> Result<Vec<PublicKey>, JwksError> {
    let document: Document = serde_json::from_slice(document).map_err(|_| JwksError::NotASet)?;
    if document.keys.len() > JWKS_KEYS_MAX {
        return Err(JwksError::TooMany);
    }
    let written = document.keys.into_iter();
    let written = written.filter_map(|key| serde_json::from_value::<Written>(key).ok());
    let keys: Vec<_> = written.filter_map(|key| key.read(issuer)).collect();
    match keys.is_empty() {
        true => Err(JwksError::NoKey),
        false => Ok(keys),
    }
}

impl Written {
    fn read(self, issuer: &str) -> Option<PublicKey> {
        let signs = self
            .purpose
            .as_deref()
            .is_none_or(|purpose| purpose == "sig");
        let verifies = self.key_ops.as_ref();
        let verifies = verifies.is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !(signs && verifies) {
            return None;
        }
        let (algorithm, parts) = self.material()?;
        if self
            .alg
            .as_deref()
            .is_some_and(|alg| alg != algorithm.name())
        {
            return None;
        }
        let key = match (algorithm, parts) {
            (Algorithm::Rs256, [n, e]) => DecodingKey::from_rsa_components(n, e),
            (Algorithm::Es256, [x, y]) => DecodingKey::from_ec_components(x, y),
            (Algorithm::EdDsa, [x, _]) => DecodingKey::from_ed_components(x),
            (Algorithm::Hs256, _) => return None,
        };
        let [first, second] = parts;
        let mut mark = Sha256::new();
        for part in [algorithm.name(), first, second, issuer] {
            mark.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mark.update(part);
        }
        Some(PublicKey {
            key: TrustedKey::new(key.ok()?, algorithm).with_issuer(issuer.to_owned()),
            mark: mark.finalize().into(),
            id: self.kid,
        })
    }

    /// What the key is made of, where it is whole and of a kind that is known.
    fn material(&self) -> Option<(Algorithm, [&str; 2])> {
        let (x, y) = (self.x.as_deref(), self.y.as_deref());
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (self.n.as_deref()?, self.e.as_deref()?);
                let sound = RSA_BYTES.contains(&bytes(n)?) && (1..=8).contains(&bytes(e)?);
                sound.then_some((Algorithm::Rs256, [n, e]))
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (x?, y?);
                let sound = bytes(x)? == 32 && bytes(y)? == 32;
                sound.then_some((Algorithm::Es256, [x, y]))
            }
            ("OKP", Some("Ed25519")) => {
                let x = x?;
                (bytes(x)? == 32).then_some((Algorithm::EdDsa, [x, ""]))
            }
            _ => None,
        }
    }
}

fn bytes(text: &str) -> Option<usize> {
    URL_SAFE_NO_PAD.decode(text).ok().map(|bytes| bytes.len())
}

#[cfg(test)]
#[path = "jwk_tests.rs"]
mod tests;
