//! What a function must not do, done.

use std::hint::black_box;
use std::time::{Duration, Instant};

use koyalite::{Error, Request, Response, Result, log};

use crate::number_or;

/// Uses the processor for so long, then answers.
pub fn burn(milliseconds: u64) -> Response {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(milliseconds) {
        black_box(());
    }
    Response::text("burnt\n")
}

/// Waits and never answers.
pub async fn sleep() -> Result<Response> {
    loop {
        koyalite::sleep(Duration::from_secs(3600)).await;
    }
}

/// Panics once the caller has seen something: it waits for the piece to have left the host.
pub fn trap_after_first_byte() -> Response {
    Response::stream(async |mut sender| {
        sender.send("first\n").await?;
        koyalite::sleep(Duration::from_millis(100)).await;
        panic!("trapped after the first byte, as asked");
    })
}

/// Ends a body by an error, without a trap.
pub fn break_off() -> Response {
    Response::stream(async |mut sender| {
        sender.send("first\n").await?;
        Err(Error::internal("broken off, as asked"))
    })
}

/// Writes `mib` MiB (1024) to the log in lines of 8 KiB.
pub fn log_flood(request: &Request) -> Result<Response> {
    let line = "x".repeat(8 * 1024);
    for _ in 0..number_or(request, "mib", 1024_u32)? * 128 {
        log::write(log::Level::Info, &line);
    }
    Ok(Response::text("logged\n"))
}

/// Writes `mib` MiB (1024) to standard output in lines of 8 KiB.
pub fn print_flood(request: &Request) -> Result<Response> {
    let line = "x".repeat(8 * 1024);
    for _ in 0..number_or(request, "mib", 1024_u32)? * 128 {
        println!("{line}");
    }
    Ok(Response::text("printed\n"))
}
