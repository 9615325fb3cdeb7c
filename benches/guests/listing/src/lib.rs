//! Twenty rows with what belongs to each: `GET /{after}` answers those after an id.

use koyalite::{Error, Request, Response, Result, tables};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Item {
    id: i64,
    title: String,
    done: bool,
    created_at: String,
    notes: Vec<Note>,
}

#[derive(Serialize, Deserialize)]
struct Note {
    id: i64,
    body: String,
}

async fn handle(request: Request) -> Result<Response> {
    let after: i64 = match request.segments().as_slice() {
        [after] => after
            .parse()
            .map_err(|_| Error::bad_request("an id is a number"))?,
        _ => return Err(Error::not_found("there is no such path")),
    };
    let items: Vec<Item> = tables::from("items")
        .select(["id", "title", "done", "created_at"])
        .filter("id > $1", [after.into()])
        .order_by("id")
        .limit(20)
        .embed(
            tables::embed("notes")
                .columns(["id", "body"])
                .order_by("id"),
        )
        .fetch()
        .await?;
    Response::json(&items)
}

koyalite::export!(handle);
