//! The mail server, checked. Without one `dev` keeps mail and `serve` sends none; half of one is a mistake.

use std::sync::Arc;

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
}
