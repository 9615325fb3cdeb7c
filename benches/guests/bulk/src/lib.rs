//! Many rows at once: `POST /{rows}` inserts so many for the caller, all or none.

use koyalite::{Error, Request, Response, Result, identity, tables};
use serde::Serialize;

/// As many as one insert takes.
const PIECE: usize = 1000;

#[derive(Serialize)]
struct Entry {
    id: i64,
    owner_id: String,
    title: String,
    done: bool,
}

async fn handle(request: Request) -> Result<Response> {
    let rows: i64 = match request.segments().as_slice() {
        [rows] => rows
            .parse()
            .map_err(|_| Error::bad_request("say how many"))?,
        _ => return Err(Error::not_found("there is no such path")),
    };
    let entries = entries(rows)?;
    let table = tables::from("entries");
    let pieces = entries
        .chunks(PIECE)
        .map(|piece| table.insert(piece).into());
    tables::batch(pieces).await?;
    Ok(Response::status(204))
}

/// What an uploaded file would hold.
fn entries(rows: i64) -> Result<Vec<Entry>> {
    let caller = identity::current();
    let owner = caller
        .subject
        .ok_or_else(|| Error::unauthorized("sign in"))?;
    let entry = |id| Entry {
        id,
        owner_id: owner.clone(),
        title: format!("entry {id}"),
        done: id % 2 == 0,
    };
    Ok((1..=rows).map(entry).collect())
}

koyalite::export!(handle);
