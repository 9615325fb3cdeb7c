//! What receivers get: `{"type", "timestamp", "data"}`, the same bytes at every attempt.
//!
//! `data` is the event's payload as it was stored. Of a table's row a receiver gets the columns that its
//! endpoint names, whatever others were stored for other endpoints.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::registry::webhooks::due::Claimed;
use crate::registry::webhooks::input::Columns;

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'a str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Whole(&'a RawValue),
    Row(RowEvent),
}

/// The payload of a table's event. Values stay as they are written.
#[derive(Debug, Serialize, Deserialize)]
struct RowEvent {
    table: String,
    operation: String,
    /// Always there.
    key: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<BTreeMap<String, Box<RawValue>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<BTreeMap<String, Box<RawValue>>>,
}

/// The body of a delivery.
pub(super) fn body(delivery: &Claimed) -> Result<Vec<u8>, serde_json::Error> {
    write(
        (&delivery.event_type, delivery.emitted_at),
        &delivery.payload,
        &delivery.columns,
    )
}

fn write(
    (event_type, emitted_at): (&str, DateTime<Utc>),
    payload: &str,
    columns: &Columns,
) -> Result<Vec<u8>, serde_json::Error> {
    let data = match event_type.starts_with("table.") {
        true => Data::Row(masked(serde_json::from_str(payload)?, columns)),
        false => Data::Whole(serde_json::from_str(payload)?),
    };
    serde_json::to_vec(&Message {
        r#type: event_type,
        timestamp: emitted_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        data,
    })
}

fn masked(mut event: RowEvent, columns: &Columns) -> RowEvent {
    let named = columns
        .iter()
        .find(|(table, _)| table.as_str() == event.table);
    let allowed = named.map_or(&[][..], |(_, columns)| columns);
    for row in [&mut event.row, &mut event.old].into_iter().flatten() {
        row.retain(|name, _| allowed.iter().any(|column| column.as_str() == name));
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event_type: &str, payload: &str, columns: &str, expected: &str) {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let columns = serde_json::from_str(columns).unwrap();
        let written = write((event_type, at), payload, &columns).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn the_payload_is_sent_as_it_is() {
        check(
            "order.paid",
            r#"{"total": 12.50, "id": 12345678901234567890123}"#,
            "{}",
            "{\"type\":\"order.paid\",\"timestamp\":\"2023-11-14T22:13:20.000Z\",\
             \"data\":{\"total\": 12.50, \"id\": 12345678901234567890123}}",
        );
    }

    #[test]
    fn of_a_row_only_named_columns_are_sent() {
        check(
            "table.todos.update",
            r#"{"table": "todos", "operation": "update", "key": {"id": 1},
                "row": {"title": "b", "secret": "s"}, "old": {"title": "a", "secret": "s"}}"#,
            r#"{"todos": ["title"]}"#,
            "{\"type\":\"table.todos.update\",\"timestamp\":\"2023-11-14T22:13:20.000Z\",\
             \"data\":{\"table\":\"todos\",\"operation\":\"update\",\"key\":{\"id\": 1},\
             \"row\":{\"title\":\"b\"},\"old\":{\"title\":\"a\"}}}",
        );
    }
}
