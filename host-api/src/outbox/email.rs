//! Mail: queued here, sent by whoever watches the outbox.
//!
//! What would be two headers is refused rather than mended: a subject has one line, an address is one
//! address.

use koyalite_policy::{Command, Permit, Resource};
use serde::Deserialize;
use serde_json::Value as Json;
use uuid::Uuid;

use super::attached;
use super::template::{Escaping, TemplateError, fill, text_from_html};
use super::webhooks::{check_key, text, uuid};
use super::{Place, permit, run};
use crate::db::run::Statement;
use crate::db::sql;
use crate::error::HostError;
use crate::invocation::Invocation;
use crate::limits::{EMAIL_BYTES, SUBJECT_BYTES};

const SEND: (Command, Resource) = (Command::Insert, Resource::Email);

/// A message, as a guest sends it.
#[derive(Debug, Clone)]
pub struct Message {
    /// One address.
    pub to: String,
    /// One of the project's addresses; none: its first.
    pub sender: Option<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// What it says.
    pub content: Content,
    /// Paths of the project's files that go with it.
    pub attachments: Vec<String>,
    /// What makes it one message however often it is sent.
    pub idempotency_key: Option<String>,
}

/// What a message says.
#[derive(Debug, Clone)]
pub enum Content {
    /// In the function's own words.
    Written(Written),
    /// By a template of the project, with values as a JSON object.
    Template {
        /// The template's name.
        name: String,
        /// JSON text.
        values: String,
    },
}

/// Subject and bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// One line.
    pub subject: String,
    /// For readers without HTML.
    pub text: String,
    /// For the others.
    pub html: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MessageStatus {
    /// `queued`, `sending`, `sent`, `deferred`, `bounced`, `suppressed` or `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why, where it was not taken.
    pub reason: Option<String>,
}

/// From whom, and by what.
#[derive(Deserialize)]
struct Context {
    sender: String,
    sender_name: String,
    template_id: Option<Uuid>,
    subject: Option<String>,
    body_text: Option<String>,
    body_html: Option<String>,
}

#[derive(Deserialize)]
struct Queued {
    id: Uuid,
}

/// Sends a message; answers its id.
///
/// # Errors
/// [`HostError`]: denials as for tables, `unknown_sender`, `unknown_template`, `template_values`,
/// `unknown_file`, `email_too_large`, `idempotency_conflict`, `quota`.
pub async fn send(
    invocation: &Invocation,
    place: Place<'_>,
    message: Message,
) -> Result<Uuid, HostError> {
    let allowed = permit(&invocation.project, &invocation.identity, SEND);
    let question = allowed.and_then(|permit| {
        check_message(&message)?;
        Ok(context(&permit, &message))
    });
    let read = run(invocation, place, SEND, question).await?;
    let attached = attached::find(invocation, &message.attachments).await;
    let statement =
        attached.and_then(|attached| emission(invocation, message, (&read.rows, attached)));
    let read = run(invocation, place, SEND, statement).await?;
    let [Queued { id }] = serde_json::from_str(&read.rows).map_err(HostError::internal)?;
    Ok(id)
}

/// What became of a message.
///
/// # Errors
/// `unknown_message` where there is none that the caller may see.
pub async fn status(invocation: &Invocation, id: &str) -> Result<MessageStatus, HostError> {
    let unknown = || HostError::unknown_message(id);
    let asked = (Command::Select, Resource::Email);
    let permit = permit(&invocation.project, &invocation.identity, asked)?;
    let found = Uuid::parse_str(id).map_err(|_| unknown())?;
    let columns = &["state", "attempts", "reason"];
    let schema = invocation.project.database.schema();
    let statement = sql::look_up(&permit, schema, ("email_message", columns), found);
    let read = run(invocation, Place::Alone, asked, Ok(statement)).await?;
    let rows: Vec<MessageStatus> = serde_json::from_str(&read.rows).map_err(HostError::internal)?;
    rows.into_iter().next().ok_or_else(unknown)
}

fn context(permit: &Permit, message: &Message) -> Statement {
    let template = match &message.content {
        Content::Written(_) => None,
        Content::Template { name, .. } => Some(name.clone()),
    };
    let columns = &[
        "sender",
        "sender_name",
        "template_id",
        "subject",
        "body_text",
        "body_html",
    ];
    let arguments = vec![text(message.sender.clone()), text(template)];
    sql::ask(permit, ("email_context", columns), arguments)
}

fn emission(
    invocation: &Invocation,
    message: Message,
    (rows, attached): (&str, String),
) -> Result<Statement, HostError> {
    let permit = permit(&invocation.project, &invocation.identity, SEND)?;
    let rows: Vec<Context> = serde_json::from_str(rows).map_err(HostError::internal)?;
    let context = rows.into_iter().next();
    let context = context.ok_or_else(|| HostError::unknown_sender(message.sender.as_deref()))?;
    let (template, template_id) = match &message.content {
        Content::Written(_) => (None, None),
        Content::Template { name, .. } => (Some(name.clone()), context.template_id),
    };
    let (sender, name) = (context.sender.clone(), context.sender_name.clone());
    let written = written(message.content, context)?;
    let (_, domain) = message.to.rsplit_once('@').unwrap_or_default();
    let domain = domain.to_ascii_lowercase();
    let subject = invocation.identity.subject().map(str::to_owned);
    let row = vec![
        ("recipient", text(Some(message.to))),
        ("recipient_domain", text(Some(domain))),
        ("sender", text(Some(sender))),
        ("subject", text(Some(written.subject))),
        ("template", text(template)),
        ("user_id", text(subject)),
    ];
    let more = vec![
        uuid(Uuid::now_v7()),
        text(Some(invocation.function.to_string())),
        uuid(invocation.id),
        text(Some(name)),
        text(message.reply_to),
        text(Some(written.text)),
        text(written.html),
        super::webhooks::uuid_or_null(template_id),
        text(message.idempotency_key),
        text(Some(attached)),
    ];
    let schema = invocation.project.database.schema();
    Ok(sql::queue(&permit, schema, ("send_email", row, more)))
}

/// The words of a message, filled in and within their limits.
fn written(content: Content, context: Context) -> Result<Written, HostError> {
    let written = match content {
        Content::Written(written) => written,
        Content::Template { name, values } => {
            let Some(subject) = context.subject else {
                return Err(HostError::unknown_template(&name));
            };
            let values: Json = serde_json::from_str(&values)
                .map_err(|error| HostError::invalid_value("values", error))?;
            let parts = (
                subject.as_str(),
                context.body_text.as_deref(),
                context.body_html.as_deref(),
            );
            render(parts, &values).map_err(|error| HostError::template_values(&error))?
        }
    };
    check_written(&written)?;
    Ok(written)
}

/// Subject, text and HTML of a template, filled in. A text that is missing is made of the HTML.
///
/// # Errors
/// The first place that has no value.
pub fn render(
    (subject, body_text, body_html): (&str, Option<&str>, Option<&str>),
    values: &Json,
) -> Result<Written, TemplateError> {
    let html = body_html.map(|html| fill(html, values, Escaping::Html));
    let html = html.transpose()?;
    let text = match (body_text, &html) {
        (Some(text), _) => fill(text, values, Escaping::Text)?,
        (None, Some(html)) => text_from_html(html),
        (None, None) => String::new(),
    };
    Ok(Written {
        subject: fill(subject, values, Escaping::Text)?,
        text,
        html,
    })
}

fn check_message(message: &Message) -> Result<(), HostError> {
    check_key(message.idempotency_key.as_deref())?;
    let address = |place: &str, text: &str| match is_address(text) {
        true => Ok(()),
        false => {
            let right = "write one plain address, as in ann@example.com";
            Err(HostError::invalid_value(place, right))
        }
    };
    address("to", &message.to)?;
    message
        .sender
        .iter()
        .try_for_each(|text| address("sender", text))?;
    message
        .reply_to
        .iter()
        .try_for_each(|text| address("reply-to", text))
}

fn check_written(written: &Written) -> Result<(), HostError> {
    let Written {
        subject,
        text,
        html,
    } = written;
    if !is_line(subject) || subject.len() > SUBJECT_BYTES {
        let right = format!("write one line of at most {SUBJECT_BYTES} bytes");
        return Err(HostError::invalid_value("subject", right));
    }
    if text.len() + html.as_ref().map_or(0, String::len) > EMAIL_BYTES {
        let what = "bytes of a message";
        return Err(HostError::too_much("email_too_large", what, EMAIL_BYTES));
    }
    match text.contains('\0') || html.as_ref().is_some_and(|html| html.contains('\0')) {
        true => Err(HostError::invalid_value(
            "text",
            "leave out characters of code 0",
        )),
        false => Ok(()),
    }
}

/// Whether a text is one line: more would be another header.
pub fn is_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Whether a text is one address, plainly written: no name, no list, no quotes, no comment.
pub fn is_address(text: &str) -> bool {
    const LOCAL_BYTES_MAX: usize = 64;
    const ADDRESS_BYTES_MAX: usize = 254;
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let atom = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&c);
    let word = |word: &str| !word.is_empty() && word.bytes().all(atom);
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= ADDRESS_BYTES_MAX
        && local.len() <= LOCAL_BYTES_MAX
        && local.split('.').all(word)
        && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_plain_address() {
        let check = |text: &str, good: bool| assert_eq!(is_address(text), good, "{text}");
        check("ann@example.com", true);
        check("ann.lee+tag@mail.example.com", true);
        check("a@localhost", true);
        check("ann", false);
        check("@example.com", false);
        check("ann@", false);
        check("ann@@example.com", false);
        check("ann@example.com, bob@example.com", false);
        check("Ann <ann@example.com>", false);
        check("ann@example.com\r\nBcc: bob@example.com", false);
        check("ann@example.com\n", false);
        check("\"ann b\"@example.com", false);
        check(".ann@example.com", false);
        check("ann@-example.com", false);
        check("ann@exämple.com", false);
        check(&format!("{}@example.com", "a".repeat(65)), false);
    }

    #[test]
    fn a_subject_is_one_line() {
        let check = |subject: &str, good: bool| {
            let written = Written {
                subject: subject.to_owned(),
                text: String::new(),
                html: None,
            };
            assert_eq!(check_written(&written).is_ok(), good, "{subject:?}");
        };
        check("Grüße", true);
        check("", true);
        check("a\r\nBcc: bob@example.com", false);
        check("a\nb", false);
        check("a\u{85}b", false);
        check(&"a".repeat(SUBJECT_BYTES + 1), false);
    }
}
