//! Several requests in one instance: what they share, and what they must not.
//!
//! `/interleave?hold=K` and `/cross-wake?hold=K` wait until `/release?key=K` comes to the same
//! instance, then read the rows of `?table=` and answer them together with the caller, as seen
//! before and after. The first wakes by a timer of its own; the second is woken from inside the
//! releasing request, so its continuation runs while the host polls another request's task.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use koyalite::{Error, Request, Response, Result, tables};
use serde_json::{Value as Json, json};

use crate::host::caller;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static GATES: RefCell<HashMap<String, Gate>> = RefCell::default();
    static NOTED: RefCell<Json> = const { RefCell::new(Json::Null) };
}

/// Opened by `/release`; requests wait before it.
#[derive(Default)]
struct Gate {
    open: bool,
    waiting: Vec<Waker>,
}

/// How many times this instance was asked. 1 for a fresh one.
pub fn count() -> Result<Response> {
    Ok(Response::text(
        COUNT.replace(COUNT.get() + 1).wrapping_add(1).to_string(),
    ))
}

pub async fn interleave(request: &Request) -> Result<Response> {
    let before = caller();
    let key = required(request, "hold")?;
    while !is_open(&key) {
        koyalite::sleep(Duration::from_millis(5)).await;
    }
    rows_after_wait(request, before).await
}

pub async fn cross_wake(request: &Request) -> Result<Response> {
    let before = caller();
    let key = required(request, "hold")?;
    poll_fn(|context| {
        GATES.with_borrow_mut(|gates| {
            let gate = gates.entry(key.clone()).or_default();
            if gate.open {
                return Poll::Ready(());
            }
            gate.waiting.push(context.waker().clone());
            Poll::Pending
        })
    })
    .await;
    rows_after_wait(request, before).await
}

/// Opens the gate `?key=`; answers how many were woken.
pub fn release(request: &Request) -> Result<Response> {
    let key = required(request, "key")?;
    let waiting = GATES.with_borrow_mut(|gates| {
        let gate = gates.entry(key).or_default();
        gate.open = true;
        std::mem::take(&mut gate.waiting)
    });
    let woken = waiting.len();
    waiting.into_iter().for_each(Waker::wake);
    Response::json(&json!({ "woken": woken, "caller": caller() }))
}

/// Answers at once; afterwards notes who the caller then is and what rows they see.
pub fn after_answer(request: &Request) -> Result<Response> {
    let table = request.query("table");
    koyalite::spawn(async move {
        koyalite::sleep(Duration::from_millis(20)).await;
        let rows = match table {
            Some(table) => rows(&table).await,
            None => Json::Null,
        };
        NOTED.set(json!({ "caller": caller(), "rows": rows }));
    });
    Response::json(&caller())
}

/// What `/after-answer` noted last, in this instance.
pub fn noted() -> Result<Response> {
    Response::json(&NOTED.with_borrow(Clone::clone))
}

async fn rows_after_wait(request: &Request, before: Json) -> Result<Response> {
    let rows = match request.query("table") {
        Some(table) => rows(&table).await,
        None => Json::Null,
    };
    Response::json(&json!({ "before": before, "after": caller(), "rows": rows }))
}

/// The rows, or the code of the error.
async fn rows(table: &str) -> Json {
    let none: [&str; 0] = [];
    match tables::from(table).select(none).fetch::<Json>().await {
        Ok(rows) => Json::Array(rows),
        Err(error) => json!({ "error": error.code }),
    }
}

fn is_open(key: &str) -> bool {
    GATES.with_borrow(|gates| gates.get(key).is_some_and(|gate| gate.open))
}

fn required(request: &Request, name: &str) -> Result<String> {
    request
        .query(name)
        .ok_or_else(|| Error::bad_request(format!("?{name}= is missing")))
}
