//! Runs on a schedule and answers no requests. A schedule whose name is `fails` fails; any other
//! writes the firing into the table `firings`.

use koyalite::{Error, Result, ScheduledEvent, identity, log, tables};
use serde_json::json;

async fn tick(event: ScheduledEvent) -> Result<()> {
    log::info!(
        "{} due {} try {}",
        event.task,
        event.scheduled_for,
        event.attempt
    );
    if event.task == "fails" {
        return Err(Error::internal("failed, as its name says"));
    }
    let row = json!({
        "task": event.task,
        "scheduled_for": event.scheduled_for,
        "attempt": event.attempt,
        "role": identity::current().role.to_string(),
    });
    tables::from("firings").insert(&row).run().await?;
    Ok(())
}

koyalite::export!(scheduled = tick);
