//! A message as it goes over the wire: headers, and the text with its HTML beside it.
//!
//! Its `Message-ID` is made of its row's id, so it is the same at every attempt.

use lettre::address::Envelope;
use lettre::message::dkim::{DkimCanonicalization, DkimCanonicalizationType, DkimConfig};
use lettre::message::header::{ContentType, HeaderName};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use super::attached::File;
use super::bounce::return_path;
use crate::keys::KeyRing;
use crate::registry::mail::dkim;
use crate::registry::mail::due::{Claimed, Signing};

/// What is handed over.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

/// Headers that a signature covers, where a message has them: what a reader sees.
const SIGNED: [&str; 7] = [
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
];

/// Makes the message, and signs it if its sender has a key. What it was made of has been checked when it
/// was queued.
pub(super) fn compose(
    message: &Claimed,
    carried: &[File],
    ring: &KeyRing,
) -> Result<Composed, String> {
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
    let composed = match (&message.body_html, carried) {
        (Some(html), []) => builder.multipart(both(text, html)),
        (None, []) => builder.singlepart(SinglePart::plain(text)),
        (Some(html), files) => {
            let words = MultiPart::mixed().multipart(both(text, html));
            builder.multipart(attach(words, files)?)
        }
        (None, files) => {
            let words = MultiPart::mixed().singlepart(SinglePart::plain(text));
            builder.multipart(attach(words, files)?)
        }
    };
    let mut composed = composed.map_err(|error| error.to_string())?;
    if let Some(signing) = &message.dkim {
        sign(&mut composed, signing, ring).ok_or(UNSIGNED)?;
    }
    Ok(Composed {
        envelope: envelope(message, &composed)?,
        bytes: composed.formatted(),
    })
}

fn both(text: String, html: &str) -> MultiPart {
    MultiPart::alternative_plain_html(text, html.to_owned())
}

fn attach(words: MultiPart, files: &[File]) -> Result<MultiPart, String> {
    files.iter().try_fold(words, |parts, file| {
        let kind = ContentType::parse(&file.mime_type);
        // A type that mail has no words for is bytes to it.
        let kind = kind.or_else(|_| ContentType::parse("application/octet-stream"));
        let kind = kind.map_err(|error| error.to_string())?;
        let attachment = Attachment::new(file.name.clone());
        Ok(parts.singlepart(attachment.body(file.content.to_vec(), kind)))
    })
}

const UNSIGNED: &str = "the sender's DKIM key cannot be read; set it anew, then send it again";

fn sign(composed: &mut Message, signing: &Signing, ring: &KeyRing) -> Option<()> {
    let sealed = (signing.algorithm.as_str(), signing.key.clone());
    let key = dkim::open(ring, signing.sender, sealed)?.signing()?;
    let domain = composed.envelope().from()?.domain().to_owned();
    let there = |name: &&str| composed.headers().get_raw(name).is_some();
    let names = SIGNED.into_iter().filter(there);
    let names = names.filter_map(|name| HeaderName::new_from_ascii(name.to_owned()).ok());
    let relaxed = DkimCanonicalization {
        header: DkimCanonicalizationType::Relaxed,
        body: DkimCanonicalizationType::Relaxed,
    };
    let names = names.collect();
    let config = DkimConfig::new(signing.selector.clone(), domain, key, names, relaxed);
    composed.sign(&config);
    Some(())
}

/// From whom to whom, as the servers on the way see it.
fn envelope(message: &Claimed, composed: &Message) -> Result<Envelope, String> {
    let base = message.return_path.as_deref();
    let Some(path) = base.and_then(|base| return_path(base, message.id)) else {
        return Ok(composed.envelope().clone());
    };
    let path: Address = path.parse().map_err(|_| "the return path is no address")?;
    let to = composed.envelope().to().to_vec();
    Envelope::new(Some(path), to).map_err(|error| error.to_string())
}

#[cfg(test)]
mod signed;

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    pub(super) fn ring() -> KeyRing {
        let folder = tempfile::tempdir().unwrap();
        KeyRing::open_or_create(&folder.path().join("keys.json")).unwrap()
    }

    pub(super) fn message(subject: &str, html: Option<&str>) -> Claimed {
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
            return_path: None,
            attachments: Vec::new(),
            dkim: None,
        }
    }

    fn headers(message: &Claimed) -> Vec<String> {
        let composed = compose(message, &[], &ring()).unwrap();
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
        let envelope = compose(&message, &[], &ring()).unwrap().envelope;
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

    #[test]
    fn files_go_after_the_words_under_their_names() {
        let file = |name: &str, mime_type: &str| File {
            name: name.to_owned(),
            mime_type: mime_type.to_owned(),
            content: bytes::Bytes::from_static(b"\x00\xff content"),
        };
        let files = [
            file("Grüße \"1\"\r\nBcc: bob@example.com.pdf", "application/pdf"),
            file("odd", "not a type"),
        ];
        for html in [None, Some("<p>Hi</p>")] {
            let composed = compose(&message("Hi", html), &files, &ring()).unwrap();
            assert!(composed.bytes.is_ascii(), "whatever the server can do");
            let text = String::from_utf8(composed.bytes).unwrap();
            let words = text.find("text/plain").unwrap();
            let first = text.find("application/pdf").unwrap();
            let second = text.find("application/octet-stream").unwrap();
            assert!(words < first && first < second, "{text}");
            assert_eq!(text.matches("Content-Disposition: attachment").count(), 2);
            assert_eq!(text.matches("AP8gY29udGVudA==").count(), 2, "{text}");
            let mut lines = text.lines();
            assert!(!lines.any(|line| line.to_ascii_lowercase().starts_with("bcc")));
        }
    }
}
