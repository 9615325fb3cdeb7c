//! Write KoyaLite functions in Rust.
//!
//! A function is one `async fn` from a [`Request`] to a [`Response`]. It is compiled to a
//! WebAssembly component, deployed over HTTP and called by its URL; each call runs in an instance of
//! its own unless its manifest says otherwise.
//!
//! ```no_run
//! use koyalite::{Request, Response, Result};
//!
//! async fn handle(request: Request) -> Result<Response> {
//!     let name = request.query("name").unwrap_or_else(|| "world".to_owned());
//!     Ok(Response::text(format!("hello, {name}\n")))
//! }
//!
//! koyalite::export!(handle);
//! ```
//!
//! # Build and deploy
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! koyalite-sdk = "0.1"
//! ```
//!
//! ```sh
//! rustup target add wasm32-wasip2       # once
//! cargo build --release --target wasm32-wasip2
//! koyalite deploy
//! ```
//!
//! # Requests and responses
//!
//! [`Request::path`] is the part of the URL below the function's own path, so a function need not
//! know where it is mounted. Bodies are read whole ([`Request::text`], [`Request::json`]) or piece by
//! piece ([`Request::body`]); answers are made whole ([`Response::json`]) or written while the caller
//! already reads ([`Response::stream`]).
//!
//! ```no_run
//! use koyalite::{Error, Method, Request, Response, Result};
//!
//! async fn handle(request: Request) -> Result<Response> {
//!     match (request.method(), request.segments().as_slice()) {
//!         (Method::Get, []) => Ok(Response::html("<h1>Guests</h1>")),
//!         (Method::Post, ["echo"]) => Ok(Response::bytes(request.bytes().await?)),
//!         (Method::Get, ["guests", id]) => Ok(Response::text(format!("guest {id}"))),
//!         _ => Err(Error::not_found("there is no such page")),
//!     }
//! }
//! # koyalite::export!(handle);
//! ```
//!
//! # Tables
//!
//! [`tables`] reads and writes rows of the project's tables, always under the policies of the
//! caller: what a policy hides does not exist for the function either.
//!
//! ```no_run
//! use koyalite::{Request, Response, Result, tables};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Todo {
//!     id: String,
//!     title: String,
//! }
//!
//! async fn handle(_request: Request) -> Result<Response> {
//!     let open: Vec<Todo> = tables::from("todos")
//!         .select(["id", "title"])
//!         .filter("done = $1", [false.into()])
//!         .order_by(tables::descending("created_at"))
//!         .limit(50)
//!         .fetch()
//!         .await?;
//!     Response::json(&open)
//! }
//! # koyalite::export!(handle);
//! ```
//!
//! # Errors
//!
//! Any error can be returned by `?`. One of ours turns into an answer with a fitting status (a
//! policy's refusal into 403, a missing row into 404, bad JSON into 400 and so on) as
//! `application/problem+json`; any other becomes 500, its text kept from the caller and written to
//! the function's log. See [`Error`].
//!
//! # Schedules
//!
//! A second function may run by the clock, as the manifest's `[[schedules]]` say:
//!
//! ```no_run
//! use koyalite::{Request, Response, Result, ScheduledEvent, log};
//!
//! async fn handle(_request: Request) -> Result<Response> {
//!     Ok(Response::text("I also tick\n"))
//! }
//!
//! async fn tick(event: ScheduledEvent) -> Result<()> {
//!     log::info!("{} was due at {}", event.task, event.scheduled_for);
//!     Ok(())
//! }
//!
//! koyalite::export!(handle, scheduled = tick);
//! ```
//!
//! # The rest
//!
//! - [`identity`]: who is calling.
//! - [`config`]: values from the manifest.
//! - [`log`]: lines in the function's log.
//! - [`email`]: mail, by templates or in the function's own words.
//! - [`files`]: files of any length, whole or piece by piece, and links to them.
//! - [`vectors`]: the nearest rows of a table.
//! - [`webhooks`]: events for whoever has subscribed to them.
//! - [`fetch`]: requests to the hosts that the manifest allows.
//! - [`sleep`] and [`spawn`]: waiting, and work beside or after the answer.
//!
//! A function with `isolation = "shared"` keeps its statics between requests and serves several at
//! once. Where one of them is to wake another (a channel, an async lock), switch on the feature
//! `wake-across-requests`.
//!
//! The crate also compiles for the machine you develop on, so that a function's own logic can have
//! ordinary unit tests; only the calls to the host are missing there (they panic).

mod bindings;
mod body;
mod error;
mod export;
mod headers;
mod method;
mod problem;
mod request;
mod response;
mod scheduled;
mod tasks;
mod text;

pub mod config;
pub mod email;
pub mod fetch;
pub mod files;
pub mod identity;
pub mod log;
pub mod tables;
pub mod vectors;
pub mod webhooks;

pub use body::{Body, Sender};
pub use error::Error;
pub use headers::Headers;
pub use method::Method;
pub use request::Request;
pub use response::Response;
pub use scheduled::ScheduledEvent;
pub use tasks::{sleep, spawn};

/// What functions return: a value, or an [`Error`] that knows how to answer the caller.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[doc(hidden)]
pub use export::__private;
