//! The control API describes itself: one OpenAPI 3.1 document, at `/openapi.json`, and pages made of
//! it at `/docs/`.
//!
//! Nothing is written twice. Paths and permissions come from the table of routes; parameters, bodies
//! and answers from the types of the handlers, by way of [`Described`]: a handler whose types do not
//! say what they are does not compile. Only what people call an operation is written here, in
//! `words`, and a route without words fails a test.
//!
//! Reading order: `handler`, `takes` and `gives` fill a `sketch`; `document` makes the document out
//! of the sketches of all routes; `pages` shows it.

mod document;
mod generic;
mod gives;
mod handler;
mod pages;
mod refusals;
mod sketch;
mod takes;
mod words;

#[cfg(test)]
mod tests;

pub(super) use self::handler::Described;
pub(super) use self::pages::{file, json, pages};
pub(super) use self::sketch::Sketch;
pub(super) use self::takes::Takes;
