//! Policies as they are written and stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::names::{ColumnName, TableName};

/// What is done to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Read rows.
    Select,
    /// Add rows.
    Insert,
    /// Change rows.
    Update,
    /// Remove rows.
    Delete,
}

impl Command {
    /// The four commands: what `for all` means.
    pub const ALL: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// The command's word, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// Whether the command touches rows that exist, which `using` decides.
    pub(crate) fn reads_rows(self) -> bool {
        !matches!(self, Self::Insert)
    }

    /// Whether the command leaves new rows behind, which `check` decides.
    pub(crate) fn writes_rows(self) -> bool {
        matches!(self, Self::Insert | Self::Update)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether rows that meet a policy's condition are let through or held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// One allowing policy is enough…
    Allow,
    /// …unless one denies, or cannot tell because of a NULL.
    Deny,
}

/// A policy as it is written and stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicySource {
    /// Its id, by which denials name it in the log.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// The table it guards.
    pub table: TableName,
    /// Allow or deny.
    pub effect: Effect,
    /// The commands it speaks about; at least one.
    pub commands: BTreeSet<Command>,
    /// Whom it applies to; empty means everyone. `public`, `anon`, `authenticated`,
    /// `service_role`, or a value of the claim `koya_role`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The condition on rows that exist: needed for select, update and delete.
    #[serde(default)]
    pub using: Option<String>,
    /// The condition on rows as written by insert and update. Left out, `using` stands in for it.
    #[serde(default)]
    pub check: Option<String>,
    /// The columns that may be mentioned where this policy allows a select; none means all. An
    /// allowing policy counts only for requests that it covers whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Vec<ColumnName>>,
    /// The columns that may be written where this policy allows an insert or update; none means
    /// all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Vec<ColumnName>>,
    /// What the host writes into columns of an insert or update that this policy allows:
    /// expressions over the caller alone. A request that names such a column is refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<ColumnName, String>,
    /// A disabled policy is as if absent.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
}

fn enabled_by_default() -> bool {
    true
}

/// Which of a policy's two conditions is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Clause {
    /// The condition on rows that exist.
    Using,
    /// The condition on rows as written.
    Check,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Using => "using",
            Self::Check => "check",
        })
    }
}
