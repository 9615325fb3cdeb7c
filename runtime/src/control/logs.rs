//! A function's log as NDJSON: the newest lines, and on request every new one as it is written.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::{Deserialize, Deserializer};
use tokio_stream::wrappers::IntervalStream;

use crate::records::RecordLine;

use super::Shared;
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::functions;

/// Proxies cut connections that are silent for 30 or 60 seconds; a blank line is a sign of life
/// that every NDJSON reader skips.
const HEARTBEAT: Duration = Duration::from_secs(15);

const LIMIT_DEFAULT: usize = 100;

/// What a terminal scrolls through; whoever wants all of it reads the segment files.
const LIMIT_MAX: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default, deserialize_with = "flag")]
    follow: Follow,
    limit: Option<usize>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Follow {
    #[default]
    No,
    Yes,
}

pub(super) async fn read(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, name)): At<(String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Response, ApiError> {
    let function = functions::find(&project, &name)?.name.clone();
    let limit = wanted.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let body = match wanted.follow {
        Follow::No => {
            let past = control.records.read(project.id, &function, limit).await;
            Body::from_stream(stream::iter(past).map(line))
        }
        Follow::Yes => {
            // Listen before looking, or what is written between the two would be in neither.
            let coming = control.records.follow(project.id, &function);
            let past = control.records.read(project.id, &function, limit).await;
            // What came while we looked is in both; everything after the first new line is new.
            let known = past.clone();
            let coming = coming.skip_while(move |line| std::future::ready(known.contains(line)));
            let lines = stream::iter(past).chain(coming).map(line);
            // A node that drains must not wait for people who watch.
            let end = control.draining.clone().cancelled_owned();
            Body::from_stream(stream::select(lines, heartbeat()).take_until(end))
        }
    };
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, body).into_response())
}

fn line(record: RecordLine) -> Result<Bytes, Infallible> {
    // A line that cannot be written is left out: the next one may say why.
    let mut text = serde_json::to_vec(&record).unwrap_or_default();
    text.push(b'\n');
    Ok(text.into())
}

fn heartbeat() -> impl Stream<Item = Result<Bytes, Infallible>> {
    let first = tokio::time::Instant::now() + HEARTBEAT;
    let ticks = IntervalStream::new(tokio::time::interval_at(first, HEARTBEAT));
    ticks.map(|_| Ok(Bytes::from_static(b"\n")))
}

/// `1`, `true` and the bare name mean yes.
fn flag<'de, D: Deserializer<'de>>(text: D) -> Result<Follow, D::Error> {
    match String::deserialize(text)?.as_str() {
        "" | "1" | "true" => Ok(Follow::Yes),
        "0" | "false" => Ok(Follow::No),
        _ => Err(serde::de::Error::custom("`follow` must be 1 or 0")),
    }
}
