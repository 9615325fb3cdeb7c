//! What a function might do to its host or its neighbours: one route each. WASI 0.3 by the SDK.
//! `flows` is about bodies and headers, `takes` about processor, memory and tasks.

mod flows;
#[path = "../../behaviours/src/plain.rs"]
mod plain;
mod takes;

use koyalite::{Error, Request, Response, Result};

#[global_allocator]
static ALLOCATOR: takes::Allocator = takes::Allocator;

async fn handle(request: Request) -> Result<Response> {
    match *request.segments().as_slice() {
        ["spin"] => plain::spin(),
        ["spin-in-callback"] => takes::spin_in_callback(),
        ["sleep"] => takes::sleep().await,
        ["grow"] => plain::grow(),
        ["recurse"] => Ok(Response::text(plain::recurse(0).to_string())),
        ["subtasks"] => takes::subtasks().await,
        ["poll-storm"] => takes::poll_storm().await,
        ["linger"] => Ok(takes::linger()),
        ["linger-busy"] => Ok(takes::linger_busy()),
        ["panic-in-drop"] => takes::panic_in_drop(),
        ["panic-after"] => Ok(takes::panic_after()),
        ["log-lines"] => takes::log_lines(),
        ["random"] => takes::random(),
        ["call-self"] => takes::call_self(&request).await,

        ["huge-header"] => Ok(flows::huge_header()),
        ["many-headers"] => Ok(flows::many_headers()),
        ["never-read"] => Ok(Response::text("not interested\n")),
        ["answer-first"] => flows::answer_first(&request),
        ["drip"] => Ok(flows::drip()),
        ["torrent"] => Ok(flows::torrent()),
        _ => Err(Error::not_found("there is no such behaviour")),
    }
}

koyalite::export!(handle);
