//! Policies as operators send them: whole, or the part that changes.
//!
//! Whether one makes sense is for [`super::verdict`]; where it is kept, for [`super::policies`].

use std::collections::{BTreeMap, BTreeSet};

use koyalite_policy::{ColumnName, Command, Effect, PolicySource, TableName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A policy to create. Unknown fields are for the reader of the request to refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NewPolicy {
    /// What people will call it; unique on its table.
    pub name: String,
    /// The table it guards.
    pub table: TableName,
    /// Allow or deny.
    #[serde(default = "allow")]
    pub effect: Effect,
    /// The commands it speaks about; left out: all four.
    #[serde(default = "all_commands")]
    pub commands: BTreeSet<Command>,
    /// Whom it applies to; empty: everyone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The condition on rows that exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub using: Option<String>,
    /// The condition on rows as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The columns that may be read where it allows; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Vec<ColumnName>>,
    /// The columns that may be written where it allows; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Vec<ColumnName>>,
    /// What the host writes by itself: column to expression over the caller.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<ColumnName, String>,
    /// Is it in force?
    #[serde(default = "enabled")]
    pub enabled: bool,
}

fn allow() -> Effect {
    Effect::Allow
}

fn all_commands() -> BTreeSet<Command> {
    Command::ALL.into()
}

fn enabled() -> bool {
    true
}

/// What to change of a policy. A field left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
pub struct PolicyPatch {
    /// A new name.
    pub name: Option<String>,
    /// Allow or deny.
    pub effect: Option<Effect>,
    /// Other commands.
    pub commands: Option<BTreeSet<Command>>,
    /// Other roles.
    pub roles: Option<Vec<String>>,
    /// Another condition on rows that exist; `null` removes it.
    #[serde(default, deserialize_with = "given")]
    pub using: Option<Option<String>>,
    /// Another condition on rows as written; `null` removes it.
    #[serde(default, deserialize_with = "given")]
    pub check: Option<Option<String>>,
    /// Other columns that may be read; `null`: all.
    #[serde(default, deserialize_with = "given")]
    pub read: Option<Option<Vec<ColumnName>>>,
    /// Other columns that may be written; `null`: all.
    #[serde(default, deserialize_with = "given")]
    pub write: Option<Option<Vec<ColumnName>>>,
    /// Other presets, all of them.
    pub set: Option<BTreeMap<ColumnName, String>>,
    /// Put it in force, or out of it.
    pub enabled: Option<bool>,
}

/// Tells `null` from a field that is not there.
pub(crate) fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

impl NewPolicy {
    pub(crate) fn source(&self, id: Uuid) -> PolicySource {
        PolicySource {
            id,
            name: self.name.clone(),
            table: self.table.clone(),
            effect: self.effect,
            commands: self.commands.clone(),
            roles: self.roles.clone(),
            using: self.using.clone(),
            check: self.check.clone(),
            read: self.read.clone(),
            write: self.write.clone(),
            set: self.set.clone(),
            enabled: self.enabled,
        }
    }
}

impl PolicyPatch {
    pub(crate) fn apply(self, source: &mut PolicySource) {
        let PolicyPatch {
            name,
            effect,
            commands,
            roles,
            using,
            check,
            read,
            write,
            set,
            enabled,
        } = self;
        source.name = name.unwrap_or_else(|| std::mem::take(&mut source.name));
        source.effect = effect.unwrap_or(source.effect);
        source.commands = commands.unwrap_or_else(|| std::mem::take(&mut source.commands));
        source.roles = roles.unwrap_or_else(|| std::mem::take(&mut source.roles));
        source.using = using.unwrap_or_else(|| source.using.take());
        source.check = check.unwrap_or_else(|| source.check.take());
        source.read = read.unwrap_or_else(|| source.read.take());
        source.write = write.unwrap_or_else(|| source.write.take());
        source.set = set.unwrap_or_else(|| std::mem::take(&mut source.set));
        source.enabled = enabled.unwrap_or(source.enabled);
    }
}
