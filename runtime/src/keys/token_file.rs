//! The file with the administrator's token for the command line: private to its owner. What is in it is
//! one of the tokens that were given out; whether it is good is for the registry to say
//! (`registry::admin_token`).

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use uuid::Uuid;

use super::private_file::{self, FileError};
use super::token::Token;

/// A year: it never leaves the machine, and can be taken back.
pub const LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// A month to spare: a server that is started meanwhile puts a new one into the file.
pub const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The subject of the token.
pub const SUBJECT: &str = "admin";

/// The token as it stands in the file, unverified: what the command line sends.
///
/// # Errors
/// See [`FileError`].
pub fn read(path: &Path) -> Result<Token, FileError> {
    let text = private_file::read(path)?;
    Ok(Token::new(text.trim().to_owned()))
}

/// Puts a token into the file, in the place of what was there.
///
/// # Errors
/// [`FileError::Io`].
pub fn write(path: &Path, token: &Token) -> Result<(), FileError> {
    private_file::replace(path, &format!("{}\n", token.expose()))
}

/// Which token of the list it says to be, unverified: to ask the server about it.
#[must_use]
pub fn id(token: &Token) -> Option<Uuid> {
    #[derive(Deserialize)]
    struct Claims {
        jti: Uuid,
    }
    let payload = token.expose().split('.').nth(1)?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    Some(claims.jti)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use chrono::DateTime;

    use super::*;
    use crate::keys::control::{ControlAuthority, ControlRole, Presented, Right};
    use crate::keys::ring::KeyRing;

    fn issued(right: Right) -> Token {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::create(&folder.path().join("keys.json")).unwrap();
        let presented = Presented {
            subject: SUBJECT.to_owned(),
            right,
        };
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let token = ControlAuthority::new(&ring).issue_as(presented, LIFETIME, now);
        token.unwrap()
    }

    #[test]
    fn a_token_is_kept_private_comes_back_and_names_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".koyalite/token");
        let token = issued(Right::Listed(Uuid::from_u128(7)));
        write(&path, &token).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(read(&path).unwrap(), token);
        assert_eq!(id(&token), Some(Uuid::from_u128(7)));
        assert_eq!(id(&issued(Right::Signed(ControlRole::Admin))), None);
        assert_eq!(id(&Token::new("garbage".to_owned())), None);
    }

    #[test]
    fn a_token_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        write(&path, &issued(Right::Listed(Uuid::from_u128(7)))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = read(&path).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }
}
