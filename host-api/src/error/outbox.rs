//! Errors of what is sent later: webhooks and mail.

use super::{ErrorKind, HostError, echo};
use crate::outbox::template::TemplateError;

impl HostError {
    /// The idempotency key was used for something else. Nothing is sent.
    pub fn idempotency_conflict() -> HostError {
        let message =
            "this idempotency key was used for something else; take another one, or send the same";
        HostError::new(ErrorKind::Conflict, "idempotency_conflict", message)
    }

    /// A quota of the project is used up. `said` is the database's: name, size, seconds.
    pub(crate) fn quota(said: &str) -> HostError {
        let mut words = said.split(' ');
        let (name, size) = (words.next(), words.next());
        let seconds = words.next().and_then(|text| text.parse::<u32>().ok());
        let message = match (name, size, seconds) {
            (Some(name), Some(size), Some(seconds)) => format!(
                "the project's limit {name} of {size} is reached; there is room again in {seconds} s"
            ),
            _ => "a limit of the project is reached; try again later".to_owned(),
        };
        HostError::new(ErrorKind::Limit, "quota", message).with_inside(said)
    }

    /// No address of the project's to send from.
    pub fn unknown_sender(sender: Option<&str>) -> HostError {
        let message = match sender {
            Some(sender) => format!(
                "{} is not an address that this project sends from",
                echo(sender)
            ),
            None => "this project has no address to send from; an operator adds one".to_owned(),
        };
        HostError::new(ErrorKind::NotFound, "unknown_sender", message)
    }

    /// No such template.
    pub fn unknown_template(name: &str) -> HostError {
        let message = format!("no template {} in this project", echo(name));
        HostError::new(ErrorKind::NotFound, "unknown_template", message)
    }

    /// Values that do not fill a template in.
    pub fn template_values(reason: &TemplateError) -> HostError {
        HostError::new(ErrorKind::Invalid, "template_values", reason.to_string())
    }

    /// No such message, or none that the caller may see.
    pub fn unknown_message(id: &str) -> HostError {
        let message = format!("no message {} that this caller may see", echo(id));
        HostError::new(ErrorKind::NotFound, "unknown_message", message)
    }

    /// No such event, or none that the caller may see.
    pub fn unknown_event(id: &str) -> HostError {
        let message = format!("no event {} that this caller may see", echo(id));
        HostError::new(ErrorKind::NotFound, "unknown_event", message)
    }
}
