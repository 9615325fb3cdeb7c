//! What is sent later: `/emit?end=` takes an event as JSON, with `rows` to write to a table beside it in
//! a transaction where `end` is `commit`, `rollback` or `trap`; `/emitted/ID` asks what became of one.

use koyalite::{Request, Response, Result, tables, webhooks};
use serde::Deserialize;
use serde_json::{Value as Json, json};

#[derive(Deserialize)]
struct Emission {
    event_type: String,
    #[serde(default)]
    payload: Json,
    key: Option<String>,
    table: Option<String>,
    #[serde(default)]
    rows: Vec<Json>,
}

impl Emission {
    fn event(&self) -> Result<webhooks::Event> {
        let event = webhooks::event(&self.event_type).payload(&self.payload)?;
        Ok(match &self.key {
            Some(key) => event.idempotency_key(key),
            None => event,
        })
    }
}

pub async fn emit(request: &Request) -> Result<Response> {
    let emission: Emission = request.json().await?;
    let Some(end) = request.query("end") else {
        return Response::json(&json!({ "id": emission.event()?.emit().await? }));
    };
    let transaction = tables::begin().await?;
    if let Some(table) = &emission.table {
        transaction
            .run(tables::from(table).insert(&emission.rows))
            .await?;
    }
    let id = emission.event()?.emit_in(&transaction).await?;
    match end.as_str() {
        "commit" => transaction.commit().await?,
        "rollback" => transaction.rollback().await?,
        _ => panic!("trapped in a transaction, as asked"),
    }
    Response::json(&json!({ "id": id }))
}

pub async fn emitted(id: &str) -> Result<Response> {
    Response::json(&webhooks::status(id).await?)
}
