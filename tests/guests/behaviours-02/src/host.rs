//! The host's interfaces, by its package of plain functions.

use crate::koyalite::host_sync::{config, identity, tables};

/// Role and subject of the caller.
pub fn whoami() -> String {
    let caller = identity::current();
    format!("{:?} {}", caller.role, caller.subject.unwrap_or_default())
}

/// The rows of `todos` as JSON, or the error's code.
pub fn select() -> String {
    let query = tables::Query {
        columns: Vec::new(),
        filter: tables::Filter {
            text: String::new(),
            params: Vec::new(),
        },
        order: Vec::new(),
        limit: None,
        embeds: Vec::new(),
    };
    tables::select("todos", &query).unwrap_or_else(|error| error.code)
}

/// Writes a row of the caller's own to `todos`; answers it, or the error's code.
pub fn insert() -> String {
    let owner = identity::current().subject.unwrap_or_default();
    let row = format!(r#"[{{"title":"from 0.2","owner_id":"{owner}"}}]"#);
    let returning = ["title".to_owned(), "owner_id".to_owned()];
    tables::insert("todos", &row, &returning).unwrap_or_else(|error| error.code)
}

/// The value of the key `greeting`.
pub fn config() -> String {
    config::get("greeting").unwrap_or_default()
}
