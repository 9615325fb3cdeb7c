//! Endpoints as operators write them, read into what may be stored.

use std::collections::{BTreeMap, BTreeSet};

use koyalite_policy::{ColumnName, TableName};
use serde::{Deserialize, Deserializer};

use super::super::columns::StoredTable;
use super::super::error::{Mistake, RegistryError, refuse_if_any};
use crate::keys::Signature;

/// Types that one endpoint may name. Whoever wants more wants `*`.
pub const EVENT_TYPES_MAX: usize = 100;

/// Characters of an endpoint's description: it is for a list.
pub const DESCRIPTION_CHARS_MAX: usize = 500;

/// Bytes of a target's URL, as many as servers take.
pub const TARGET_BYTES_MAX: usize = 2048;

/// Bytes of an order key: a few names, each as long as a column's may be.
pub const ORDER_KEY_BYTES_MAX: usize = 255;

/// The fastest rate that an endpoint can be given: a thousand a second.
pub const RATE_PER_MINUTE_MAX: i32 = 60_000;

/// As long as a type that is emitted may be.
const EVENT_TYPE_BYTES_MAX: usize = koyalite_host_api::limits::EVENT_TYPE_BYTES;

/// What is done to a table.
const OPERATIONS: [&str; 3] = ["insert", "update", "delete"];

/// Columns that events of tables may carry, by table.
pub type Columns = BTreeMap<TableName, Vec<ColumnName>>;

/// An endpoint to make.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
pub struct NewEndpoint {
    /// Where deliveries go.
    pub target_url: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Types, `something.*`, or `*` for all but those of tables.
    pub event_types: Vec<String>,
    /// What events of tables carry beside the primary key.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub columns: Columns,
    /// How deliveries are signed.
    #[serde(default)]
    pub signature: Signature,
    /// One delivery after the other.
    #[serde(default)]
    pub ordered: bool,
    /// Where in a payload it stands what a delivery is about, as in `order.id`: those about the same go one
    /// after the other.
    pub order_key: Option<String>,
    /// Deliveries a minute at most; none: as they come.
    pub rate_per_minute: Option<i32>,
}

/// What changes of an endpoint. What is left out stays.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
pub struct EndpointPatch {
    /// Where deliveries go.
    pub target_url: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Which types.
    pub event_types: Option<Vec<String>>,
    /// What events of tables carry.
    #[schema(value_type = Option<BTreeMap<String, Vec<String>>>)]
    pub columns: Option<Columns>,
    /// One delivery after the other.
    pub ordered: Option<bool>,
    /// Another key, for events from now on; null: none.
    #[serde(default, deserialize_with = "given")]
    pub order_key: Option<Option<String>>,
    /// Another rate; null: none.
    #[serde(default, deserialize_with = "given")]
    pub rate_per_minute: Option<Option<i32>>,
    /// On again forgets what has failed.
    pub enabled: Option<bool>,
}

/// What is given counts, also where it is null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The parts of an endpoint that can be wrong.
pub(super) struct Judged<'a> {
    pub(super) target_url: &'a str,
    pub(super) description: &'a str,
    pub(super) event_types: &'a [String],
    pub(super) columns: &'a Columns,
    pub(super) order_key: Option<&'a str>,
    pub(super) rate_per_minute: Option<i32>,
}

impl Judged<'_> {
    /// Refuses what makes no sense, all at once. Whether the target may be reached is another matter.
    pub(super) fn check(&self, tables: &[StoredTable]) -> Result<(), RegistryError> {
        let mut wrong = Vec::new();
        if self.target_url.len() > TARGET_BYTES_MAX {
            let message = format!("a URL has at most {TARGET_BYTES_MAX} bytes here");
            wrong.push(Mistake::new("target_url", message));
        }
        if self.description.chars().count() > DESCRIPTION_CHARS_MAX {
            let message = format!("write at most {DESCRIPTION_CHARS_MAX} characters");
            wrong.push(Mistake::new("description", message));
        }
        let rates = 1..=RATE_PER_MINUTE_MAX;
        if self
            .rate_per_minute
            .is_some_and(|rate| !rates.contains(&rate))
        {
            let message =
                format!("write 1 to {RATE_PER_MINUTE_MAX} deliveries a minute, or nothing");
            wrong.push(Mistake::new("rate_per_minute", message));
        }
        if !self.order_key.is_none_or(is_order_key) {
            let message = format!(
                "write names joined by dots, as in order.id, at most {ORDER_KEY_BYTES_MAX} bytes"
            );
            wrong.push(Mistake::new("order_key", message));
        }
        if self.event_types.is_empty() || self.event_types.len() > EVENT_TYPES_MAX {
            let message = format!("name 1 to {EVENT_TYPES_MAX} types, or `*` for all of functions");
            wrong.push(Mistake::new("event_types", message));
        }
        for (index, text) in self.event_types.iter().enumerate() {
            let table = |name: &str| tables.iter().any(|table| table.name.as_str() == name);
            if let Err(message) = check_type(text, table) {
                wrong.push(Mistake::new(format!("event_types[{index}]"), message));
            }
        }
        for (table, columns) in self.columns {
            let field = format!("columns.{table}");
            let Some(table) = tables.iter().find(|known| known.name == *table) else {
                wrong.push(Mistake::new(field, "there is no such table"));
                continue;
            };
            for column in columns.iter().filter(|name| table.column(name).is_none()) {
                let message = format!("there is no column {column}");
                wrong.push(Mistake::new(&field, message));
            }
        }
        refuse_if_any(wrong)
    }
}

fn is_order_key(text: &str) -> bool {
    let name = |name: &str| !name.is_empty() && !name.chars().any(char::is_control);
    text.len() <= ORDER_KEY_BYTES_MAX && text.split('.').all(name)
}

fn check_type(text: &str, table: impl Fn(&str) -> bool) -> Result<(), String> {
    if text == "*" {
        return Ok(());
    }
    let words: Vec<&str> = text.split('.').collect();
    if let ["table", rest @ ..] = words.as_slice() {
        return match rest {
            [name, event] if *event == "*" || OPERATIONS.contains(event) => match table(name) {
                true => Ok(()),
                false => Err(format!("there is no table {name:?}")),
            },
            _ => Err("write table.<name>.insert, update, delete or *".to_owned()),
        };
    }
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
    };
    let exact = words.strip_suffix(&["*"]).unwrap_or(&words);
    match text.len() <= EVENT_TYPE_BYTES_MAX && exact.iter().all(|part| word(part)) {
        true => Ok(()),
        false => {
            Err("write a type such as order.paid, all that begin so as order.*, or *".to_owned())
        }
    }
}

/// The tables whose events the types name, each with what is done to it.
pub(super) fn tables_of(event_types: &[String]) -> BTreeMap<&str, BTreeSet<&'static str>> {
    let mut tables: BTreeMap<&str, BTreeSet<&'static str>> = BTreeMap::new();
    for text in event_types {
        let words: Vec<&str> = text.split('.').collect();
        if let ["table", name, event] = words.as_slice() {
            let events = tables.entry(name).or_default();
            let all = OPERATIONS.into_iter();
            events.extend(all.filter(|known| *event == "*" || event == known));
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_key_is_names_joined_by_dots() {
        let check = |text: &str, good: bool| assert_eq!(is_order_key(text), good, "{text:?}");
        check("id", true);
        check("order.id", true);
        check("Größe.wert", true);
        check("", false);
        check("order.", false);
        check("order..id", false);
        check("a\nb", false);
        check(&"a".repeat(ORDER_KEY_BYTES_MAX + 1), false);
    }

    #[test]
    fn types_are_words_or_end_in_a_star() {
        let check = |text: &str, good: bool| {
            let read = check_type(text, |table| table == "todos");
            assert_eq!(read.is_ok(), good, "{text}: {read:?}");
        };
        check("*", true);
        check("order.paid", true);
        check("order.*", true);
        check("webhook.endpoint.disabled", true);
        check("table.todos.insert", true);
        check("table.todos.*", true);
        check("table.todos.read", false);
        check("table.others.insert", false);
        check("table.*", false);
        check("table", false);
        check("order.*.paid", false);
        check("order*", false);
        check("Order", false);
        check("", false);
    }

    #[test]
    fn events_of_tables_are_found_among_others() {
        let types = [
            "order.paid",
            "table.a.insert",
            "table.a.delete",
            "table.b.*",
        ];
        let types: Vec<String> = types.map(str::to_owned).into();
        let tables = tables_of(&types);
        assert_eq!(tables["a"], BTreeSet::from(["delete", "insert"]));
        assert_eq!(tables["b"].len(), 3);
        assert_eq!(tables.len(), 2);
    }
}
