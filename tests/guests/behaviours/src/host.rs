//! The host's interfaces, called as the request says.
//!
//! `/select`, `/insert`, `/update` and `/delete` take a [`Call`] as JSON and answer the rows.

use koyalite::tables::{self, Value};
use koyalite::{Error, Request, Response, Result, fetch, identity};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// One call of the tables interface.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    table: String,
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
    rows: Json,
    #[serde(default)]
    changes: Json,
    max_affected: Option<u32>,
    #[serde(default)]
    returning: Vec<String>,
}

impl Call {
    fn filter(&self) -> (String, Vec<Value>) {
        let params = self.params.iter().map(value).collect();
        (self.filter.clone().unwrap_or_default(), params)
    }

    fn select(&self) -> tables::Select {
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
        match self.limit {
            Some(rows) => select.limit(rows),
            None => select,
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
    let insert = tables::from(&call.table)
        .insert(&call.rows)
        .returning(&call.returning);
    Response::json(&insert.fetch::<Json>().await?)
}

pub async fn update(request: &Request) -> Result<Response> {
    let call: Call = request.json().await?;
    let (filter, params) = call.filter();
    let mut update = tables::from(&call.table)
        .update(&call.changes)
        .filter(filter, params);
    if let Some(rows) = call.max_affected {
        update = update.max_affected(rows);
    }
    Response::json(&update.returning(&call.returning).fetch::<Json>().await?)
}

pub async fn delete(request: &Request) -> Result<Response> {
    let call: Call = request.json().await?;
    let (filter, params) = call.filter();
    let mut delete = tables::from(&call.table).delete().filter(filter, params);
    if let Some(rows) = call.max_affected {
        delete = delete.max_affected(rows);
    }
    Response::json(&delete.returning(&call.returning).fetch::<Json>().await?)
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
