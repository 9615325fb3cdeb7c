//! The rows that a table's row security would show, as one condition: for comparing it with the host's
//! where nothing is mirrored.
//!
//! It is what Postgres makes of the policies for select, word for word those that [`super::statements`]
//! makes, inner tables included. The bypass is left out: it is no policy of anybody's.

use std::collections::BTreeSet;

use super::words::{Inner, Words};
use super::{NotMirrorable, created, passed};
use crate::names::TableName;
use crate::policy::{CheckedPolicy, Clause, Command, Effect, Schema, TableRules};
use crate::print;

/// The condition on rows of `table`, which stands in the statement under its own name.
///
/// # Errors
/// Every policy of the table, or of one that its policies read, that Postgres cannot say.
pub fn visible(
    schema: &Schema,
    table: &TableName,
    schema_name: &str,
) -> Result<String, Vec<NotMirrorable>> {
    let mut refused = Vec::new();
    let mut seen = BTreeSet::from([table.clone()]);
    let mut waiting = vec![table.clone()];
    while let Some(table) = waiting.pop() {
        for policy in selecting(schema, &table) {
            refused.extend(created(schema, policy, ("", "")).err());
            let inner = policy.using.iter().flat_map(|expr| expr.0.tables());
            for table in inner {
                if seen.insert(table.clone()) {
                    waiting.push(table);
                }
            }
        }
    }
    match refused.is_empty() {
        true => Ok(rows(schema, table, schema_name)),
        false => Err(refused),
    }
}

/// The same, where every policy can be said. Policies never come back to their own table, so neither
/// does this.
pub(super) fn rows(schema: &Schema, table: &TableName, schema_name: &str) -> String {
    let words = Words {
        table: table.as_str(),
        schema: schema_name,
        inner: Inner::Filtered(schema),
    };
    let with_effect = |effect: Effect| -> Vec<String> {
        let policies = selecting(schema, table);
        let policies = policies.filter(|policy| policy.source().effect == effect);
        let conditions = policies.filter_map(|policy| passed(policy, Clause::Using).ok());
        conditions
            .map(|node| format!("({})", print::node(&node, &words)))
            .collect()
    };
    let allowed = with_effect(Effect::Allow);
    let mut whole = match allowed.is_empty() {
        true => vec!["false".to_owned()],
        false => vec![format!("({})", allowed.join(" or "))],
    };
    whole.extend(with_effect(Effect::Deny));
    whole.join(" and ")
}

/// The other tables whose rows the policies of `table` ask about: there row security has to say the same.
pub fn read_by_policies(schema: &Schema, table: &TableName) -> BTreeSet<TableName> {
    let policies = schema.table(table).map(TableRules::policies);
    let policies = policies.unwrap_or_default().iter();
    let conditions = policies.flat_map(|policy| policy.using.iter().chain(&policy.check));
    conditions.flat_map(|expr| expr.0.tables()).collect()
}

fn selecting<'a>(
    schema: &'a Schema,
    table: &TableName,
) -> impl Iterator<Item = &'a CheckedPolicy> + use<'a> {
    let policies = schema.table(table).map(TableRules::policies);
    let policies = policies.unwrap_or_default().iter();
    policies.filter(|policy| policy.source().commands.contains(&Command::Select))
}
