//! Says hello, in WASI 0.3 by the SDK. The smallest function there is.

use koyalite::{Request, Response, Result};

async fn handle(request: Request) -> Result<Response> {
    let name = request.query("name").unwrap_or_else(|| "world".to_owned());
    Ok(Response::text(format!("hello, {name}\n")))
}

koyalite::export!(handle);
