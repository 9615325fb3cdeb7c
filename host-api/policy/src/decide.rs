//! The decision: identity, command and table in, a permit or a denial out.
//!
//! Per command `P = (any allow) AND NOT (any deny)`, default closed. The caller's claims are
//! constants, so everything that depends on them alone is settled here, without a database. A
//! condition that is NULL once claims are known counts as not met; a deny that is NULL counts as
//! met. What is left goes into the [`Permit`]. How the policies of one table are put together is
//! in `weigh.rs`.

use std::collections::BTreeSet;

use crate::expr::Node;
use crate::fold::Caller;
use crate::identity::Identity;
use crate::names::{ColumnName, TableName};
use crate::permit::{Grant, Permit, Residual};
use crate::policy::{Clause, Command, Schema};
use crate::time::Timestamp;
use crate::weigh::{Mentioned, Weighing};

/// Why a command is refused before any row is looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The project has no such table.
    #[error("there is no such table")]
    UnknownTable,
    /// The user's token lacks a claim that the project requires of every token.
    #[error("the token lacks the claim {claim}, which this project requires")]
    MissingClaim {
        /// The claim.
        claim: String,
    },
    /// No enabled policy allows the command to anybody.
    #[error("no policy allows this command on this table; add one that does")]
    NoPolicy,
    /// Policies allow it to somebody, but with these claims no row can pass.
    #[error("the caller's claims pass no policy for this command on this table")]
    DeniedByClaims,
    /// Each of the columns may be mentioned, but no policy covers all of them together.
    #[error("no policy lets this caller use these columns together; ask for fewer of them")]
    Columns,
}

impl Denied {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownTable => "unknown_table",
            Self::MissingClaim { .. } => "missing_claim",
            Self::NoPolicy => "no_policy",
            Self::DeniedByClaims => "denied_by_claims",
            Self::Columns => "columns_denied",
        }
    }

    /// One sentence for outsiders; it names no policy.
    pub fn message(&self) -> String {
        self.to_string()
    }
}

/// Decides whether `identity` may run `command` on `table`, and on which rows.
///
/// # Errors
/// [`Denied`] where no row could pass, whatever the table holds.
pub fn decide(
    schema: &Schema,
    identity: &Identity,
    command: Command,
    table: &TableName,
    now: Timestamp,
) -> Result<Permit, Denied> {
    let rules = schema.table(table).ok_or(Denied::UnknownTable)?;
    let caller = Caller {
        identity,
        now,
        schema: Some(schema),
    };
    let permit = |grant| Permit::new(rules.shape.clone(), identity.clone(), now, grant);
    if bypasses(identity, table) {
        return Ok(permit(everything(command)));
    }
    if let Some(claim) = schema.claims().missing(identity) {
        let claim = claim.to_owned();
        return Err(Denied::MissingClaim { claim });
    }
    let parts = Weighing { rules, caller }.parts(command)?;
    let presets = parts.presets();
    if parts.has_masks() {
        let grant = parts.clone().grant(command, Mentioned::NOTHING)?;
        return Ok(permit(grant).with_presets(presets).with_parts(parts));
    }
    let grant = parts.grant(command, Mentioned::NOTHING)?;
    Ok(permit(grant).with_presets(presets))
}

/// The rows of another table that the caller may read, as a condition on that table's row.
/// `mentioned` are the columns that are read of it.
pub(crate) fn visible_rows(
    table: &TableName,
    caller: Caller<'_>,
    mentioned: &dyn Fn() -> BTreeSet<ColumnName>,
) -> Node {
    let Some(rules) = caller.schema.and_then(|schema| schema.table(table)) else {
        return Node::FALSE;
    };
    if rules.policy_readable || bypasses(caller.identity, table) {
        return Node::TRUE;
    }
    let weighed = match (Weighing { rules, caller }).weigh(Command::Select, Clause::Using) {
        Ok(weighed) => weighed,
        Err(_) => return Node::FALSE,
    };
    let residual = if weighed.has_masks() {
        weighed.residual(Some(&mentioned()))
    } else {
        weighed.residual(None)
    };
    match residual {
        Ok(Residual::True) => Node::TRUE,
        Ok(Residual::When(expr)) => expr.0,
        Err(_) => Node::FALSE,
    }
}

pub(crate) fn bypasses(identity: &Identity, table: &TableName) -> bool {
    match identity {
        Identity::Service(service) => service.bypass.contains(table),
        Identity::Anonymous | Identity::User(_) => false,
    }
}

fn everything(command: Command) -> Grant {
    let all = Residual::True;
    match command {
        Command::Select => Grant::Select { using: all },
        Command::Insert => Grant::Insert {
            check: all,
            returning: Ok(Residual::True),
        },
        Command::Update => Grant::Update {
            using: all,
            check: Residual::True,
        },
        Command::Delete => Grant::Delete { using: all },
    }
}
