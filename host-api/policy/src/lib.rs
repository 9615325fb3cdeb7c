//! Who may do what to which rows: KoyaLite's policy engine.
//!
//! Pure: no I/O, no clock, no async. A [`Schema`] holds the tables of a project and the policies
//! on them; [`decide`] weighs them for one [`Identity`], one [`Command`] and one table, and answers
//! a [`Permit`] or the reason why not. A permit carries what is left of the policies once the
//! caller's claims are known; [`SqlWriter`] writes that as SQL with binds, [`evaluate`] runs it on
//! a row in memory. Guests narrow a permit with [`parse_filter`], in the same language.
//!
//! Read in this order: `policy` (what is stored), [`parse`] (the language, with a table of it),
//! `check` (types), `reach` (policies that read other tables), `fold` (claims are constants), `decide`, `permit`, then `sql` and `eval`.
//!
//! ```
//! use koyalite_policy::*;
//! use serde_json::json;
//!
//! let column = |name: &str, ty| ColumnShape {
//!     name: name.parse().unwrap(),
//!     ty,
//!     nullable: false,
//!     has_default: false,
//!     primary_key: name == "id",
//!     unique: false,
//!     values: None,
//! };
//! let todos = TableShape {
//!     name: "todos".parse().unwrap(),
//!     columns: vec![column("id", ColumnType::Bigint), column("owner_id", ColumnType::Uuid)],
//!     unique_together: Vec::new(),
//! };
//! let own_rows: PolicySource = serde_json::from_value(json!({
//!     "id": "6a3c1f58-0d4e-4b5c-9a43-3f1c2b7d9e10",
//!     "name": "own rows",
//!     "table": "todos",
//!     "effect": "allow",
//!     "commands": ["select", "update"],
//!     "using": "owner_id = auth.uid()",
//! }))?;
//! let schema = Schema::build(vec![todos], vec![own_rows]).unwrap();
//! let table = "todos".parse()?;
//! let now = Timestamp::from_unix_micros(0);
//!
//! // A signed-in user: their claims are known now, so what is left is a comparison with a bind.
//! let subject = "123e4567-e89b-12d3-a456-426614174000".to_owned();
//! let alice = Identity::User(User::new(subject, serde_json::Map::new()));
//! let permit = decide(&schema, &alice, Command::Select, &table, now)?;
//! let filter = parse_filter("id < $1", &[Value::Integer(10)], &permit)?;
//! let mut sql = SqlWriter::new();
//! assert_eq!(sql.residual(permit.using(), "t"), r#"(t."owner_id" = $1::uuid)"#);
//! assert_eq!(sql.filter(&filter, "t"), r#"(t."id" < $2::bigint)"#);
//!
//! // Nobody: auth.uid() is NULL, no row can pass, and Postgres is never asked.
//! let denied = decide(&schema, &Identity::Anonymous, Command::Select, &table, now).unwrap_err();
//! assert_eq!(denied.code(), "denied_by_claims");
//!
//! // A command that no policy mentions.
//! let denied = decide(&schema, &alice, Command::Delete, &table, now).unwrap_err();
//! assert_eq!(denied, Denied::NoPolicy);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(missing_docs)]

mod check;
mod decide;
mod decimal;
mod eval;
mod explain;
mod expr;
mod filter;
mod fold;
mod identity;
mod like;
mod lint;
mod names;
pub mod native;
pub mod parse;
mod permit;
mod policy;
mod print;
mod reach;
mod resource;
mod shape;
mod sql;
mod time;
mod types;
mod value;
mod weigh;

pub use decide::{Denied, decide};
pub use eval::{Row, evaluate, evaluate_change};
pub use explain::{
    AtomCoverage, AtomView, Coverage, Explanation, PolicyView, Question, Reason, SqlView,
    SubqueryView, Verdict, explain,
};
pub use expr::Expr;
pub use filter::{Filter, FilterError, FilterText, LIST_ITEMS_MAX, parse_filter};
pub use identity::{AuthRole, Identity, ROLE_CLAIM, Service, User};
pub use lint::Warning;
pub use names::{
    ColumnName, FunctionName, IndexName, NAME_BYTES_MAX, NameError, ProjectName, TableName,
};
pub use parse::{ParseError, Position};
pub use permit::{Permit, Preset, Residual};
pub use policy::{
    CheckedPolicy, ClaimRule, Claims, Clause, ColumnsField, Command, Effect, PolicyError,
    PolicyFault, PolicyReach, PolicySource, Schema, TableRules, check_policy,
    check_policy_with_claims,
};
pub use reach::{REACH_LEVELS_MAX, REACH_NODES_MAX};
pub use resource::{RESERVED_PREFIX, Resource};
pub use shape::{ColumnShape, TableShape};
pub use sql::{SqlWriter, column_of, push_ident, quote_ident};
pub use time::Timestamp;
pub use types::{ColumnType, ScalarType, UnknownType, VECTOR_DIMENSIONS_MAX};
pub use value::{Value, ValueError};

#[cfg(test)]
mod tests;
