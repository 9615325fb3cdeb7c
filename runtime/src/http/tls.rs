//! TLS of a listener: a certificate from files, which can be read again while it serves.
//!
//! TLS 1.2 and 1.3 by rustls; HTTP/2 where the other side asks for it (ALPN), else HTTP/1.1. Client
//! certificates are not asked for. A reload that fails changes nothing.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Where certificate and key are.
#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// Why a listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or is not what it should be.
    #[error("{path} holds no {what} in PEM: {inside}")]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What the reader said.
        inside: rustls::pki_types::pem::Error,
    },
    /// The two do not belong together, or rustls takes neither.
    #[error("certificate and key cannot be used together: {0}")]
    Pair(#[from] rustls::Error),
}

/// The TLS of one listener.
pub struct Tls {
    /// None where it was made in memory.
    files: Option<Files>,
    current: ArcSwap<ServerConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads both files, in PEM: the certificate with those above it, and its private key.
    ///
    /// # Errors
    /// Which file is wrong, or that they do not fit.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let files = Files { certificate, key };
        let current = ArcSwap::new(Arc::new(read(&files)?));
        let files = Some(files);
        Ok(Self { files, current })
    }

    /// One that was made in memory, and stays as it is.
    #[must_use]
    pub fn prepared(config: ServerConfig) -> Self {
        Self {
            files: None,
            current: ArcSwap::from_pointee(config),
        }
    }

    /// Reads both files again, for connections from now on.
    ///
    /// # Errors
    /// As [`Tls::load`]; what was there before goes on serving.
    pub fn reload(&self) -> Result<(), TlsError> {
        if let Some(files) = &self.files {
            self.current.store(Arc::new(read(files)?));
        }
        Ok(())
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

fn read(files: &Files) -> Result<ServerConfig, TlsError> {
    let wrong = |path: &PathBuf, what| {
        let path = path.clone();
        move |inside| TlsError::File { path, what, inside }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|chain| match chain.is_empty() {
            true => Err(rustls::pki_types::pem::Error::NoItemsFound),
            false => Ok(chain),
        })
        .map_err(wrong(&files.certificate, "certificate"))?;
    let key = PrivateKeyDer::from_pem_file(&files.key);
    let key = key.map_err(wrong(&files.key, "private key"))?;
    // The provider is named, not taken from the process: another library may install its own.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
