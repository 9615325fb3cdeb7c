//! The host's interfaces, called as the request says.
//!
//! `/select`, `/insert`, `/update` and `/delete` take a [`Call`] as JSON and answer the rows; what else
//! the tables interface can do is in `steps`.

use koyalite::tables::{self, Value};
use koyalite::{Error, Request, Response, Result, ScheduledEvent, fetch, identity};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// One call of the tables interface.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    pub table: String,
    #[serde(default)]
    columns: Vec<String>,
    filter: Option<String>,
    #[serde(default)]
    params: Vec<Json>,
    /// Pairs of a column and `asc` or `desc`.
    #[serde(default)]
    order: Vec<(String, String)>,
    limit: Option<u32>,
    #[serde(default)]
    embeds: Vec<Embed>,
    #[serde(default)]
    pub rows: Json,
    #[serde(default)]
    changes: Json,
    max_affected: Option<u32>,
    #[serde(default)]
    pub returning: Vec<String>,
    /// Of an upsert.
    #[serde(default)]
    pub conflict: Vec<String>,
    /// Of an aggregation: pairs of a summary and a column, `*` for rows.
    #[serde(default)]
    pub measures: Vec<(String, String)>,
    #[serde(default)]
    pub group_by: Vec<String>,
    /// Of a page.
    pub after: Option<String>,
}

/// Rows of a related table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embed {
    table: String,
    name: Option<String>,
    via: Option<String>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    embeds: Vec<Embed>,
}

impl Embed {
    fn embed(&self) -> tables::Embed {
        let mut embed = tables::embed(&self.table).columns(&self.columns);
        if let Some(name) = &self.name {
            embed = embed.named(name);
        }
        if let Some(via) = &self.via {
            embed = embed.via(via);
        }
        let inner = self.embeds.iter().map(Embed::embed);
        inner.fold(embed, tables::Embed::embed)
    }
}

impl Call {
    pub fn filter(&self) -> (String, Vec<Value>) {
        let params = self.params.iter().map(value).collect();
        (self.filter.clone().unwrap_or_default(), params)
    }

    pub fn select(&self) -> tables::Select {
        let (filter, params) = self.filter();
        let mut select = tables::from(&self.table)
            .select(&self.columns)
            .filter(filter, params);
        for (column, direction) in &self.order {
            select = match direction.as_str() {
                "desc" => select.order_by(tables::descending(column)),
                _ => select.order_by(tables::ascending(column)),
            };
        }
        for embed in &self.embeds {
            select = select.embed(embed.embed());
        }
        match self.limit {
            Some(rows) => select.limit(rows),
            None => select,
        }
    }

    pub fn insert(&self) -> tables::Insert {
        tables::from(&self.table)
            .insert(&self.rows)
            .returning(&self.returning)
    }

    pub fn update(&self) -> tables::Update {
        let (filter, params) = self.filter();
        let update = tables::from(&self.table)
            .update(&self.changes)
            .filter(filter, params)
            .returning(&self.returning);
        match self.max_affected {
            Some(rows) => update.max_affected(rows),
            None => update,
        }
    }

    pub fn delete(&self) -> tables::Delete {
        let (filter, params) = self.filter();
        let delete = tables::from(&self.table)
            .delete()
            .filter(filter, params)
            .returning(&self.returning);
        match self.max_affected {
            Some(rows) => delete.max_affected(rows),
            None => delete,
        }
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => (*value).into(),
        Json::String(text) => text.into(),
        Json::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().into(),
        },
        Json::Array(_) | Json::Object(_) => Value::Json(json.to_string()),
    }
}

pub async fn select(request: &Request) -> Result<Response> {
    let call: Call = request.json().await?;
    Response::json(&call.select().fetch::<Json>().await?)
}

/// The same select `?n=` times in a row; answers how many succeeded and the first error.
pub async fn select_many(request: &Request) -> Result<Response> {
    let times = crate::number_or(request, "n", 1001_u32)?;
    let call: Call = request.json().await?;
    for done in 0..times {
        if let Err(error) = call.select().fetch::<Json>().await {
            return Response::json(&json!({ "done": done, "code": error.code }));
        }
    }
    Response::json(&json!({ "done": times }))
}

pub async fn insert(request: &Request) -> Result<Response> {
    let call: Call = request.json().await?;
    Response::json(&call.insert().fetch::<Json>().await?)
}

pub async fn update(request: &Request) -> Result<Response> {
    let call: Call = request.json().await?;
    Response::json(&call.update().fetch::<Json>().await?)
}

pub async fn delete(request: &Request) -> Result<Response> {
    let call: Call = request.json().await?;
    Response::json(&call.delete().fetch::<Json>().await?)
}

pub fn whoami() -> Result<Response> {
    Response::json(&caller())
}

/// The caller as JSON: role, subject, claims.
pub fn caller() -> Json {
    let caller = identity::current();
    json!({
        "role": caller.role.to_string(),
        "subject": caller.subject,
        "claims": caller.claims,
    })
}

/// The value of `?key=`, or null.
pub fn config(request: &Request) -> Result<Response> {
    let key = request.query("key").unwrap_or_default();
    Response::json(&koyalite::config::get(&key))
}

/// One line at each level, with the text of `?line=`.
pub fn log(request: &Request) -> Result<Response> {
    use koyalite::log;

    let line = request.query("line").unwrap_or_default();
    log::debug!("{line}");
    log::info!("{line}");
    log::warn!("{line}");
    log::error!("{line}");
    println!("printed {line}");
    eprintln!("printed as an error {line}");
    Ok(Response::text("logged\n"))
}

/// A GET of `?url=`; answers its status and body, or the error's kind and message.
pub async fn outbound(request: &Request) -> Result<Response> {
    let Some(url) = request.query("url") else {
        return Err(Error::bad_request("say where: ?url="));
    };
    let answer = match fetch::get(&url).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let kind = format!("{:?}", error.kind);
            return Response::json(&json!({ "error": kind, "message": error.message }));
        }
    };
    let body = String::from_utf8_lossy(&answer.bytes().await?).into_owned();
    Response::json(&json!({ "status": answer.status(), "body": body }))
}

/// Writes the firing that this request is; anybody else is refused.
pub async fn fired(request: &Request) -> Result<Response> {
    let event = ScheduledEvent::from_request(request)?;
    let row = json!({
        "task": event.task,
        "scheduled_for": event.scheduled_for,
        "attempt": event.attempt,
        "role": identity::current().role.to_string(),
    });
    tables::from("firings").insert(&row).run().await?;
    Ok(Response::status(204))
}
