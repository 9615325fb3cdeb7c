//! Whether connections to Postgres are encrypted: when the base configuration says `sslmode=require`.
//!
//! The server's certificate is then verified against the public roots, unlike libpq's `require`,
//! which believes anyone. `prefer`, the driver's default, never encrypts here: falling back in
//! silence would promise what an attacker can switch off.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How to open a connection's byte stream.
#[derive(Clone)]
pub(crate) enum Tls {
    Off,
    On(MakeRustlsConnect),
}

impl Tls {
    /// What `config` asks for, with the public roots.
    ///
    /// # Errors
    /// When the TLS library refuses its own default protocol versions.
    pub(crate) fn for_config(config: &Config) -> Result<Tls, rustls::Error> {
        if config.get_ssl_mode() != SslMode::Require {
            return Ok(Tls::Off);
        }
        let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Tls::with_client(client))
    }

    pub(crate) fn with_client(client: ClientConfig) -> Tls {
        Tls::On(MakeRustlsConnect::new(client))
    }

    /// Opens a connection and drives it on a task, which owns `slot` for as long as it lives.
    pub(crate) async fn connect<S: Send + 'static>(
        &self,
        config: &Config,
        slot: S,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        match self {
            Tls::Off => {
                let (client, connection) = config.connect(NoTls).await?;
                Ok((client, tokio::spawn(drive(connection, slot))))
            }
            Tls::On(tls) => {
                let (client, connection) = config.connect(tls.clone()).await?;
                Ok((client, tokio::spawn(drive(connection, slot))))
            }
        }
    }

    /// Asks the server to stop what a connection is doing. Best effort: it may be done already.
    pub(crate) async fn cancel(&self, token: CancelToken) {
        let asked = match self {
            Tls::Off => token.cancel_query(NoTls).await,
            Tls::On(tls) => token.cancel_query(tls.clone()).await,
        };
        if let Err(error) = asked {
            tracing::debug!(%error, "a statement could not be cancelled");
        }
    }
}

async fn drive<S>(connection: impl Future<Output = Result<(), Error>>, slot: S) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a tenant connection ended");
    }
    drop(slot);
}
