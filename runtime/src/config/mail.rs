//! The mail server, checked. Without one `dev` keeps mail and `serve` sends none; half of one is a mistake.

use std::sync::Arc;

use koyalite_host_api::outbox::email::is_address;

use super::check::Reading;
use super::key::Key;
use crate::delivery::mail::server::{FORM, SmtpServer};

impl Reading<'_> {
    pub(super) fn smtp(&mut self) -> Option<Arc<SmtpServer>> {
        let Some(url) = self.text(Key::SmtpUrl) else {
            if self.text(Key::SmtpCa).is_some() {
                self.wrong(Key::SmtpCa, "is for a mail server; set smtp_url too");
            }
            return None;
        };
        let Some(server) = SmtpServer::parse(&url) else {
            self.wrong(Key::SmtpUrl, FORM);
            return None;
        };
        let Some(file) = self.path(Key::SmtpCa) else {
            return Some(Arc::new(server));
        };
        let read = std::fs::read(&file).ok();
        let trusting = read.and_then(|pem| server.trusting(&pem));
        if trusting.is_none() {
            let expected = "must be a file with certificates (PEM), for a mail server with TLS";
            self.wrong(Key::SmtpCa, expected);
        }
        trusting.map(Arc::new)
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
