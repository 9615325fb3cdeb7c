//! Policies as they are stored, and as they are once checked; the rules of all tables together.
//!
//! Checking is all or nothing: a [`Schema`] exists only if every enabled policy in it makes sense
//! on its table. A table without policies is in the schema all the same, and answers nobody.
//! Stored: `source`. Why not: `fault`. Checked, one by one: `checked`. All together: `schema`.

mod checked;
mod claims;
mod columns;
mod fault;
mod schema;
mod source;

pub use checked::{CheckedPolicy, check_policy, check_policy_with_claims};
pub use claims::{ClaimRule, Claims};
pub use fault::{ColumnsField, PolicyError, PolicyFault, PolicyReach};
pub use schema::{Schema, TableRules};
pub use source::{Clause, Command, Effect, PolicySource};

pub(crate) use columns::ColumnMask;
