//! Pages: the order of their rows, and cursors to and from it.
//!
//! A cursor is base64 over JSON: the version, the table, the sort keys, and the keys' values in the
//! row before the page. It is no secret, since its reader could read that row; it is no authority,
//! since a page carries the policies like any select. A changed one is at worst another place.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use koyalite_policy::ColumnShape;
use serde_json::value::RawValue;

use super::mentions::Mentions;
use crate::db::bind::Bind;
use crate::db::sql::{Direction, Key, Keyset, Nulls, PageKey};
use crate::db::values::{Place, bind_json};
use crate::error::HostError;
use crate::limits::CURSOR_BYTES;
use crate::tables::query::OrderKey;

/// Changes when cursors do; an old one is then refused.
const VERSION: &str = "1";

/// The complete order of a select by pages: no two rows are equal in it.
#[derive(Debug)]
pub(in crate::tables) struct PageOrder {
    table: String,
    keys: Vec<(Key, ColumnShape)>,
}

impl PageOrder {
    pub(super) fn of(
        mentions: &mut Mentions<'_>,
        order: &[OrderKey],
    ) -> Result<PageOrder, HostError> {
        let mut keys: Vec<(Key, ColumnShape)> = Vec::new();
        for key in mentions.order(order)? {
            // A key that comes again sorts nothing.
            if keys.iter().all(|(known, _)| known.column != key.column) {
                let column = mentions.readable(key.column.as_str())?;
                keys.push((key, column.clone()));
            }
        }
        let table = mentions.table();
        let primary: Vec<_> = table.columns.iter().filter(|c| c.primary_key).collect();
        if primary.is_empty() {
            return Err(HostError::no_primary_key(table.name.as_str()));
        }
        // The last key's way, so that one index may serve all of them.
        let direction = keys
            .last()
            .map_or(Direction::Ascending, |(key, _)| key.direction);
        for column in primary {
            if keys.iter().all(|(known, _)| known.column != column.name) {
                let column = mentions.readable(column.name.as_str())?;
                let key = Key {
                    column: column.name.clone(),
                    direction,
                    nulls: direction.nulls(),
                };
                keys.push((key, column.clone()));
            }
        }
        if let Some((key, _)) = keys.iter().find(|(_, column)| !column.ty.has_order()) {
            return Err(HostError::unordered_column(key.column.as_str()));
        }
        Ok(PageOrder {
            table: table.name.as_str().to_owned(),
            keys,
        })
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.keys.iter().map(|(key, _)| key.clone()).collect()
    }

    /// Where the page after `cursor` begins.
    pub(super) fn keyset(&self, cursor: Option<&str>) -> Result<Keyset, HostError> {
        let after = cursor.map(|cursor| self.read(cursor)).transpose()?;
        let keys = self.keys.iter().map(|(key, column)| PageKey {
            key: key.clone(),
            nullable: column.nullable,
        });
        Ok(Keyset {
            keys: keys.collect(),
            after,
        })
    }

    /// The cursor after a row with these values, each as JSON.
    pub(in crate::tables) fn cursor(&self, values: &[String]) -> Result<String, HostError> {
        let text = format!("{},{}]", self.head()?, values.join(","));
        let cursor = URL_SAFE_NO_PAD.encode(text);
        match cursor.len() {
            0..=CURSOR_BYTES => Ok(cursor),
            _ => Err(HostError::too_much(
                "cursor_too_large",
                "bytes in the sort keys of one row",
                CURSOR_BYTES,
            )),
        }
    }

    fn read(&self, cursor: &str) -> Result<Vec<Option<Bind>>, HostError> {
        self.try_read(cursor).ok_or_else(HostError::invalid_cursor)
    }

    fn try_read(&self, cursor: &str) -> Option<Vec<Option<Bind>>> {
        if cursor.len() > CURSOR_BYTES {
            return None;
        }
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let values = text.strip_prefix(&self.head().ok()?)?.strip_prefix(',')?;
        let values: Vec<Box<RawValue>> = serde_json::from_str(&format!("[{values}")).ok()?;
        if values.len() != self.keys.len() {
            return None;
        }
        let binds = values.iter().zip(&self.keys).map(|(raw, (_, column))| {
            if raw.get() == "null" {
                return column.nullable.then_some(None);
            }
            bind_json(raw, Place::Changes(column)).ok().map(Some)
        });
        binds.collect()
    }

    /// What stands before the values: `["1","todos","title+l,id+l"`.
    fn head(&self) -> Result<String, HostError> {
        let keys = self.keys.iter().map(|(key, _)| {
            let direction = match key.direction {
                Direction::Ascending => '+',
                Direction::Descending => '-',
            };
            let nulls = match key.nulls {
                Nulls::First => 'f',
                Nulls::Last => 'l',
            };
            format!("{}{direction}{nulls}", key.column)
        });
        let keys: Vec<_> = keys.collect();
        let head = serde_json::to_string(&[VERSION, &self.table, &keys.join(",")]);
        let head = head.map_err(HostError::internal)?;
        Ok(head.trim_end_matches(']').to_owned())
    }
}
