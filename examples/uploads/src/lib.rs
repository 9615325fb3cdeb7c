//! A picture for everyone who signs in, sent and fetched by signed links.
//!
//! | request | answer |
//! |---|---|
//! | `POST /avatar?type=image/png` | a link to put the picture at, once, within a minute |
//! | `GET /avatar` | 303 to a link to see it by, for five minutes |
//! | `DELETE /avatar` | 204 |
//!
//! There is no check of type, size or owner here: the policy in `policies.json` is that condition, asked
//! before the first byte and after the last one.

use koyalite::{Error, Method, Request, Response, Result, files, identity};
use serde_json::json;

/// As long as it takes to choose a picture.
const TO_SEND_S: u32 = 60;

/// As long as a page is looked at.
const TO_SEE_S: u32 = 300;

/// Pictures are shown small.
const BYTES_MAX: u64 = 2 << 20;

async fn handle(request: Request) -> Result<Response> {
    let caller = identity::current();
    let user = caller.subject.ok_or_else(|| Error::unauthorized("sign in"))?;
    let path = format!("avatars/{user}");
    match (request.method(), request.segments().as_slice()) {
        (Method::Post, ["avatar"]) => {
            let kind = request.query("type").unwrap_or_else(|| "image/png".to_owned());
            let put = files::sign_put(path, TO_SEND_S, Some(&kind), Some(BYTES_MAX)).await?;
            Response::json(&json!({ "put": put }))
        }
        (Method::Get, ["avatar"]) => {
            let link = files::sign_get(path, TO_SEE_S).await?;
            Ok(Response::status(303).with_header("location", link))
        }
        (Method::Delete, ["avatar"]) => {
            files::delete(path).await?;
            Ok(Response::status(204))
        }
        (_, ["avatar"]) => Err(Error::method_not_allowed("this path has another method")),
        _ => Err(Error::not_found("there is no such path")),
    }
}

koyalite::export!(handle);
