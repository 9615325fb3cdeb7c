//! How one project reaches its tables: a role, its password, its schema.
//!
//! The password shows in no debug output and no log. Who may see it is the registry's matter; here
//! it only goes into a connection's start-up.

use std::fmt;

/// One project's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseAccess {
    /// The project's LOGIN role: owns nothing, bypasses nothing.
    pub role: String,
    /// The role's password.
    pub password: Password,
    /// The schema of the project's tables.
    pub schema: String,
}

/// A password that prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Vec<u8>);

impl Password {
    /// A password from its bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Password {
        Password(bytes.into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_shows_in_no_debug_output() {
        let access = DatabaseAccess {
            role: "koya_p_1".to_owned(),
            password: Password::new("hunter2"),
            schema: "p_1".to_owned(),
        };
        let shown = format!("{access:?}");
        assert!(
            shown.contains("koya_p_1") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
