//! The certificates of both listeners: read before a port serves, and again at each SIGHUP, so that a
//! renewed one is taken up without a restart. Without a certificate SIGHUP means what it always means.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{ServeConfig, TlsFiles};
use crate::http::Tls;

/// What there is of them.
#[derive(Debug)]
pub(super) struct Certificates {
    pub(super) functions: Option<Arc<Tls>>,
    pub(super) control: Option<Arc<Tls>>,
}

impl Certificates {
    /// Reads what the configuration names.
    pub(super) fn load(config: &ServeConfig) -> anyhow::Result<Self> {
        let read = |files: &Option<TlsFiles>, what: &str| {
            let files = files.clone();
            let loaded = files.map(|files| Tls::load(files.certificate, files.key));
            let loaded = loaded.transpose();
            let loaded = loaded.with_context(|| format!("no TLS for {what}"))?;
            anyhow::Ok(loaded.map(Arc::new))
        };
        Ok(Self {
            functions: read(&config.tls, "functions")?,
            control: read(&config.control_tls, "control")?,
        })
    }

    /// Reads them again at each SIGHUP, as long as the runtime lives.
    pub(super) fn follow(&self) -> std::io::Result<()> {
        let both = [&self.functions, &self.control];
        let all: Vec<Arc<Tls>> = both.into_iter().flatten().cloned().collect();
        if all.is_empty() {
            return Ok(());
        }
        let mut hangups = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                for tls in &all {
                    match tls.reload() {
                        Ok(()) => tracing::info!(?tls, "a certificate was read again"),
                        Err(error) => tracing::error!(%error, "the old certificate goes on"),
                    }
                }
            }
        });
        Ok(())
    }
}
