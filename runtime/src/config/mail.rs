//! The mail server, checked. Without one `dev` keeps mail and `serve` sends none; half of one is a mistake.

use std::sync::Arc;

use koyalite_host_api::outbox::email::is_address;

use super::check::Reading;
use super::key::Key;
use crate::delivery::mail::server::{FORM, SmtpServer};

impl Reading<'_> {
    pub(super) fn smtp(&mut self) -> Option<Arc<SmtpServer>> {
        let url = self.text(Key::SmtpUrl)?;
        let server = SmtpServer::parse(&url);
        if server.is_none() {
            self.wrong(Key::SmtpUrl, FORM);
        }
        server.map(Arc::new)
    }

    /// Whom operators get mail from.
    pub(super) fn mail_from(&mut self) -> Option<String> {
        let address = self.text(Key::MailFrom)?;
        if !is_address(&address) {
            self.wrong(Key::MailFrom, "one plain address, as koyalite@example.com");
            return None;
        }
        Some(address)
    }
}
