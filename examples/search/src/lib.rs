//! Documents in, the ones that are most like a question out.
//!
//! | request | answer |
//! |---|---|
//! | `POST /` with `{"title": "…", "body": "…", "shared": false}` | 201 and the document's id |
//! | `GET /?q=…` | up to ten documents, the most alike first, by meaning and by words |
//! | `DELETE /{id}` | 204 |
//!
//! There is no condition on owners here: the policies in `schema.json` decide what each caller finds.

mod embed;

use embed::embed;
use koyalite::{Error, Method, Request, Response, Result, identity, tables, vectors};
use serde::{Deserialize, Serialize};

const INDEX: &str = "documents_embedding";

/// How many documents an answer has at most.
const FOUND: u32 = 10;

#[derive(Deserialize)]
struct New {
    title: String,
    body: String,
    #[serde(default)]
    shared: bool,
}

#[derive(Serialize)]
struct Row {
    owner_id: Option<String>,
    title: String,
    body: String,
    shared: bool,
    embedding: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
struct Made {
    id: String,
}

#[derive(Serialize, Deserialize)]
struct Found {
    id: String,
    title: String,
    body: String,
    score: f64,
}

async fn handle(request: Request) -> Result<Response> {
    match (request.method(), request.segments().as_slice()) {
        (Method::Get, []) => find(&request).await,
        (Method::Post, []) => add(&request).await,
        (Method::Delete, [id]) => remove(id).await,
        (_, [] | [_]) => Err(Error::method_not_allowed("this path has another method")),
        _ => Err(Error::not_found("there is no such path")),
    }
}

async fn add(request: &Request) -> Result<Response> {
    let New {
        title,
        body,
        shared,
    } = request.json().await?;
    let row = Row {
        owner_id: identity::current().subject,
        embedding: embed(&format!("{title} {body}")),
        title,
        body,
        shared,
    };
    let made: Vec<Made> = tables::from("documents")
        .insert(&row)
        .returning(["id"])
        .fetch()
        .await?;
    Ok(Response::json(&made)?.with_status(201))
}

async fn find(request: &Request) -> Result<Response> {
    let question = request.query("q").unwrap_or_default();
    if question.trim().is_empty() {
        return Err(Error::bad_request("ask for something: ?q=…"));
    }
    let found = vectors::index(INDEX)
        .near(embed(&question))
        .take(FOUND)
        .columns(["id", "title", "body"])
        .with_words(&question, ["title", "body"])
        .language("english")
        .fetch::<Found>()
        .await?;
    Response::json(&found.rows)
}

async fn remove(id: &str) -> Result<Response> {
    vectors::index(INDEX).delete("id = $1", [id.into()]).await?;
    Ok(Response::status(204))
}

koyalite::export!(handle);
