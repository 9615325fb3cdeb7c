//! A list of things to do for everyone who signs in, each seeing only their own.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | the caller's list, newest first |
//! | `POST /` with `{"title": "…"}` | 201 and the new entry |
//! | `PATCH /{id}` with `{"done": true}` | the changed entry |
//! | `DELETE /{id}` | 204 |
//! | `GET /whoami` | who the caller is |
//!
//! Paths are seen from where the function is mounted.
//!
//! There is no `where owner_id = …` here: the policy in `schema.json` is that condition, for every
//! statement of every function.

use koyalite::{Error, Method, Request, Response, Result, identity, tables};
use serde::{Deserialize, Serialize};

const COLUMNS: [&str; 4] = ["id", "title", "done", "created_at"];

/// A row of the table `todos`.
#[derive(Serialize, Deserialize)]
struct Todo {
    id: String,
    title: String,
    done: bool,
    created_at: String,
}

#[derive(Deserialize)]
struct New {
    title: String,
}

#[derive(Serialize, Deserialize)]
struct Change {
    done: bool,
}

async fn handle(request: Request) -> Result<Response> {
    match (request.method(), request.segments().as_slice()) {
        (Method::Get, []) => list().await,
        (Method::Post, []) => create(&request).await,
        (Method::Get, ["whoami"]) => whoami(),
        (Method::Patch, [id]) => change(&request, id).await,
        (Method::Delete, [id]) => delete(id).await,
        (_, [] | [_]) => Err(Error::method_not_allowed("this path has another method")),
        _ => Err(Error::not_found("there is no such path")),
    }
}

async fn list() -> Result<Response> {
    let todos: Vec<Todo> = tables::from("todos")
        .select(COLUMNS)
        .order_by(tables::descending("created_at"))
        .limit(100)
        .fetch()
        .await?;
    Response::json(&todos)
}

async fn create(request: &Request) -> Result<Response> {
    #[derive(Serialize)]
    struct Row {
        owner_id: Option<String>,
        title: String,
    }

    let New { title } = request.json().await?;
    if title.trim().is_empty() {
        return Err(Error::bad_request("a title must not be empty"));
    }
    let row = Row {
        owner_id: identity::current().subject,
        title,
    };
    let made: Vec<Todo> = tables::from("todos")
        .insert(&row)
        .returning(COLUMNS)
        .fetch()
        .await?;
    let todo = one(made)?;
    let location = format!("{}/{}", request.base_path(), todo.id);
    Ok(Response::json(&todo)?
        .with_status(201)
        .with_header("location", location))
}

async fn change(request: &Request, id: &str) -> Result<Response> {
    let change: Change = request.json().await?;
    let changed: Vec<Todo> = tables::from("todos")
        .update(&change)
        .filter("id = $1", [id.into()])
        .returning(COLUMNS)
        .fetch()
        .await?;
    Response::json(&one(changed)?)
}

async fn delete(id: &str) -> Result<Response> {
    let gone: Vec<Todo> = tables::from("todos")
        .delete()
        .filter("id = $1", [id.into()])
        .returning(COLUMNS)
        .fetch()
        .await?;
    one(gone)?;
    Ok(Response::status(204))
}

fn whoami() -> Result<Response> {
    #[derive(Serialize)]
    struct WhoAmI {
        role: String,
        subject: Option<String>,
    }

    let caller = identity::current();
    Response::json(&WhoAmI {
        role: caller.role.to_string(),
        subject: caller.subject,
    })
}

/// Somebody else's entry is not there for this caller, exactly as one that never was.
fn one(rows: Vec<Todo>) -> Result<Todo> {
    rows.into_iter()
        .next()
        .ok_or_else(|| Error::not_found("there is no such entry"))
}

koyalite::export!(handle);
