//! Telling the outside that the server is ready: a file for programs, a few lines for people.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::config::{ServeConfig, TlsFiles};

/// Where the functions listener and the control listener are.
pub(super) type Addresses = (SocketAddr, SocketAddr);

/// `ready.json` in the data folder: there while the server serves, with its addresses and its
/// process. For scripts and tests that let the system choose the ports.
pub(super) struct ReadyFile(PathBuf);

impl ReadyFile {
    pub(super) fn write(
        config: &ServeConfig,
        (functions, control): Addresses,
    ) -> anyhow::Result<Self> {
        let data = &config.data;
        let scheme = |files: &Option<TlsFiles>| TlsFiles::scheme(files.as_ref());
        let path = data.root().join("ready.json");
        let aside = data.root().join(".ready.json.tmp");
        let content = serde_json::json!({
            "functions": format!("{}://{functions}", scheme(&config.tls)),
            "control": format!("{}://{control}", scheme(&config.control_tls)),
            "pid": std::process::id(),
        });
        // Renamed into place: whoever sees the file sees all of it.
        std::fs::write(&aside, content.to_string())
            .and_then(|()| std::fs::rename(&aside, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// What `dev` says when it is up.
pub(super) struct Banner(String);

impl Banner {
    pub(super) fn new(config: &ServeConfig, addresses: Addresses) -> Self {
        let (functions, project) = (public_base(config, addresses), super::parts::DEV_PROJECT);
        let (_, control) = addresses;
        let usual = config.data.token();
        let token = config.admin_token_file.as_ref().unwrap_or(&usual);
        let token = token.display();
        let scheme = TlsFiles::scheme(config.control_tls.as_ref());
        Self(format!(
            "\nKoyaLite is up.\n\n  \
             functions   {functions}/f/{project}/<function>\n  \
             control     {scheme}://{control}\n  \
             token       {token}\n\n  \
             export KOYALITE_TOKEN=$(cat {token})\n\n\
             Ctrl-C stops it; the data stays in {}.\n",
            config.data.root().display(),
        ))
    }

    pub(super) fn print(&self) {
        // Nobody reads when the terminal is gone; the server serves all the same.
        drop(writeln!(std::io::stdout(), "{}", self.0));
    }
}

/// Where functions are reached. Where the system chose the port, only now is it known.
pub(super) fn public_base(config: &ServeConfig, (functions, _): Addresses) -> String {
    if config.listen.port() == 0 {
        format!("{}://{functions}", TlsFiles::scheme(config.tls.as_ref()))
    } else {
        config.public_url.clone()
    }
}
