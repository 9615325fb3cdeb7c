//! Statements that cannot have binds: roles, schemas, tables.
//!
//! Names go in through validated newtypes or our own generated identifiers and are quoted here;
//! types, defaults and actions are closed lists. A [`Ddl`] cannot be made anywhere else.

pub(crate) mod alter;
pub(crate) mod events;
pub(crate) mod vectors;

use koyalite_policy::{ColumnName, ColumnType, IndexName, TableName, quote_ident};
use uuid::Uuid;

use super::change::LockedProject;
use super::default::quote_literal;
use super::definition::{ColumnDefinition, TableDefinition};
use super::indexes::IndexDefinition;
use super::projects::Tenant;

/// A statement, or several, that is safe to run as it stands.
#[derive(Debug)]
pub(crate) struct Ddl(String);

impl Ddl {
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// What a column's reference becomes in the catalogue and in Postgres.
#[derive(Debug, Clone)]
pub(crate) struct ForeignKey {
    pub(crate) constraint: String,
    pub(crate) table: TableName,
    pub(crate) column: ColumnName,
    pub(crate) on_delete: &'static str,
}

impl ForeignKey {
    /// Named after the column's id: unique, and short enough whatever the column is called.
    pub(crate) fn constraint_name(column_id: Uuid) -> String {
        format!("fk_{}", column_id.simple())
    }
}

/// The wall around a project: its schema, its role, and what the role may touch. The role owns
/// nothing, so it can alter nothing; tables are granted one by one as they are made.
pub(crate) fn create_tenant(tenant: &Tenant, password_verifier: &str, database: &str) -> Ddl {
    let (schema, role) = (quote_ident(&tenant.schema), quote_ident(&tenant.role));
    let (password, database) = (quote_literal(password_verifier), quote_ident(database));
    Ddl(format!(
        "CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION \
             NOINHERIT PASSWORD {password};
         ALTER ROLE {role} SET search_path = {schema};
         ALTER ROLE {role} SET statement_timeout = '{STATEMENT_TIMEOUT}';
         ALTER ROLE {role} SET idle_in_transaction_session_timeout = '{STATEMENT_TIMEOUT}';
         GRANT CONNECT ON DATABASE {database} TO {role};
         CREATE SCHEMA {schema};
         GRANT USAGE ON SCHEMA {schema} TO {role};
         GRANT USAGE ON SCHEMA koyalite_api TO {role};"
    ))
}

/// Takes the wall away with all that is in it. The rights are taken back one by one, since a role that
/// still has some cannot go; those on tables go with the tables.
pub(crate) fn drop_tenant(tenant: &Tenant, database: &str) -> Ddl {
    let (schema, role) = (quote_ident(&tenant.schema), quote_ident(&tenant.role));
    let database = quote_ident(database);
    Ddl(format!(
        "DROP SCHEMA {schema} CASCADE;
         REVOKE ALL ON SCHEMA koyalite_api FROM {role};
         REVOKE ALL ON DATABASE {database} FROM {role};
         DROP ROLE {role};"
    ))
}

/// A tenant's statement runs at most this long; the limit is on the role, so that no way of
/// connecting is without it.
const STATEMENT_TIMEOUT: &str = "5s";

/// A table with its key, its columns and its grants. `keys` holds the foreign key of each column.
pub(crate) fn create_table(
    project: &LockedProject,
    table: &TableDefinition,
    keys: &[Option<ForeignKey>],
) -> Ddl {
    let name = qualified(&project.schema, &table.name);
    let mut parts: Vec<String> = table
        .columns
        .iter()
        .zip(keys)
        .map(|(column, key)| self::column(project, column, key.as_ref()))
        .collect();
    let key: Vec<String> = table
        .columns
        .iter()
        .filter(|column| column.primary_key)
        .map(|column| quote_ident(column.name.as_str()))
        .collect();
    parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    Ddl(format!(
        "CREATE TABLE {name} ({});
         GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {};",
        parts.join(", "),
        quote_ident(&project.role),
    ))
}

pub(crate) fn drop_table(project: &LockedProject, table: &TableName) -> Ddl {
    Ddl(format!(
        "DROP TABLE {} RESTRICT;",
        qualified(&project.schema, table)
    ))
}

pub(crate) fn create_index(
    project: &LockedProject,
    table: &TableName,
    name: &IndexName,
    index: &IndexDefinition,
) -> Ddl {
    let unique = match index.unique {
        true => "UNIQUE ",
        false => "",
    };
    let columns: Vec<String> = index
        .columns
        .iter()
        .map(|column| quote_ident(column.as_str()))
        .collect();
    Ddl(format!(
        "CREATE {unique}INDEX {} ON {} ({});",
        quote_ident(name.as_str()),
        qualified(&project.schema, table),
        columns.join(", "),
    ))
}

pub(crate) fn drop_index(project: &LockedProject, name: &IndexName) -> Ddl {
    let (schema, name) = (quote_ident(&project.schema), quote_ident(name.as_str()));
    Ddl(format!("DROP INDEX {schema}.{name} RESTRICT;"))
}

pub(crate) fn add_column(
    project: &LockedProject,
    table: &TableName,
    column: &ColumnDefinition,
    key: Option<&ForeignKey>,
) -> Ddl {
    let name = qualified(&project.schema, table);
    Ddl(format!(
        "ALTER TABLE {name} ADD COLUMN {};",
        self::column(project, column, key)
    ))
}

pub(crate) fn drop_column(project: &LockedProject, table: &TableName, column: &ColumnName) -> Ddl {
    let name = qualified(&project.schema, table);
    Ddl(format!(
        "ALTER TABLE {name} DROP COLUMN {} RESTRICT;",
        quote_ident(column.as_str())
    ))
}

/// Whether a table has a row. Locked first, by whoever drops it: a row that is inserted after the
/// question would go with the table.
pub(crate) fn any_row(project: &LockedProject, table: &TableName) -> Ddl {
    let name = qualified(&project.schema, table);
    Ddl(format!("SELECT EXISTS (SELECT FROM {name})"))
}

/// Whether a column holds a value anywhere.
pub(crate) fn any_value(project: &LockedProject, table: &TableName, column: &ColumnName) -> Ddl {
    let (name, column) = (
        qualified(&project.schema, table),
        quote_ident(column.as_str()),
    );
    Ddl(format!(
        "SELECT EXISTS (SELECT FROM {name} WHERE {column} IS NOT NULL)"
    ))
}

/// How many values a column holds that are not among these.
pub(crate) fn count_others(
    project: &LockedProject,
    table: &TableName,
    column: &ColumnName,
    values: &[String],
) -> Ddl {
    let name = qualified(&project.schema, table);
    Ddl(format!(
        "SELECT count(DISTINCT {}) FROM {name} WHERE NOT {}",
        quote_ident(column.as_str()),
        among(column, values),
    ))
}

/// A check of these values in place of those that the column has, by their names in Postgres.
pub(crate) fn replace_checks(
    project: &LockedProject,
    (table, column): (&TableName, &ColumnName),
    checks: &[String],
    values: &[String],
) -> Ddl {
    let drops: String = checks
        .iter()
        .map(|check| format!("DROP CONSTRAINT {}, ", quote_ident(check)))
        .collect();
    Ddl(format!(
        "ALTER TABLE {} {drops}ADD CHECK ({});",
        qualified(&project.schema, table),
        among(column, values),
    ))
}

/// Nobody reads or writes the table until the change ends. Its owner, who is about to ask what would
/// be lost, sees every row: under a mirror it would see none. The change's end mirrors it again.
pub(crate) fn lock_table(project: &LockedProject, table: &TableName) -> Ddl {
    let name = qualified(&project.schema, table);
    Ddl(format!(
        "LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE;
         ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY;"
    ))
}

/// Row security as the policy engine writes it, of one table. It has to wait for every statement on
/// the table, and those that come after wait for it: better to be told to come back.
pub(crate) fn row_security(statements: &[String]) -> Ddl {
    Ddl(format!(
        "SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';\n{};",
        statements.join(";\n")
    ))
}

/// As long as all statements of a project may be held up by a change of its policies.
const LOCK_TIMEOUT: &str = "3s";

/// One column in full.
fn column(project: &LockedProject, column: &ColumnDefinition, key: Option<&ForeignKey>) -> String {
    let name = quote_ident(column.name.as_str());
    let mut text = format!("{name} {}", vectors::stored_type(project, column.ty.ty));
    // So that the host's evaluator, which compares bytes, and Postgres always agree.
    if column.ty.ty == ColumnType::Text {
        text.push_str(" COLLATE \"C\"");
    }
    if !column.nullable {
        text.push_str(" NOT NULL");
    }
    if let Some(default) = &column.default {
        text.push_str(&format!(" {}", default.to_clause()));
    }
    if let Some(values) = &column.ty.values {
        text.push_str(&format!(" CHECK ({})", among(&column.name, values)));
    }
    if column.unique {
        text.push_str(" UNIQUE");
    }
    if let Some(key) = key {
        text.push_str(&format!(
            " CONSTRAINT {} REFERENCES {} ({}) ON DELETE {}",
            quote_ident(&key.constraint),
            qualified(&project.schema, &key.table),
            quote_ident(key.column.as_str()),
            key.on_delete,
        ));
    }
    if let Some(check) = vectors::stored_check(project, &column.name, column.ty.ty) {
        text.push_str(&check);
    }
    text
}

fn among(column: &ColumnName, values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| quote_literal(value)).collect();
    let column = quote_ident(column.as_str());
    format!("{column} IN ({})", values.join(", "))
}

fn qualified(schema: &str, table: &TableName) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(table.as_str()))
}
