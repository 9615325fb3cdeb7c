//! Events for webhooks: emitted here, delivered by whoever watches the outbox.

use koyalite_policy::{ColumnType, Command, Resource, Value};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Place, permit, run};
use crate::db::bind::Bind;
use crate::db::run::Statement;
use crate::db::sql;
use crate::error::HostError;
use crate::invocation::Invocation;
use crate::limits::{EVENT_BYTES, EVENT_TYPE_BYTES, IDEMPOTENCY_KEY_BYTES};

/// First words of types that only the host emits.
const OWN_WORDS: [&str; 2] = ["table", "webhook"];

/// An event, as a guest emits it.
#[derive(Debug, Clone)]
pub struct Event {
    /// What happened: `order.paid`.
    pub event_type: String,
    /// JSON text.
    pub payload: String,
    /// What makes it one event however often it is emitted.
    pub idempotency_key: Option<String>,
}

/// What became of an event, by number of endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EventStatus {
    /// What happened.
    pub event_type: String,
    /// Still to be delivered.
    pub pending: u32,
    /// Taken.
    pub delivered: u32,
    /// Given up.
    pub dead: u32,
}

/// Emits an event; answers its id.
///
/// # Errors
/// [`HostError`]: denials as for tables, `idempotency_conflict` for a key that is another event's,
/// `quota` with the limit and when it ends.
pub async fn emit(
    invocation: &Invocation,
    place: Place<'_>,
    event: Event,
) -> Result<Uuid, HostError> {
    let asked = (Command::Insert, Resource::Webhooks);
    let statement = emission(invocation, event);
    let read = run(invocation, place, asked, statement).await?;
    let [Emitted { id }] = serde_json::from_str(&read.rows).map_err(HostError::internal)?;
    Ok(id)
}

/// What became of an event.
///
/// # Errors
/// `unknown_event` where there is none that the caller may see.
pub async fn status(invocation: &Invocation, id: &str) -> Result<EventStatus, HostError> {
    let unknown = || HostError::unknown_event(id);
    let asked = (Command::Select, Resource::Webhooks);
    let permit = permit(&invocation.project, &invocation.identity, asked)?;
    let text = id.strip_prefix(ID_PREFIX).unwrap_or(id);
    let found = Uuid::parse_str(text).map_err(|_| unknown())?;
    let columns = &["event_type", "pending", "delivered", "dead"];
    let schema = invocation.project.database.schema();
    let statement = sql::look_up(&permit, schema, ("webhook_event", columns), found);
    let read = run(invocation, Place::Alone, asked, Ok(statement)).await?;
    let rows: Vec<EventStatus> = serde_json::from_str(&read.rows).map_err(HostError::internal)?;
    rows.into_iter().next().ok_or_else(unknown)
}

/// What an event's id begins with outside of the database.
pub const ID_PREFIX: &str = "msg_";

#[derive(Deserialize)]
struct Emitted {
    id: Uuid,
}

fn emission(invocation: &Invocation, event: Event) -> Result<Statement, HostError> {
    let asked = (Command::Insert, Resource::Webhooks);
    let permit = permit(&invocation.project, &invocation.identity, asked)?;
    check_type(&event.event_type)?;
    check_key(event.idempotency_key.as_deref())?;
    if event.payload.len() > EVENT_BYTES {
        let what = "bytes of an event's payload";
        return Err(HostError::too_much("event_too_large", what, EVENT_BYTES));
    }
    let payload: Box<RawValue> = serde_json::from_str(&event.payload)
        .map_err(|error| HostError::invalid_value("payload", error))?;
    let row = vec![
        ("event_type", text(Some(event.event_type))),
        (
            "payload",
            Bind::Json {
                text: payload,
                ty: ColumnType::Jsonb,
            },
        ),
        ("idempotency_key", text(event.idempotency_key)),
        (
            "user_id",
            text(invocation.identity.subject().map(str::to_owned)),
        ),
    ];
    let more = vec![
        uuid(Uuid::now_v7()),
        text(Some(invocation.function.to_string())),
        uuid(invocation.id),
    ];
    let schema = invocation.project.database.schema();
    Ok(sql::queue(&permit, schema, ("emit_webhook", row, more)))
}

pub(super) fn text(value: Option<String>) -> Bind {
    Bind::Typed {
        value: value.map_or(Value::Null, Value::Text),
        ty: ColumnType::Text,
    }
}

pub(super) fn uuid(value: Uuid) -> Bind {
    Bind::Typed {
        value: Value::Uuid(value),
        ty: ColumnType::Uuid,
    }
}

pub(super) fn uuid_or_null(value: Option<Uuid>) -> Bind {
    Bind::Typed {
        value: value.map_or(Value::Null, Value::Uuid),
        ty: ColumnType::Uuid,
    }
}

fn check_type(text: &str) -> Result<(), HostError> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
            })
    };
    if text.len() > EVENT_TYPE_BYTES || !text.split('.').all(is_word) {
        let right = format!(
            "write words of lower-case letters, digits, _ and -, joined by dots, in at most \
             {EVENT_TYPE_BYTES} bytes, as in order.paid"
        );
        return Err(HostError::invalid_value("event-type", right));
    }
    match text.split('.').next() {
        Some(first) if OWN_WORDS.contains(&first) => {
            let reason = format!("events that begin with {first} are emitted by the host alone");
            Err(HostError::invalid_value("event-type", reason))
        }
        _ => Ok(()),
    }
}

/// A key is for comparing alone, so whatever is text will do.
pub(super) fn check_key(key: Option<&str>) -> Result<(), HostError> {
    match key {
        Some(key) if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES => {
            let right = format!("write 1 to {IDEMPOTENCY_KEY_BYTES} bytes");
            Err(HostError::invalid_value("idempotency-key", right))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_words_that_are_not_the_hosts() {
        let check = |text: &str, good: bool| assert_eq!(check_type(text).is_ok(), good, "{text}");
        check("order.paid", true);
        check("order", true);
        check("a-b.c_d.9", true);
        check(&"a".repeat(EVENT_TYPE_BYTES), true);
        check(&"a".repeat(EVENT_TYPE_BYTES + 1), false);
        check("", false);
        check("order.", false);
        check(".paid", false);
        check("Order.paid", false);
        check("order paid", false);
        check("order.*", false);
        check("table.todos.insert", false);
        check("webhook.endpoint.disabled", false);
        check("tables.full", true);
    }
}
