//! Whether people make their own accounts: in `dev` they may, in `serve` only where the operator says so.

use super::check::{Reading, Role};
use super::key::Key;
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
}
