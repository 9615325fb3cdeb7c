//! The host's interfaces, by its package of plain functions.

use crate::koyalite::host_sync::{config, files, identity, tables, vectors};

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

/// The titles that are near to `[1, 0, 0]` by the index `near`, as JSON, or the error's code.
pub fn near() -> String {
    let query = vectors::SearchQuery {
        vector: vec![1.0, 0.0, 0.0],
        k: 5,
        filter: tables::Filter {
            text: String::new(),
            params: Vec::new(),
        },
        columns: vec!["title".to_owned()],
        precision: vectors::Precision::Automatic,
    };
    match vectors::search("near", &query) {
        Ok(found) => found.rows,
        Err(error) => error.code,
    }
}

/// Writes a row of the caller's own to `todos`; answers it, or the error's code.
pub fn insert() -> String {
    let owner = identity::current().subject.unwrap_or_default();
    let row = format!(r#"[{{"title":"from 0.2","owner_id":"{owner}"}}]"#);
    let returning = ["title".to_owned(), "owner_id".to_owned()];
    tables::insert("todos", &row, &returning).unwrap_or_else(|error| error.code)
}

/// Writes two rows of the caller's own in a transaction and counts them there; `keep` says whether
/// it is committed. Answers the count, or the error's code.
pub fn transaction(keep: bool) -> String {
    in_transaction(keep).unwrap_or_else(|error| error.code)
}

fn in_transaction(keep: bool) -> Result<String, tables::Error> {
    let owner = identity::current().subject.unwrap_or_default();
    let transaction = tables::begin()?;
    for title in ["one", "two"] {
        let rows = format!(r#"[{{"title":"{title}","owner_id":"{owner}"}}]"#);
        transaction.run(&tables::Operation::Insert(tables::Insertion {
            table: "todos".to_owned(),
            rows,
            returning: Vec::new(),
        }))?;
    }
    let all = tables::Operation::Count(tables::Counting {
        table: "todos".to_owned(),
        filter: tables::Filter {
            text: String::new(),
            params: Vec::new(),
        },
    });
    let counted = transaction.run(&all)?;
    if keep {
        transaction.commit()?;
    }
    Ok(format!("{counted:?}"))
}

/// The value of the key `greeting`.
pub fn config() -> String {
    config::get("greeting").unwrap_or_default()
}

/// Writes a file in two pieces, reads the end of it, and signs a link; answers what was read, or the error's
/// code.
pub fn file() -> String {
    through_a_file().unwrap_or_else(|error| error.code)
}

fn through_a_file() -> Result<String, files::Error> {
    let options = files::PutOptions {
        mime_type: Some("text/plain".to_owned()),
        size: None,
        precondition: files::Precondition::Anything,
    };
    let upload = files::create("notes/02.txt", &options)?;
    upload.write(b"from ")?;
    upload.write(b"WASI 0.2")?;
    let written = upload.finish()?;
    let (found, download) = files::open("notes/02.txt", files::Part::Last(8))?;
    let mut end = Vec::new();
    while let Some(piece) = download.read()? {
        end.extend(piece);
    }
    let link = files::sign_get("notes/02.txt", 60)?;
    let same = written.etag == found.etag && link.contains("/files/");
    Ok(format!("{} {same}", String::from_utf8_lossy(&end)))
}
