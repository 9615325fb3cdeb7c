//! Whether policies read a table past its own policies, as a function of its definer would.
//!
//! For tables that say who may do what, memberships say: their own policies may then read them too, and
//! nobody sees more of them. Like every change of tables it is refused where a policy would no longer
//! make sense.

use koyalite_policy::{ProjectName, TableName};

use super::audit::{Action, Deed};
use super::change::Change;
use super::condition::Condition;
use super::error::RegistryError;
use super::tables::{self, Table};
use super::{Registry, mirror};

/// How the subqueries of policies read a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InnerReads {
    /// Under its own select policies.
    UnderPolicies,
    /// Past them.
    PastPolicies,
}

/// Says which, for one table.
///
/// # Errors
/// `Conflict` where policies would come back to themselves, the mirror could not say one, or the condition
/// does not hold for the table.
pub async fn set(
    registry: &Registry,
    project: &ProjectName,
    name: &TableName,
    (condition, reads): (&Condition, InnerReads),
) -> Result<Table, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let table = Table::from(tables::find(&mut change, &locked, name).await?);
    condition.check(&table)?;
    sqlx::query!(
        "UPDATE koyalite.tables SET policy_readable = $2 WHERE id = $1",
        table.id,
        reads == InnerReads::PastPolicies,
    )
    .execute(change.conn())
    .await?;
    tables::check_policies(&mut change, &locked).await?;
    let table = tables::find(&mut change, &locked, name).await?;
    let past = reads == InnerReads::PastPolicies;
    let deed = Deed::new(Action::PolicyReadableSet, name).with("policy_readable", past);
    mirror::commit(change, &locked, deed).await?;
    Ok(table.into())
}
