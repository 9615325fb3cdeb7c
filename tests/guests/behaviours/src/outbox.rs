//! What is sent later: `/emit?end=` takes an event as JSON, with `rows` to write to a table beside it in
//! a transaction where `end` is `commit`, `rollback` or `trap`; `/emitted/ID` asks what became of one.
//! `/mail?end=` takes a message in the same way, and `/mailed/ID` asks.

use koyalite::{Request, Response, Result, email, tables, webhooks};
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

#[derive(Deserialize)]
struct Mail {
    to: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: String,
    html: Option<String>,
    from: Option<String>,
    reply_to: Option<String>,
    template: Option<String>,
    #[serde(default)]
    values: Json,
    key: Option<String>,
    #[serde(default)]
    attach: Vec<String>,
}

impl Mail {
    fn message(self) -> Result<email::Message> {
        let mut message = email::to(self.to).subject(self.subject).text(self.text);
        if let Some(html) = self.html {
            message = message.html(html);
        }
        if let Some(from) = self.from {
            message = message.from(from);
        }
        if let Some(reply_to) = self.reply_to {
            message = message.reply_to(reply_to);
        }
        if let Some(key) = self.key {
            message = message.idempotency_key(key);
        }
        for path in self.attach {
            message = message.attach(path);
        }
        Ok(match self.template {
            Some(template) => message.template(template, &self.values)?,
            None => message,
        })
    }
}

pub async fn mail(request: &Request) -> Result<Response> {
    let message = request.json::<Mail>().await?.message()?;
    let Some(end) = request.query("end") else {
        return Response::json(&json!({ "id": message.send().await? }));
    };
    let transaction = tables::begin().await?;
    let id = message.send_in(&transaction).await?;
    match end.as_str() {
        "commit" => transaction.commit().await?,
        _ => transaction.rollback().await?,
    }
    Response::json(&json!({ "id": id }))
}

pub async fn mailed(id: &str) -> Result<Response> {
    let status = email::status(id).await?;
    Response::json(&json!({
        "state": format!("{:?}", status.state), "attempts": status.attempts, "reason": status.reason,
    }))
}
