//! Near rows: `/near/INDEX` takes a search and answers rows and plan, `/put-near/INDEX` takes rows,
//! `/drop-near/INDEX` a condition.

use koyalite::{Request, Response, Result, vectors};
use serde::Deserialize;
use serde_json::{Value as Json, json};

#[derive(Deserialize)]
struct Search {
    vector: Vec<f32>,
    k: u32,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    filter: String,
    #[serde(default)]
    exact: bool,
    /// Words to look for too, in titles.
    text: Option<String>,
}

pub async fn search(request: &Request, index: &str) -> Result<Response> {
    let asked: Search = request.json().await?;
    let mut search = vectors::index(index)
        .near(asked.vector)
        .take(asked.k)
        .columns(asked.columns)
        .filter(asked.filter, []);
    if asked.exact {
        search = search.exact();
    }
    let found = match asked.text {
        Some(text) => search.with_words(text, ["title"]).fetch::<Json>().await?,
        None => search.fetch::<Json>().await?,
    };
    let plan = format!("{:?}", found.plan);
    Response::json(&json!({ "rows": found.rows, "plan": plan }))
}

pub async fn upsert(request: &Request, index: &str) -> Result<Response> {
    let rows: Vec<Json> = request.json().await?;
    vectors::index(index).upsert(&rows).await?;
    Ok(Response::status(204))
}

pub async fn delete(request: &Request, index: &str) -> Result<Response> {
    let condition = request.text().await?;
    vectors::index(index).delete(condition, []).await?;
    Ok(Response::status(204))
}
