//! The file in which `dev` keeps its administrator's token for the command line: private to its
//! owner, read at each start, replaced when it would no longer be accepted. Production has none.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::control::{ControlAuthority, ControlRole, ControlToken};
use super::private_file::{self, FileError};
use super::token::{Token, TokenError};

/// A year: it never leaves the machine, and a new one is made with a month to spare.
pub const LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The subject of the token.
pub const SUBJECT: &str = "admin";

/// Why there is no token to use.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// The token in the file if the authority will accept it for a while yet, else a new one, written
/// in its place.
///
/// # Errors
/// [`TokenFileError::File`] where others can read the file, or it cannot be read or written.
pub fn create_or_read(
    path: &Path,
    authority: &ControlAuthority,
    now: DateTime<Utc>,
) -> Result<Token, TokenFileError> {
    match read(path) {
        Ok(token)
            if authority
                .verify(token.expose(), now + RENEWED_BEFORE)
                .is_ok() =>
        {
            Ok(token)
        }
        Err(error) if !error.is_missing() => Err(error.into()),
        Ok(_) | Err(_) => {
            let token = administrators(authority, now)?;
            private_file::replace(path, &format!("{}\n", token.expose()))?;
            Ok(token)
        }
    }
}

/// A new token for the file.
fn administrators(authority: &ControlAuthority, now: DateTime<Utc>) -> Result<Token, TokenError> {
    let admin = ControlToken {
        subject: SUBJECT.to_owned(),
        role: ControlRole::Admin,
    };
    authority.issue(admin, LIFETIME, now)
}

/// The token as it stands in the file, unverified: what the command line sends.
///
/// # Errors
/// See [`FileError`].
pub fn read(path: &Path) -> Result<Token, FileError> {
    let text = private_file::read(path)?;
    Ok(Token::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::keys::control::Right;
    use crate::keys::ring::KeyRing;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn the_token_is_made_once_kept_private_and_replaced_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::create(&folder.path().join("keys.json")).unwrap();
        let authority = ControlAuthority::new(&ring);
        let path = folder.path().join(".koyalite/token");

        let made = create_or_read(&path, &authority, now()).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            authority.verify(made.expose(), now()).unwrap().right,
            Right::Signed(ControlRole::Admin)
        );
        assert_eq!(
            create_or_read(&path, &authority, now() + RENEWED_BEFORE).unwrap(),
            made
        );
        assert_eq!(read(&path).unwrap(), made);

        let late = now() + LIFETIME - RENEWED_BEFORE + Duration::from_secs(60);
        let renewed = create_or_read(&path, &authority, late).unwrap();
        assert_ne!(renewed, made);

        let other = KeyRing::create(&folder.path().join("other.json")).unwrap();
        let other = ControlAuthority::new(&other);
        let replaced = create_or_read(&path, &other, now()).unwrap();
        assert!(other.verify(replaced.expose(), now()).is_ok());
        fs::write(&path, "garbage").unwrap();
        assert!(create_or_read(&path, &other, now()).is_ok());
    }

    #[test]
    fn a_token_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::create(&folder.path().join("keys.json")).unwrap();
        let authority = ControlAuthority::new(&ring);
        let path = folder.path().join("token");
        create_or_read(&path, &authority, now()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = create_or_read(&path, &authority, now())
            .unwrap_err()
            .to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }
}
