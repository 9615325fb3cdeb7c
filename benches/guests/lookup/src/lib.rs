//! One row by its key, as a user would write it: `GET /{id}` answers the row.

use koyalite::{Error, Request, Response, Result, tables};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Item {
    id: i64,
    owner_id: String,
    title: String,
    done: bool,
    created_at: String,
}

async fn handle(request: Request) -> Result<Response> {
    let id: i64 = match request.segments().as_slice() {
        [id] => id.parse().map_err(|_| Error::bad_request("an id is a number"))?,
        _ => return Err(Error::not_found("there is no such path")),
    };
    let items: Vec<Item> = tables::from("items")
        .select(["id", "owner_id", "title", "done", "created_at"])
        .filter("id = $1", [id.into()])
        .fetch()
        .await?;
    let item = items.into_iter().next();
    Response::json(&item.ok_or_else(|| Error::not_found("there is no such item"))?)
}

koyalite::export!(handle);
