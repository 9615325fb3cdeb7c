//! Who comes in first, whether people make their own accounts (in `dev` they may, in `serve` only where the
//! operator says so), and how long it is known what they did.

use std::path::PathBuf;

use super::check::{Reading, Role};
use super::key::Key;
use super::resolved::DataDir;
use crate::accounts::SignUp;

impl Reading<'_> {
    pub(super) fn sign_up(&mut self) -> SignUp {
        match (self.text(Key::SignUp).as_deref(), self.role()) {
            (Some("true" | "1" | "yes"), _) | (None, Role::Dev) => SignUp::Open,
            (Some("false" | "0" | "no"), _) | (None, Role::Serve) => SignUp::Closed,
            (Some(_), _) => {
                self.wrong(Key::SignUp, "must be true or false");
                SignUp::Closed
            }
        }
    }

    pub(super) fn admin_token_file(&mut self, data: &DataDir) -> Option<PathBuf> {
        match (self.path(Key::AdminTokenFile), self.role()) {
            (Some(path), _) => Some(path),
            (None, Role::Dev) => Some(data.token()),
            (None, Role::Serve) => None,
        }
    }

    /// After how many days audit logs go that no project decides about; none: they stay.
    pub(super) fn audit_retention_days(&mut self) -> Option<u32> {
        self.text(Key::AuditRetentionDays)?;
        // As for the setting of a project.
        let days = self.number(Key::AuditRetentionDays, 3650, 30..=3650);
        u32::try_from(days).ok()
    }
}
