//! A request and a firing in one instance, where the guest task's number may come again: each must
//! see its own caller. `/whoami` answers the caller now; `/last` what the last firing saw.

use std::cell::RefCell;

use koyalite::{Request, Response, Result, ScheduledEvent, identity, tables};
use serde_json::{Value, json};

thread_local! {
    static LAST: RefCell<Value> = const { RefCell::new(Value::Null) };
}

async fn handle(request: Request) -> Result<Response> {
    match request.path() {
        "/last" => Response::json(&LAST.with_borrow(Clone::clone)),
        _ => Response::json(&seen().await),
    }
}

async fn tick(event: ScheduledEvent) -> Result<()> {
    let mut seen = seen().await;
    seen["task"] = event.task.into();
    LAST.set(seen);
    Ok(())
}

async fn seen() -> Value {
    let caller = identity::current();
    let rows = tables::from("todos")
        .select(["id", "title"])
        .fetch::<Value>()
        .await;
    json!({
        "role": caller.role.to_string(),
        "subject": caller.subject,
        "rows": rows.map_err(|error| error.code),
    })
}

koyalite::export!(handle, scheduled = tick);
