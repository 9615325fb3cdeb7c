//! A message as it goes over the wire: headers, and the text with its HTML beside it.
//!
//! Its `Message-ID` is made of its row's id, so it is the same at every attempt.

use lettre::address::Envelope;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::registry::mail::due::Claimed;

/// What is handed over.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

/// Makes the message. What it was made of has been checked when it was queued.
pub(super) fn compose(message: &Claimed) -> Result<Composed, String> {
    let address = |text: &str| text.parse::<Address>().map_err(|error| error.to_string());
    let (sender, recipient) = (address(&message.sender)?, address(&message.recipient)?);
    let name = Some(message.sender_name.clone()).filter(|name| !name.is_empty());
    let id = format!("<{}@{}>", message.id.simple(), sender.domain());
    let mut builder = Message::builder()
        .from(Mailbox::new(name, sender))
        .to(Mailbox::new(None, recipient))
        .subject(message.subject.clone())
        .message_id(Some(id))
        .date_now();
    if let Some(reply_to) = &message.reply_to {
        builder = builder.reply_to(Mailbox::new(None, address(reply_to)?));
    }
    let text = message.body_text.clone().unwrap_or_default();
    let composed = match &message.body_html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, html.clone())),
        None => builder.singlepart(SinglePart::plain(text)),
    };
    let composed = composed.map_err(|error| error.to_string())?;
    Ok(Composed {
        envelope: composed.envelope().clone(),
        bytes: composed.formatted(),
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn message(subject: &str, html: Option<&str>) -> Claimed {
        Claimed {
            id: Uuid::nil(),
            fence: 1,
            recipient: "ann@example.com".to_owned(),
            sender: "shop@shop.example".to_owned(),
            sender_name: "Der Läden, \"GmbH\"".to_owned(),
            reply_to: Some("help@shop.example".to_owned()),
            subject: subject.to_owned(),
            body_text: Some("Grüße\n.\nEnde".to_owned()),
            body_html: html.map(str::to_owned),
            attempts: 1,
        }
    }

    fn headers(message: &Claimed) -> Vec<String> {
        let composed = compose(message).unwrap();
        assert!(composed.bytes.is_ascii(), "whatever the server can do");
        let text = String::from_utf8(composed.bytes).unwrap();
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        let unfolded = headers.replace("\r\n ", " ").replace("\r\n\t", " ");
        unfolded.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn the_id_is_the_same_at_every_attempt() {
        let id = "Message-ID: <00000000000000000000000000000000@shop.example>".to_owned();
        for attempt in 1..3 {
            let message = Claimed {
                attempts: attempt,
                ..message("Hello", None)
            };
            assert!(headers(&message).contains(&id));
        }
    }

    #[test]
    fn what_would_be_another_header_is_none() {
        // Refused when it is queued; should it come here, it is still no header.
        let message = message("Hi\r\nBcc: bob@example.com", Some("<p>Hi</p>"));
        for header in headers(&message) {
            assert!(!header.to_ascii_lowercase().starts_with("bcc"), "{header}");
        }
        let envelope = compose(&message).unwrap().envelope;
        assert_eq!(envelope.to().len(), 1);
    }

    #[test]
    fn html_goes_beside_the_text() {
        let types = |html| {
            let headers = headers(&message("Hi", html));
            let found = headers
                .into_iter()
                .find(|one| one.starts_with("Content-Type"));
            found.unwrap()
        };
        assert!(types(None).contains("text/plain"));
        assert!(types(Some("<p>Hi</p>")).contains("multipart/alternative"));
    }
}
