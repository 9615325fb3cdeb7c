//! Bodies that flow, in both directions.

use std::time::Duration;

use koyalite::{Request, Response, Result};

use crate::number_or;

/// Sends the request's body back while it arrives.
pub fn echo(request: &Request) -> Result<Response> {
    let mut body = request.body()?;
    Ok(Response::stream(async move |mut sender| {
        while let Some(piece) = body.next().await? {
            sender.send(piece).await?;
        }
        Ok(())
    }))
}

/// Reads the request's body, keeps nothing, answers its length.
pub async fn length(request: &Request) -> Result<Response> {
    let mut body = request.body()?;
    let mut bytes = 0;
    while let Some(piece) = body.next().await? {
        bytes += piece.len();
    }
    Ok(Response::text(bytes.to_string()))
}

/// `n` events (5), `ms` milliseconds apart (0).
pub fn sse(request: &Request) -> Result<Response> {
    let events = number_or(request, "n", 5_u32)?;
    let pause = Duration::from_millis(number_or(request, "ms", 0)?);
    Ok(Response::events(async move |mut sender| {
        for number in 1..=events {
            sender.event(&format!("event {number}")).await?;
            if !pause.is_zero() {
                koyalite::sleep(pause).await;
            }
        }
        Ok(())
    }))
}

/// `mib` MiB of zeros (1024).
pub fn big(request: &Request) -> Result<Response> {
    let mib = number_or(request, "mib", 1024_u32)?;
    Ok(Response::stream(async move |mut sender| {
        for _ in 0..mib * 16 {
            sender.send(vec![0; 64 * 1024]).await?;
        }
        Ok(())
    }))
}
