//! Policies as Postgres' own row security: the third back end, and the third wall.
//!
//! Text only; nothing is run here. Who asks is told by settings of the transaction, which the host
//! makes before its statement: [`UID`], [`ROLE`], [`CLAIMS`] and [`BYPASS`]. A statement before which
//! nobody was named is an error ([`NOBODY_ASKS`]) and not an empty answer. Postgres would raise an error
//! for a claim that does not read as its type; the text says NULL there, as everywhere else.
//! What Postgres cannot say is [`NotMirrorable`]: old rows, masks, presets, some types of claims,
//! and tables that policies read past their own.

mod claims;
mod visible;
mod words;

use uuid::Uuid;

use crate::expr::{Claim, Expr, Node};
use crate::identity::{AuthRole, ROLE_CLAIM};
use crate::names::TableName;
use crate::policy::{CheckedPolicy, Clause, Command, Effect, Schema, TableRules};
use crate::print;
use crate::sql::quote_ident;
use crate::types::ColumnType;

pub use visible::{read_by_policies, visible};
use words::{Inner, Words};

/// The setting that holds `auth.uid()`; heeded only where [`ROLE`] says `authenticated`.
pub const UID: &str = "koyalite.uid";

/// The setting that holds `auth.role()`.
pub const ROLE: &str = "koyalite.role";

/// The setting that holds the token's claims as JSON; empty for nobody.
pub const CLAIMS: &str = "koyalite.claims";

/// The setting that holds the names of the tables on which a service bypasses policies, as a JSON
/// array; empty for all but services that were granted some.
pub const BYPASS: &str = "koyalite.bypass";

/// Begins the value that Postgres cannot read, and says so, where a statement names nobody in [`ROLE`].
pub const NOBODY_ASKS: &str = "koyalite: nobody asks";

/// What the names of mirrored policies start with: they are replaced as a whole.
const PREFIX: &str = "koyalite_";

/// A policy that row security cannot say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy {name:?} cannot be mirrored: {reason}")]
pub struct NotMirrorable {
    /// The policy's id.
    pub id: Uuid,
    /// The policy's name.
    pub name: String,
    /// What it is that Postgres cannot say.
    pub reason: String,
}

/// The statements that make a table's row security say what its policies say, in place of whatever
/// was mirrored before. `schema_name` is the Postgres schema of the project's tables.
///
/// # Errors
/// [`NotMirrorable`] for the first policy that Postgres cannot say.
pub fn statements(
    schema: &Schema,
    table: &TableName,
    schema_name: &str,
) -> Result<Vec<String>, NotMirrorable> {
    let Some(rules) = schema.table(table) else {
        return Ok(Vec::new());
    };
    let target = target(table, schema_name);
    let mut statements = vec![
        drop_mirrored(&target),
        format!("ALTER TABLE {target} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {target} FORCE ROW LEVEL SECURITY"),
        format!(
            "CREATE POLICY {PREFIX}bypass ON {target} AS PERMISSIVE FOR ALL TO PUBLIC USING ({})",
            claims::bypasses(table)
        ),
    ];
    for policy in rules.policies() {
        statements.extend(created(schema, policy, (&target, schema_name))?);
    }
    Ok(statements)
}

/// The statements that undo [`statements`]: the table is as if it had never been mirrored.
pub fn removal(table: &TableName, schema_name: &str) -> Vec<String> {
    let target = target(table, schema_name);
    vec![
        drop_mirrored(&target),
        format!("ALTER TABLE {target} NO FORCE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {target} DISABLE ROW LEVEL SECURITY"),
    ]
}

/// Every policy of a table that row security cannot say, with the first reason of each.
pub fn not_mirrorable(schema: &Schema, table: &TableName) -> Vec<NotMirrorable> {
    let policies = schema.table(table).map(|rules| rules.policies());
    let made = policies
        .into_iter()
        .flatten()
        .map(|policy| created(schema, policy, ("", "")));
    made.filter_map(Result::err).collect()
}

fn target(table: &TableName, schema_name: &str) -> String {
    let (schema, table) = (quote_ident(schema_name), quote_ident(table.as_str()));
    format!("{schema}.{table}")
}

/// The statements for one policy: one for each of its commands.
fn created(
    schema: &Schema,
    policy: &CheckedPolicy,
    (target, schema_name): (&str, &str),
) -> Result<Vec<String>, NotMirrorable> {
    let refused = |reason: String| NotMirrorable {
        id: policy.source().id,
        name: policy.source().name.clone(),
        reason,
    };
    mirrorable(schema, policy).map_err(refused)?;
    let commands = policy.source().commands.iter();
    let made = commands.map(|command| create(policy, *command, target, schema_name));
    made.collect::<Result<_, _>>().map_err(refused)
}

/// Drops what was mirrored before, whatever it was called.
fn drop_mirrored(target: &str) -> String {
    let literal = print::quoted(target);
    format!(
        "DO $mirror$ DECLARE found name; BEGIN \
         FOR found IN SELECT polname FROM pg_catalog.pg_policy \
         WHERE polrelid = {literal}::regclass AND polname LIKE '{}%' LOOP \
         EXECUTE format('DROP POLICY %I ON {}', found); END LOOP; END $mirror$",
        PREFIX.replace('_', r"\_"),
        target.replace('\'', "''").replace('%', "%%"),
    )
}

fn mirrorable(schema: &Schema, policy: &CheckedPolicy) -> Result<(), String> {
    let source = policy.source();
    let needs_old = policy.check.as_ref().is_some_and(Expr::needs_old);
    let conditions = policy.using.iter().chain(&policy.check);
    let mut inner = conditions.flat_map(|expr| expr.0.tables());
    let past_its_own = |table: &TableName| {
        let rules = schema.table(table);
        rules.is_some_and(TableRules::policy_readable)
    };
    if needs_old {
        Err("row security has no old. in a check".to_owned())
    } else if source.read.is_some() || source.write.is_some() {
        Err("row security has no masks for columns".to_owned())
    } else if !source.set.is_empty() {
        Err("row security sets no columns".to_owned())
    } else if let Some(table) = inner.find(past_its_own) {
        Err(format!(
            "it reads {table}, which is policy_readable, and row security always applies inside"
        ))
    } else {
        Ok(())
    }
}

fn create(
    policy: &CheckedPolicy,
    command: Command,
    target: &str,
    schema_name: &str,
) -> Result<String, String> {
    let source = policy.source();
    let name = format!("{PREFIX}{}_{command}", source.id.simple());
    let kind = match source.effect {
        Effect::Allow => "PERMISSIVE",
        Effect::Deny => "RESTRICTIVE",
    };
    let mut text = format!(
        "CREATE POLICY {} ON {target} AS {kind} FOR {} TO PUBLIC",
        quote_ident(&name),
        command.as_str().to_uppercase(),
    );
    for (clause, word, is_there) in [
        (Clause::Using, "USING", command.reads_rows()),
        (Clause::Check, "WITH CHECK", command.writes_rows()),
    ] {
        if is_there {
            let condition = condition(policy, clause, schema_name)?;
            text.push_str(&format!(" {word} ({condition})"));
        }
    }
    Ok(text)
}

/// The clause for those whom the policy is for; a deny holds for all rows but those it names.
fn condition(policy: &CheckedPolicy, clause: Clause, schema_name: &str) -> Result<String, String> {
    let table = &policy.source().table;
    let words = Words {
        table: table.as_str(),
        schema: schema_name,
        inner: Inner::Guarded,
    };
    let condition = print::node(&passed(policy, clause)?, &words);
    Ok(match policy.source().effect {
        Effect::Allow => condition,
        Effect::Deny => format!("({condition}) or {}", claims::bypasses(table)),
    })
}

/// What is true of the rows that a policy lets through, or leaves alone.
fn passed(policy: &CheckedPolicy, clause: Clause) -> Result<Node, String> {
    let condition = policy
        .condition(clause)
        .map_or(Node::FALSE, |expr| expr.0.clone());
    if let Some(reason) = claims::unsayable(&condition) {
        return Err(reason);
    }
    let roles = &policy.source().roles;
    let everyone = roles.is_empty() || roles.iter().any(|role| role == "public");
    let whole = if everyone {
        condition
    } else {
        let any = roles.iter().map(|role| has_role(role)).collect();
        Node::And(vec![Node::Or(any), condition])
    };
    Ok(match policy.source().effect {
        Effect::Allow => whole,
        Effect::Deny => Node::Not(Box::new(whole)),
    })
}

/// Whether the caller has a role, in the words of policies. Never NULL.
fn has_role(role: &str) -> Node {
    let text = |text: &str| Node::Constant {
        value: crate::value::Value::Text(text.to_owned()),
        ty: ColumnType::Text,
    };
    let is = |claim: Claim, value: &str| {
        let claim = Node::Claim {
            claim,
            ty: ColumnType::Text,
        };
        Node::Not(Box::new(Node::Distinct {
            left: Box::new(claim),
            right: Box::new(text(value)),
        }))
    };
    if AuthRole::ALL
        .iter()
        .any(|reserved| reserved.as_str() == role)
    {
        return is(Claim::Role, role);
    }
    let koya_role = Claim::Jwt {
        path: vec![ROLE_CLAIM.to_owned()],
        read: crate::expr::JsonRead::Text,
    };
    Node::And(vec![
        is(Claim::Role, AuthRole::Authenticated.as_str()),
        is(koya_role, role),
    ])
}
