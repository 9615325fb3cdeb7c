//! 32 secret bytes: wiped when dropped, compared in constant time, never printed.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

/// The size of every symmetric key here: XChaCha20-Poly1305's key, HMAC-SHA256's output.
pub(super) const KEY_BYTES: usize = 32;

/// One symmetric key.
#[derive(Clone)]
pub struct SecretKey([u8; KEY_BYTES]);

impl SecretKey {
    /// Takes over existing key bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// A new key from the thread's cryptographic generator, which the system seeds.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; KEY_BYTES];
        rand::fill(&mut bytes);
        Self(bytes)
    }

    /// The bytes themselves, for the cipher or the signature that uses them.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// A key for one purpose, from which neither this key nor any other purpose's can be computed.
    pub(super) fn derive(&self, label: &str) -> Self {
        Self(self.mac(&[b"koyalite derive v1", label.as_bytes()]))
    }

    /// A signature over parts that cannot slide into one another.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; KEY_BYTES] {
        self.mac(parts)
    }

    /// Whether `signature` is this key's over the same parts, in constant time.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        self.mac(parts).as_slice().ct_eq(signature).into()
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; KEY_BYTES] {
        // Padded with zeros to the hash's block, as HMAC does itself with a short key; at that size
        // nothing here can fail.
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(self.0) {
            *to = from;
        }
        let mut mac = Hmac::<Sha256>::new(&block.into());
        block.zeroize();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_slide_into_one_another() {
        let key = SecretKey::new([7; KEY_BYTES]);
        let signature = key.sign(&[b"ab", b"c"]);
        assert!(key.verify(&[b"ab", b"c"], &signature));
        assert!(!key.verify(&[b"a", b"bc"], &signature));
        assert!(!key.verify(&[b"abc"], &signature));
        assert!(!key.verify(&[b"ab", b"c"], &signature[..31]));
        assert!(!key.verify(&[b"ab", b"c"], b""));
    }

    #[test]
    fn purposes_give_different_keys_and_none_is_printed() {
        let key = SecretKey::new([7; KEY_BYTES]);
        assert_ne!(key.derive("a").expose(), key.derive("b").expose());
        assert_ne!(key.derive("a").expose(), key.expose());
        assert_eq!(key.derive("a").expose(), key.derive("a").expose());
        assert_eq!(format!("{key:?}"), "SecretKey(…)");
    }
}
