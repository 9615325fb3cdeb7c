//! Connections under TLS, as a client makes them that trusts one certificate alone.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::root;

/// A file of the certificate of that name: `one` or `two`. They last a hundred years.
pub(crate) fn certificate(name: &str, kind: &str) -> PathBuf {
    root().join(format!("tests/support/tls/{name}.{kind}"))
}

/// A connection to a server that proves itself with the certificate of that name, over the first of
/// these protocols that it speaks.
pub(crate) async fn secure(
    authority: &str,
    name: &str,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_file(certificate(name, "crt")).unwrap();
    roots.add(trusted).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let stream = TcpStream::connect(authority).await?;
    let host = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(host, stream)
        .await
}
