//! Pages, counts, sums and upserts; batches and transactions.
//!
//! `/page`, `/count-rows`, `/aggregate` and `/upsert` take a [`Call`] as JSON; `/batch` and
//! `/transaction?end=` a list of pairs of an operation and a call, and answer what each did.
//! `/keep` begins a transaction and leaves it in the instance, `/use-kept` uses that one.

use std::cell::RefCell;

use koyalite::tables::{self, Answer, Measure, Operation, Transaction};
use koyalite::{Error, Request, Response, Result};
use serde_json::{Value as Json, json};

use crate::host::Call;

thread_local! {
    static KEPT: RefCell<Option<Transaction>> = const { RefCell::new(None) };
}

pub async fn page(request: &Request) -> Result<Response> {
    let call: Call = request.json().await?;
    let page = call.select().page::<Json>(call.after.clone()).await?;
    Response::json(&json!({ "rows": page.rows, "next": page.next }))
}

pub async fn count(request: &Request) -> Result<Response> {
    let call: Call = request.json().await?;
    Response::json(&counting(&call).fetch().await?)
}

pub async fn aggregate(request: &Request) -> Result<Response> {
    let call: Call = request.json().await?;
    Response::json(&summing(&call)?.fetch::<Json>().await?)
}

pub async fn upsert(request: &Request) -> Result<Response> {
    let call: Call = request.json().await?;
    Response::json(&upserting(&call).fetch::<Json>().await?)
}

pub async fn batch(request: &Request) -> Result<Response> {
    let answers = tables::batch(operations(request).await?).await?;
    let answers: Vec<Json> = answers.iter().map(shown).collect();
    Response::json(&answers)
}

/// `?end=commit`, `rollback` or `drop`. Answers what each step did, up to the first that failed.
pub async fn transaction(request: &Request) -> Result<Response> {
    let transaction = tables::begin().await?;
    let mut answers = Vec::new();
    for operation in operations(request).await? {
        match transaction.run(operation).await {
            Ok(answer) => answers.push(shown(&answer)),
            Err(error) => answers.push(json!({ "error": error.code })),
        }
    }
    match request.query("end").as_deref() {
        Some("commit") => match transaction.commit().await {
            Ok(()) => answers.push(json!("committed")),
            Err(error) => answers.push(json!({ "error": error.code })),
        },
        Some("rollback") => transaction.rollback().await?,
        _ => drop(transaction),
    }
    Response::json(&answers)
}

/// Begins a transaction and leaves it open; answers the code of the error of a second one.
pub async fn keep(request: &Request) -> Result<Response> {
    let transaction = tables::begin().await?;
    for operation in operations(request).await? {
        transaction.run(operation).await?;
    }
    let second = tables::begin().await.err().map(|error| error.code);
    KEPT.set(Some(transaction));
    Response::json(&second)
}

/// Uses and tries to commit a transaction that another request began.
pub async fn use_kept(request: &Request) -> Result<Response> {
    let Some(transaction) = KEPT.take() else {
        return Err(Error::not_found("nothing is kept in this instance"));
    };
    let mut codes = Vec::new();
    for operation in operations(request).await? {
        codes.push(
            transaction
                .run(operation)
                .await
                .err()
                .map(|error| error.code),
        );
    }
    codes.push(transaction.commit().await.err().map(|error| error.code));
    Response::json(&codes)
}

async fn operations(request: &Request) -> Result<Vec<Operation>> {
    let calls: Vec<(String, Call)> = request.json().await?;
    let operations = calls.iter().map(|(name, call)| {
        Ok(match name.as_str() {
            "select" => call.select().into(),
            "count" => counting(call).into(),
            "aggregate" => summing(call)?.into(),
            "insert" => call.insert().into(),
            "upsert" => upserting(call).into(),
            "update" => call.update().into(),
            "delete" => call.delete().into(),
            _ => return Err(Error::bad_request("there is no such operation")),
        })
    });
    operations.collect()
}

fn counting(call: &Call) -> tables::Count {
    let (filter, params) = call.filter();
    tables::from(&call.table).count().filter(filter, params)
}

fn upserting(call: &Call) -> tables::Upsert {
    tables::from(&call.table)
        .upsert(&call.rows)
        .on(&call.conflict)
        .returning(&call.returning)
}

fn summing(call: &Call) -> Result<tables::Aggregate> {
    let measures = call.measures.iter().map(|(summary, column)| {
        Ok(match summary.as_str() {
            "count" => tables::count(),
            "sum" => tables::sum(column),
            "avg" => tables::avg(column),
            "min" => tables::min(column),
            "max" => tables::max(column),
            _ => return Err(Error::bad_request("there is no such summary")),
        })
    });
    let measures: Vec<Measure> = measures.collect::<Result<_>>()?;
    let (filter, params) = call.filter();
    Ok(tables::from(&call.table)
        .aggregate(measures)
        .group_by(&call.group_by)
        .filter(filter, params))
}

fn shown(answer: &Answer) -> Json {
    match answer.count() {
        Ok(count) => json!(count),
        Err(_) => json!(answer.rows::<Json>().unwrap_or_default()),
    }
}
