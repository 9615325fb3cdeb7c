//! Who asks, told to Postgres: the settings that mirrored policies read.
//!
//! Where a project's policies are Postgres' own as well (the mirror), each statement runs in a
//! transaction that says first for whom. The settings end with the transaction, so the next caller
//! on the connection inherits nothing. They are binds: nothing of a token becomes text of a statement.

use std::collections::BTreeSet;
use std::sync::Arc;

use deadpool_postgres::Client;
use koyalite_policy::{Identity, TableName, native};
use postgres_types::Type;
use tokio_postgres::{Error, Statement};

/// Whether Postgres enforces a project's policies beside the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mirror {
    /// The host alone.
    #[default]
    Off,
    /// Both: what the host would let through by mistake, Postgres holds back.
    On,
    /// Both on these tables, the host alone on all others.
    Tables(Arc<BTreeSet<TableName>>),
}

impl Mirror {
    /// Whether Postgres enforces the policies of this table.
    pub fn covers(&self, table: &TableName) -> bool {
        match self {
            Mirror::Off => false,
            Mirror::On => true,
            Mirror::Tables(tables) => tables.contains(table),
        }
    }
}

/// The settings of one transaction: names and values, in turns.
pub(crate) struct Told([String; 8]);

const TELL: &str = "SELECT set_config($1, $2, true), set_config($3, $4, true), \
                    set_config($5, $6, true), set_config($7, $8, true)";

/// What is told, and the statement that tells it.
pub(super) type Telling<'a> = (&'a Told, Option<Statement>);

impl Told {
    /// What mirrored policies may know of the caller.
    pub(crate) fn of(identity: &Identity) -> Told {
        let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
        let (claims, bypass) = match identity {
            Identity::Anonymous => (String::new(), String::new()),
            Identity::User(user) => (json(serde_json::to_string(user.claims())), String::new()),
            Identity::Service(service) => {
                let tables: Vec<&str> = service.bypass.iter().map(|table| table.as_str()).collect();
                match tables.as_slice() {
                    [] => (String::new(), String::new()),
                    tables => (String::new(), json(serde_json::to_string(tables))),
                }
            }
        };
        Told([
            native::UID.to_owned(),
            identity.subject().unwrap_or_default().to_owned(),
            native::ROLE.to_owned(),
            identity.role().as_str().to_owned(),
            native::CLAIMS.to_owned(),
            claims,
            native::BYPASS.to_owned(),
            bypass,
        ])
    }

    /// The statement that tells it, prepared on this connection if any are kept there.
    pub(super) async fn prepared(
        &self,
        client: &Client,
        keep: usize,
    ) -> Result<Telling<'_>, Error> {
        if keep == 0 {
            return Ok((self, None));
        }
        let types = [const { Type::TEXT }; 8];
        let statement = client.prepare_typed_cached(TELL, &types).await?;
        Ok((self, Some(statement)))
    }
}

/// Tells it, where there is something to tell. Sent when first polled, as everything is.
pub(super) async fn tell(client: &Client, telling: Option<&Telling<'_>>) -> Result<(), Error> {
    match telling {
        None => Ok(()),
        // No row of the answer is of interest; it goes where nobody reads it.
        Some((told, Some(statement))) => client.query_raw(statement, &told.0).await.map(drop),
        Some((told, None)) => {
            let binds = told.0.iter().map(|text| (text, Type::TEXT));
            client.query_typed_raw(TELL, binds).await.map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use koyalite_policy::{Service, User};
    use serde_json::json;

    use super::*;

    fn check(identity: &Identity, uid: &str, role: &str, (claims, bypass): (&str, &str)) {
        let told = Told::of(identity).0;
        let values: Vec<&str> = told.iter().skip(1).step_by(2).map(String::as_str).collect();
        assert_eq!(values, [uid, role, claims, bypass]);
    }

    #[test]
    fn each_kind_of_caller_is_told_apart() {
        check(&Identity::Anonymous, "", "anon", ("", ""));
        let claims = json!({"role": "service_role"}).as_object().unwrap().clone();
        let user = Identity::User(User::new("ann".to_owned(), claims));
        let told = r#"{"role":"service_role"}"#;
        check(&user, "ann", "authenticated", (told, ""));
        let service = |tables: &[&str]| {
            Identity::Service(Service {
                function: "nightly".parse().unwrap(),
                bypass: tables
                    .iter()
                    .map(|name| name.parse().unwrap())
                    .collect::<BTreeSet<_>>(),
            })
        };
        check(&service(&[]), "", "service_role", ("", ""));
        check(
            &service(&["todos"]),
            "",
            "service_role",
            ("", r#"["todos"]"#),
        );
    }
}
