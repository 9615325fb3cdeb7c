//! What nodes know each other by: a certificate of the fleet's own authority, whose key comes from the key
//! ring. Who has the ring is a node; nobody else can make such a certificate, and no file has to be
//! handed out or renewed.
//!
//! Each start makes a key of its own, in memory alone. The authority that signs is the oldest of the ring,
//! because every node has that one whether or not it has seen a rotation; those of all keys are trusted.

use std::fmt;
use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::http::Tls;
use crate::keys::{KeyRing, Purpose, SecretKey};

/// The name that every node's certificate has: which node it is makes no difference.
const NAME: &str = "node.koyalite.internal";

/// In front of the seed of an Ed25519 key in PKCS #8 (RFC 8410, 7).
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Why a node has no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The certificate could not be made.
    #[error("the fleet's certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up with it.
    #[error("the fleet's certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// A verifier without an authority.
    #[error("the fleet has no authority: {0}")]
    Authority(#[from] rustls::server::VerifierBuilderError),
}

/// Both sides of the hop, for one process.
pub struct FleetTls {
    server: ServerConfig,
    client: Arc<ClientConfig>,
}

impl fmt::Debug for FleetTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetTls").finish_non_exhaustive()
    }
}

impl FleetTls {
    /// A fresh certificate under the authority of this ring.
    ///
    /// # Errors
    /// [`IdentityError`], which would be a mistake of ours.
    pub fn new(ring: &KeyRing) -> Result<Self, IdentityError> {
        let (mut roots, mut oldest) = (RootCertStore::empty(), None);
        for (id, secret) in ring.derive_all(Purpose::FleetAuthority) {
            let key = authority_key(&secret)?;
            let params = authority(&id.to_string());
            roots.add(params.self_signed(&key)?.der().clone())?;
            oldest = Some(Issuer::new(params, key));
        }
        let issuer = oldest.ok_or(rcgen::Error::CouldNotParseKeyPair)?;
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let certificate = node()?.signed_by(&key, &issuer)?.der().clone();
        let private = || PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let (roots, provider) = (
            Arc::new(roots),
            Arc::new(rustls::crypto::ring::default_provider()),
        );
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.clone()], private())?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], private())?;
        client.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            server,
            client: Arc::new(client),
        })
    }

    /// For the listener where hops end.
    #[must_use]
    pub fn listener(&self) -> Tls {
        Tls::prepared(self.server.clone())
    }

    pub(super) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.client))
    }
}

/// Whom a hop wants to meet.
pub(super) fn server_name() -> io::Result<ServerName<'static>> {
    ServerName::try_from(NAME).map_err(io::Error::other)
}

/// The key of an authority: the same in every process with the ring.
fn authority_key(secret: &SecretKey) -> Result<KeyPair, rcgen::Error> {
    let mut pkcs8 = Zeroizing::new(ED25519_PKCS8.to_vec());
    pkcs8.extend_from_slice(secret.expose());
    let der = PrivatePkcs8KeyDer::from(pkcs8.as_slice());
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519)
}

fn authority(id: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, format!("koyalite fleet {id}"));
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn node() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustls::SignatureScheme;
    use rustls::client::ResolvesClientCert;
    use rustls::sign::CertifiedKey;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Nothing to show.
    #[derive(Debug)]
    struct Nothing;

    impl ResolvesClientCert for Nothing {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            None
        }

        fn has_certs(&self) -> bool {
            false
        }
    }

    /// Whether a node of the one ring gets through to a node of the other.
    async fn meet(one: &KeyRing, other: &KeyRing) -> bool {
        let (client, server) = (FleetTls::new(one).unwrap(), FleetTls::new(other).unwrap());
        let acceptor = TlsAcceptor::from(Arc::new(server.server));
        speak(client.connector(), acceptor).await
    }

    async fn speak(connector: TlsConnector, acceptor: TlsAcceptor) -> bool {
        let (here, there) = tokio::io::duplex(64 << 10);
        let serving = tokio::spawn(async move {
            let mut stream = acceptor.accept(there).await?;
            stream.write_all(b"!").await?;
            stream.flush().await
        });
        let asked = async {
            let mut stream = connector.connect(server_name()?, here).await?;
            // In TLS 1.3 a client hears only afterwards that its certificate was not taken.
            stream.read_u8().await
        };
        let asked = asked.await.is_ok();
        serving.await.unwrap().is_ok() && asked
    }

    fn ring(folder: &Path, name: &str) -> KeyRing {
        KeyRing::create(&folder.join(name)).unwrap()
    }

    #[tokio::test]
    async fn nodes_of_one_ring_know_each_other_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (ring(folder.path(), "one"), ring(folder.path(), "other"));
        assert!(meet(&one, &one).await);
        assert!(!meet(&one, &other).await);
        assert!(!meet(&other, &one).await);
    }

    #[tokio::test]
    async fn a_rotation_parts_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let before = KeyRing::create(&path).unwrap();
        let after = KeyRing::open(&path).unwrap().rotate(&path).unwrap();
        assert!(meet(&before, &after).await);
        assert!(meet(&after, &before).await);
        assert!(meet(&after, &after).await);
    }

    #[tokio::test]
    async fn without_a_certificate_nobody_gets_in() {
        let folder = tempfile::tempdir().unwrap();
        let tls = FleetTls::new(&ring(folder.path(), "ring")).unwrap();
        let mut bare = ClientConfig::clone(&tls.client);
        bare.client_auth_cert_resolver = Arc::new(Nothing);
        let acceptor = TlsAcceptor::from(Arc::new(tls.server));
        assert!(!speak(TlsConnector::from(Arc::new(bare)), acceptor).await);
    }
}
