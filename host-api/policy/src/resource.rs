//! What policies guard though it is no table: webhooks and mail that functions send, and files.
//!
//! Each has columns like a table, so that its policies are written, checked, stored and explained like
//! any other; to send is an insert, to look at what was sent is a select, and files are inserted, updated and
//! deleted as rows are. No function can read one as a table, and no policy of another table can.

use crate::names::{ColumnName, TableName};
use crate::shape::{ColumnShape, TableShape};
use crate::types::ColumnType;

/// No table of a project has a name that begins so.
pub const RESERVED_PREFIX: &str = "koyalite_";

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Events for webhooks, as functions emit them.
    Webhooks,
    /// Messages, as functions send them.
    Email,
    /// Files, as they are written down; their content lies elsewhere.
    Files,
}

/// Name, type and whether it may be NULL.
type Column = (&'static str, ColumnType, bool);

const WEBHOOKS: &[Column] = &[
    ("event_type", ColumnType::Text, false),
    ("payload", ColumnType::Jsonb, false),
    ("idempotency_key", ColumnType::Text, true),
    ("user_id", ColumnType::Text, true),
];

const EMAIL: &[Column] = &[
    ("recipient", ColumnType::Text, false),
    ("recipient_domain", ColumnType::Text, false),
    ("sender", ColumnType::Text, false),
    ("subject", ColumnType::Text, false),
    ("template", ColumnType::Text, true),
    ("user_id", ColumnType::Text, true),
];

const FILES: &[Column] = &[
    ("user_id", ColumnType::Text, true),
    ("path", ColumnType::Text, false),
    // The first segment of the path where there are several, else empty.
    ("folder", ColumnType::Text, false),
    ("mime_type", ColumnType::Text, false),
    ("size", ColumnType::Bigint, false),
    ("created_at", ColumnType::Timestamptz, false),
    ("version", ColumnType::Uuid, false),
    ("sha256", ColumnType::Text, false),
    ("etag", ColumnType::Text, false),
];

impl Resource {
    /// All of them.
    pub const ALL: [Resource; 3] = [Resource::Webhooks, Resource::Email, Resource::Files];

    /// What policies call it.
    pub fn name(self) -> &'static str {
        match self {
            Resource::Webhooks => "koyalite_webhooks",
            Resource::Email => "koyalite_email",
            Resource::Files => "koyalite_files",
        }
    }

    /// The resource of that name.
    pub fn of(table: &TableName) -> Option<Resource> {
        let mut all = Resource::ALL.into_iter();
        all.find(|resource| resource.name() == table.as_str())
    }

    /// Its columns, as policies see them.
    pub fn shape(self) -> TableShape {
        let columns = match self {
            Resource::Webhooks => WEBHOOKS,
            Resource::Email => EMAIL,
            Resource::Files => FILES,
        };
        TableShape {
            name: TableName::of_host(self.name()),
            columns: columns.iter().map(column).collect(),
            unique_together: Vec::new(),
        }
    }
}

fn column((name, ty, nullable): &Column) -> ColumnShape {
    ColumnShape {
        name: ColumnName::of_host(name),
        ty: *ty,
        nullable: *nullable,
        has_default: false,
        primary_key: false,
        unique: false,
        values: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Denied, Identity, PolicySource, Schema, Timestamp, decide};
    use serde_json::json;

    #[test]
    fn their_names_are_names_and_reserved() {
        for resource in Resource::ALL {
            let shape = resource.shape();
            assert!(shape.name.as_str().starts_with(RESERVED_PREFIX));
            assert_eq!(shape.name.as_str().parse(), Ok(shape.name.clone()));
            assert_eq!(Resource::of(&shape.name), Some(resource));
            for column in shape.columns {
                assert_eq!(column.name.as_str().parse(), Ok(column.name));
            }
        }
    }

    fn policy(table: &str, using: &str) -> PolicySource {
        serde_json::from_value(json!({
            "id": "6a3c1f58-0d4e-4b5c-9a43-3f1c2b7d9e10", "name": "p", "table": table,
            "effect": "allow", "commands": ["insert"], "check": using,
        }))
        .unwrap()
    }

    #[test]
    fn every_project_has_them_closed_until_a_policy_opens_them() {
        let table = Resource::Webhooks.shape().name;
        let now = Timestamp::from_unix_micros(0);
        let ask = |schema: &Schema| {
            decide(schema, &Identity::Anonymous, Command::Insert, &table, now).map(drop)
        };
        let closed = Schema::build(Vec::new(), Vec::new()).unwrap();
        assert_eq!(ask(&closed), Err(Denied::NoPolicy));
        let open = policy("koyalite_webhooks", "event_type = 'order.paid'");
        let open = Schema::build(Vec::new(), vec![open]).unwrap();
        assert_eq!(ask(&open), Ok(()));
        assert_eq!(open.tables().count(), 0, "they are no tables");
    }

    #[test]
    fn no_policy_reads_them() {
        let reads = "EXISTS (SELECT 1 FROM koyalite_webhooks w WHERE w.event_type = 'a')";
        let refused = Schema::build(Vec::new(), vec![policy("koyalite_email", reads)]);
        assert!(refused.is_err());
    }
}
