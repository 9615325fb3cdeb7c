//! Runs every few seconds and writes a row; asked by URL, shows the last ten.

use koyalite::{Request, Response, Result, ScheduledEvent, log, tables};
use serde::{Deserialize, Serialize};

/// A row of the table `ticks`.
#[derive(Serialize, Deserialize)]
struct Tick {
    task: String,
    scheduled_for: String,
    attempt: u32,
}

async fn handle(_request: Request) -> Result<Response> {
    let ticks: Vec<Tick> = tables::from("ticks")
        .select(["task", "scheduled_for", "attempt"])
        .order_by(tables::descending("scheduled_for"))
        .limit(10)
        .fetch()
        .await?;
    Response::json(&ticks)
}

async fn tick(event: ScheduledEvent) -> Result<()> {
    log::info!("tick: {} due at {}", event.task, event.scheduled_for);
    let ScheduledEvent {
        task,
        scheduled_for,
        attempt,
        ..
    } = event;
    tables::from("ticks")
        .insert(&Tick {
            task,
            scheduled_for,
            attempt,
        })
        .run()
        .await?;
    Ok(())
}

koyalite::export!(handle, scheduled = tick);
