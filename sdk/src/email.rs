//! Mail to one recipient each.
//!
//! ```no_run
//! # use koyalite::{Result, email};
//! # async fn example() -> Result<()> {
//! email::to("ann@example.com")
//!     .subject("Your order")
//!     .text("It is on its way.")
//!     .idempotency_key("order-17-sent")
//!     .send()
//!     .await?;
//!
//! email::to("ann@example.com")
//!     .template("order-sent", &serde_json::json!({ "name": "Ann", "order": 17 }))?
//!     .send()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! To send writes a row; the host sends it after that, and tries again where the receiving side asks for
//! it. Policies on `koyalite_email` say who may send what to whom; without one, nobody may.

use serde::Serialize;

use crate::bindings::imports::koyalite::host::email as host;
use crate::tables::{Error, Transaction};

pub use host::State;

/// A message to that address, with nothing in it yet.
pub fn to(address: impl Into<String>) -> Message {
    Message {
        to: address.into(),
        sender: None,
        reply_to: None,
        written: host::Written {
            subject: String::new(),
            text: String::new(),
            html: None,
        },
        template: None,
        attachments: Vec::new(),
        idempotency_key: None,
    }
}

/// A message to be sent.
#[derive(Clone, Debug)]
#[must_use = "it is not sent yet"]
pub struct Message {
    to: String,
    sender: Option<String>,
    reply_to: Option<String>,
    written: host::Written,
    /// In place of what is written.
    template: Option<host::Filled>,
    attachments: Vec<String>,
    idempotency_key: Option<String>,
}

impl Message {
    /// What it is about: one line.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.written.subject = subject.into();
        self
    }

    /// What it says to readers without HTML.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.written.text = text.into();
        self
    }

    /// What it says to the others.
    pub fn html(mut self, html: impl Into<String>) -> Self {
        self.written.html = Some(html.into());
        self
    }

    /// A template of the project, filled in, in place of subject, text and HTML.
    ///
    /// # Errors
    /// Where the values have no form in JSON.
    pub fn template(
        mut self,
        name: impl Into<String>,
        values: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        self.template = Some(host::Filled {
            name: name.into(),
            values: serde_json::to_string(values)?,
        });
        Ok(self)
    }

    /// A file of the project that goes with it, as it is now; once for each file.
    pub fn attach(mut self, path: impl Into<String>) -> Self {
        self.attachments.push(path.into());
        self
    }

    /// Which of the project's addresses it is from.
    pub fn from(mut self, address: impl Into<String>) -> Self {
        self.sender = Some(address.into());
        self
    }

    /// Where answers go.
    pub fn reply_to(mut self, address: impl Into<String>) -> Self {
        self.reply_to = Some(address.into());
        self
    }

    /// What makes it one message however often it is sent, within the project.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sends it; answers its id. It outlives a crash from then on.
    ///
    /// # Errors
    /// Denied by policies; `unknown_sender`, `unknown_template`, `template_values`; `unknown_file`,
    /// `email_too_large`; `quota`.
    pub async fn send(self) -> Result<String, Error> {
        Ok(host::send(self.whole()).await?)
    }

    /// The same inside of a transaction, which an error ends.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_in(self, transaction: &Transaction) -> Result<String, Error> {
        Ok(host::send_in(transaction.handle(), self.whole()).await?)
    }

    fn whole(self) -> host::Message {
        host::Message {
            to: self.to,
            sender: self.sender,
            reply_to: self.reply_to,
            content: match self.template {
                Some(filled) => host::Content::Template(filled),
                None => host::Content::Written(self.written),
            },
            attachments: self.attachments,
            idempotency_key: self.idempotency_key,
        }
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where it is.
    pub state: State,
    /// How often it was tried.
    pub attempts: u32,
    /// Why, where it was not taken.
    pub reason: Option<String>,
}

/// What became of a message that the caller may select.
///
/// # Errors
/// `unknown_message` where there is none.
pub async fn status(id: &str) -> Result<Status, Error> {
    let status = host::status(id.to_owned()).await?;
    Ok(Status {
        state: status.state,
        attempts: status.attempts,
        reason: status.reason,
    })
}
