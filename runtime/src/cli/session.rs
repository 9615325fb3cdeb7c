//! Who signed in at which server: kept in one file that its owner alone can read, renewed when the
//! access token is about to end. A token that is given on the command line or in the environment goes
//! before it, and the token of `koyalite dev` comes after it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::error::CliError;
use crate::config::sessions_file;

/// An access token that ends sooner is renewed first: the request is still on its way then.
const RENEWED_BEFORE: TimeDelta = TimeDelta::seconds(30);

/// One session. The fields of a sign-in's answer that are worth keeping.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) user: SessionUser,
}

/// Whose session it is.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SessionUser {
    pub(super) email: String,
    pub(super) role: String,
}

impl Session {
    /// Whether its access token is good for another request.
    pub(super) fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now + RENEWED_BEFORE < self.expires_at
    }
}

/// All sessions, by the address of the server.
#[derive(Default, Serialize, Deserialize)]
struct Sessions(BTreeMap<String, Session>);

/// The session at that server, if somebody signed in there.
pub(super) fn read(server: &str) -> Result<Option<Session>, CliError> {
    let Some(path) = sessions_file() else {
        return Ok(None);
    };
    Ok(all(&path)?.0.remove(key(server)))
}

/// Keeps the session at that server.
pub(super) fn keep(server: &str, session: Session) -> Result<(), CliError> {
    change(|sessions| {
        sessions.0.insert(key(server).to_owned(), session);
    })
}

/// Forgets the session at that server.
pub(super) fn forget(server: &str) -> Result<(), CliError> {
    change(|sessions| {
        sessions.0.remove(key(server));
    })
}

fn key(server: &str) -> &str {
    server.trim_end_matches('/')
}

fn all(path: &PathBuf) -> Result<Sessions, CliError> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged; delete it", path.display()))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sessions::default()),
        Err(error) => Err(anyhow::Error::new(error)
            .context(format!("cannot read {}", path.display()))
            .into()),
    }
}

/// Written beside and moved over, so that nobody reads half of it, and with its mode from the start.
fn change(alter: impl FnOnce(&mut Sessions)) -> Result<(), CliError> {
    let path = sessions_file().context("there is no home folder to keep the session in")?;
    let mut sessions = all(&path)?;
    alter(&mut sessions);
    let written = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = path.with_extension(format!("new{}", std::process::id()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(&sessions)?)?;
        fs::rename(&new, &path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_renewed_before_its_token_ends() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let session = |seconds| Session {
            access_token: String::new(),
            refresh_token: String::new(),
            expires_at: now + TimeDelta::seconds(seconds),
            user: SessionUser {
                email: String::new(),
                role: String::new(),
            },
        };
        assert!(session(60).is_fresh(now));
        assert!(!session(30).is_fresh(now));
        assert!(!session(-1).is_fresh(now));
    }
}
