//! Answers that no honest function gives: in their headers, and in how they flow.

use std::time::Duration;

use koyalite::{Request, Response, Result};

/// One header of a MiB.
pub fn huge_header() -> Response {
    Response::text("").with_header("x-huge", "x".repeat(1024 * 1024))
}

/// Ten thousand headers.
pub fn many_headers() -> Response {
    let mut response = Response::text("");
    for number in 0..10_000 {
        response.headers_mut().append(format!("x-{number}"), "x");
    }
    response
}

/// Begins to answer, and only then reads what it was sent.
pub fn answer_first(request: &Request) -> Result<Response> {
    let mut body = request.body()?;
    Ok(Response::stream(async move |mut sender| {
        sender.send("begun\n").await?;
        let mut bytes = 0;
        while let Some(piece) = body.next().await? {
            bytes += piece.len();
        }
        sender.send(format!("{bytes}\n")).await
    }))
}

/// A byte at a time, for ever.
pub fn drip() -> Response {
    Response::stream(async |mut sender| {
        loop {
            sender.send("x").await?;
            koyalite::sleep(Duration::from_millis(20)).await;
        }
    })
}

/// Noise, as fast as it is taken.
pub fn torrent() -> Response {
    Response::stream(async |mut sender| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        loop {
            let mut noise = Vec::with_capacity(64 * 1024);
            while noise.len() < 64 * 1024 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                noise.extend(state.to_le_bytes());
            }
            sender.send(noise).await?;
        }
    })
}
