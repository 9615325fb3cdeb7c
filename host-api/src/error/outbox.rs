//! Errors of what is sent later: webhooks and mail.

use super::{ErrorKind, HostError, echo};

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

    /// No such event, or none that the caller may see.
    pub fn unknown_event(id: &str) -> HostError {
        let message = format!("no event {} that this caller may see", echo(id));
        HostError::new(ErrorKind::NotFound, "unknown_event", message)
    }
}
