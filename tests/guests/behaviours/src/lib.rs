//! Every way a function may behave, well or badly: one route each. WASI 0.3 by the SDK; fit for
//! shared instances.
//!
//! `bodies` streams, `faults` misbehaves (`plain` and `steps_deep` where that needs no host), `host`
//! calls the host's interfaces, `near` looks for near rows, `outbox` sends, `shared` is about several requests in one instance, `steps` is about
//! tables, `surroundings` looks at what WASI shows.

mod bodies;
mod faults;
mod files;
mod host;
mod near;
mod outbox;
mod plain;
mod shared;
mod steps;
mod steps_deep;
mod surroundings;

use koyalite::{Error, Request, Response, Result};

async fn handle(request: Request) -> Result<Response> {
    match *request.segments().as_slice() {
        [] => Ok(Response::text("ok\n")),
        ["status", status] => Ok(Response::status(number(status)?)),

        ["echo"] => bodies::echo(&request),
        ["length"] => bodies::length(&request).await,
        ["sse"] => bodies::sse(&request),
        ["big-body"] => bodies::big(&request),

        ["spin"] => plain::spin(),
        ["burn", milliseconds] => Ok(faults::burn(number(milliseconds)?)),
        ["sleep"] => faults::sleep().await,
        ["pending"] => std::future::pending().await,
        ["grow"] => plain::grow(),
        ["recurse"] => Ok(Response::text(plain::recurse(0).to_string())),
        ["trap-deep"] => Ok(Response::text(steps_deep::outer_step())),
        ["trap-before"] => panic!("trapped before the first byte, as asked"),
        ["trap-after-first-byte"] => Ok(faults::trap_after_first_byte()),
        ["break-off"] => Ok(faults::break_off()),
        ["fault"] => Err(std::io::Error::other("a secret of the function").into()),
        ["log-flood"] => faults::log_flood(&request),
        ["print-flood"] => faults::print_flood(&request),

        ["whoami"] => host::whoami(),
        ["fired"] => host::fired(&request).await,
        ["config"] => host::config(&request),
        ["log"] => host::log(&request),
        ["select"] => host::select(&request).await,
        ["select-many"] => host::select_many(&request).await,
        ["insert"] => host::insert(&request).await,
        ["update"] => host::update(&request).await,
        ["delete"] => host::delete(&request).await,
        ["page"] => steps::page(&request).await,
        ["count-rows"] => steps::count(&request).await,
        ["aggregate"] => steps::aggregate(&request).await,
        ["upsert"] => steps::upsert(&request).await,
        ["batch"] => steps::batch(&request).await,
        ["transaction"] => steps::transaction(&request).await,
        ["keep"] => steps::keep(&request).await,
        ["use-kept"] => steps::use_kept(&request).await,
        ["near", index] => near::search(&request, index).await,
        ["put-near", index] => near::upsert(&request, index).await,
        ["drop-near", index] => near::delete(&request, index).await,
        ["emit"] => outbox::emit(&request).await,
        ["emitted", id] => outbox::emitted(id).await,
        ["mail"] => outbox::mail(&request).await,
        ["mailed", id] => outbox::mailed(id).await,
        ["file", ref path @ ..] => files::file(&request, &path.join("/")).await,
        ["files-under"] => files::under(&request).await,
        ["outbound"] => host::outbound(&request).await,

        ["count"] => shared::count(),
        ["interleave"] => shared::interleave(&request).await,
        ["cross-wake"] => shared::cross_wake(&request).await,
        ["release"] => shared::release(&request),
        ["after-answer"] => shared::after_answer(&request),
        ["noted"] => shared::noted(),

        ["headers"] => surroundings::headers(&request),
        ["paths", ..] => surroundings::paths(&request),
        ["env"] => surroundings::environment(),
        ["files"] => surroundings::files(),
        ["sockets"] => surroundings::sockets(),
        _ => Err(Error::not_found("there is no such behaviour")),
    }
}

/// A number out of the URL.
fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse()
        .map_err(|_| Error::bad_request(format!("{text:?} is not a number here")))
}

/// A number out of the query, or a default.
fn number_or<T: std::str::FromStr>(request: &Request, name: &str, default: T) -> Result<T> {
    request
        .query(name)
        .map_or(Ok(default), |text| number(&text))
}

koyalite::export!(handle);
