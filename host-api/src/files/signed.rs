//! Signed URLs: what their holder may do, said by somebody who may do it, for a time.
//!
//! What is signed is sealed too: nobody reads in a URL who has signed it. It lets its holder act as whoever
//! signed it, on one path by one method, within what it says; policies are asked again when it is used, as
//! that identity, so it opens nothing that its signer may not do then.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use koyalite_policy::{Identity, Service, User};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Caller, FilePath, operations, sniff};
use crate::error::HostError;
use crate::limits::SIGNED_URL_TIME;

/// What seals the text of a URL for one project, with a key that it names.
pub trait Signer: Send + Sync + 'static {
    /// Sealed text, of letters that stand in a URL as they are.
    ///
    /// # Errors
    /// Where the keys are gone; the text is for the log.
    fn seal(&self, project: Uuid, plain: &[u8]) -> Result<String, String>;

    /// What was sealed for that project; none for any other text.
    fn open(&self, project: Uuid, sealed: &str) -> Option<Vec<u8>>;
}

/// What a URL is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// To read a file.
    Get,
    /// To write one, once.
    Put,
}

/// A URL to be signed.
#[derive(Debug, Clone)]
pub struct Sign {
    /// What for.
    pub method: Method,
    /// Which file.
    pub path: FilePath,
    /// For how long.
    pub time: Duration,
    /// The most bytes that may be written.
    pub size_max: Option<u64>,
    /// The type that is written.
    pub mime_type: Option<String>,
}

/// What was signed.
#[derive(Serialize, Deserialize)]
struct Claims {
    id: Uuid,
    method: Method,
    path: String,
    /// Of a read: the version that was there.
    version: Option<Uuid>,
    size_max: Option<u64>,
    mime_type: Option<String>,
    expires_at: u64,
    by: By,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Nobody,
    User {
        subject: String,
        claims: serde_json::Map<String, serde_json::Value>,
    },
    Service {
        function: String,
        bypass: BTreeSet<String>,
    },
}

/// What a URL lets its holder do.
#[derive(Debug, Clone, PartialEq)]
pub struct Redeemed {
    /// Which URL it is.
    pub id: Uuid,
    /// As whom.
    pub identity: Identity,
    /// The version that may be read.
    pub version: Option<Uuid>,
    /// The most bytes that may be written.
    pub size_max: Option<u64>,
    /// The type that must be written.
    pub mime_type: Option<String>,
    /// Until when, in seconds since 1970.
    pub expires_at: u64,
}

/// Signs a URL, for what the caller may do now.
///
/// # Errors
/// `unknown_file` for a read of what the caller cannot see; `invalid_url_time`; denials as for tables.
pub async fn sign(caller: &Caller, wanted: Sign) -> Result<String, HostError> {
    if wanted.time.is_zero() || wanted.time > SIGNED_URL_TIME {
        return Err(HostError::invalid_url_time());
    }
    if wanted
        .mime_type
        .as_deref()
        .is_some_and(|kind| !sniff::is_type(kind))
    {
        return Err(HostError::invalid_type());
    }
    let version = match wanted.method {
        Method::Get => Some(operations::stat(caller, &wanted.path).await?.version),
        Method::Put => {
            caller.writing()?;
            None
        }
    };
    let claims = Claims {
        id: Uuid::now_v7(),
        method: wanted.method,
        path: wanted.path.to_string(),
        version,
        size_max: wanted.size_max,
        mime_type: wanted.mime_type,
        expires_at: now() + wanted.time.as_secs(),
        by: By::of(&caller.identity),
    };
    let plain = serde_json::to_vec(&claims).map_err(HostError::internal)?;
    let store = caller.project.files.store()?;
    let sealed = store.signer.seal(caller.project.id, &plain);
    let sealed = sealed.map_err(HostError::internal)?;
    let (base, project) = (&store.base, &caller.project.name);
    let path = escaped(wanted.path.as_str());
    Ok(format!("{base}/files/{project}/{path}?signature={sealed}"))
}

/// What the holder of a URL may do, if it is for that method and path and its time is not over. `caller` is
/// the project, whoever asks.
///
/// # Errors
/// `invalid_url`, `expired_url`.
pub fn redeem(
    caller: &Caller,
    (method, path): (Method, &FilePath),
    sealed: &str,
) -> Result<Redeemed, HostError> {
    let store = caller.project.files.store()?;
    let plain = store.signer.open(caller.project.id, sealed);
    let plain = plain.ok_or_else(HostError::invalid_url)?;
    let claims: Claims = serde_json::from_slice(&plain).map_err(|_| HostError::invalid_url())?;
    if claims.method != method || claims.path != path.as_str() {
        return Err(HostError::invalid_url());
    }
    if claims.expires_at <= now() {
        return Err(HostError::expired_url());
    }
    Ok(Redeemed {
        id: claims.id,
        identity: claims.by.identity()?,
        version: claims.version,
        size_max: claims.size_max,
        mime_type: claims.mime_type,
        expires_at: claims.expires_at,
    })
}

impl By {
    fn of(identity: &Identity) -> By {
        match identity {
            Identity::Anonymous => By::Nobody,
            Identity::User(user) => By::User {
                subject: user.subject().to_owned(),
                claims: user.claims().clone(),
            },
            Identity::Service(service) => By::Service {
                function: service.function.to_string(),
                bypass: service.bypass.iter().map(ToString::to_string).collect(),
            },
        }
    }

    fn identity(self) -> Result<Identity, HostError> {
        let unnamed = |_| HostError::invalid_url();
        Ok(match self {
            By::Nobody => Identity::Anonymous,
            By::User { subject, claims } => Identity::User(User::new(subject, claims)),
            By::Service { function, bypass } => Identity::Service(Service {
                function: function.parse().map_err(unnamed)?,
                bypass: bypass
                    .iter()
                    .map(|name| name.parse())
                    .collect::<Result<_, _>>()
                    .map_err(unnamed)?,
            }),
        })
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// A path as it stands in a URL.
fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_escaped_for_a_url() {
        assert_eq!(escaped("a b/ü?#%.png"), "a%20b/%C3%BC%3F%23%25.png");
    }
}
