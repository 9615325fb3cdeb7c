//! Runs on a schedule and answers no requests. A schedule whose name is `fails` fails, one whose name is
//! `waits` takes its time; any other writes the firing into the table `firings`.

use std::time::Duration;

use koyalite::{Error, Result, ScheduledEvent, config, identity, log, tables};
use serde_json::{Value, json};

async fn tick(event: ScheduledEvent) -> Result<()> {
    log::info!(
        "{} due {} try {}",
        event.task,
        event.scheduled_for,
        event.attempt
    );
    match event.task.as_str() {
        "fails" => Err(Error::internal("failed, as its name says")),
        "waits" => waits(&event).await,
        _ => {
            let insert = tables::from("firings").insert(&row(&event));
            Ok(insert.run().await?)
        }
    }
}

fn row(event: &ScheduledEvent) -> Value {
    json!({
        "task": event.task,
        "scheduled_for": event.scheduled_for,
        "attempt": event.attempt,
        "role": identity::current().role.to_string(),
    })
}

/// Writes that it has begun, waits, and writes that it is done, in every way that there is. Says of each
/// what came of it, and fails where one of them did not succeed.
async fn waits(event: &ScheduledEvent) -> Result<()> {
    let steps = tables::from("steps");
    let step = |step: &str| json!({ "attempt": event.attempt, "key": event.idempotency_key, "step": step });
    steps.insert(&step("began")).run().await?;
    let wait = config::get("wait_ms").and_then(|text| text.parse().ok());
    let open = tables::begin().await?;
    open.run(steps.insert(&step("in a transaction"))).await?;
    koyalite::sleep(Duration::from_millis(wait.unwrap_or(0))).await;
    let committed = open.commit().await;
    let all = "attempt = $1";
    let mine = || [i64::from(event.attempt).into()];
    let came = [
        ("commit", committed),
        ("insert", steps.insert(&step("inserted")).run().await),
        ("upsert", steps.upsert(&step("began")).on(["attempt", "step"]).run().await),
        ("update", steps.update(&json!({ "done": true })).filter(all, mine()).run().await),
        ("delete", steps.delete().filter("attempt = $1 and step = 'deleted'", mine()).run().await),
        ("batch", tables::batch([steps.insert(&step("batched")).into(), steps.select(["step"]).into()]).await.map(drop)),
    ];
    let mut refused = None;
    for (what, outcome) in came {
        let code = outcome.as_ref().err().map_or("ok", |error| error.code.as_str());
        log::info!("{what}: {code}");
        refused = refused.or(outcome.err());
    }
    match refused {
        None => Ok(()),
        Some(error) => Err(error.into()),
    }
}

koyalite::export!(scheduled = tick);
