//! A function's log as NDJSON: the newest lines, and on request every new one as it is written.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use koyalite_policy::FunctionName;
use serde::{Deserialize, Deserializer};
use tokio_stream::wrappers::IntervalStream;
use uuid::Uuid;

use crate::records::RecordLine;

use super::Shared;
use super::answer::Ndjson;
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::functions;

/// Proxies cut connections that are silent for 30 or 60 seconds; a blank line is a sign of life
/// that every NDJSON reader skips.
const HEARTBEAT: Duration = Duration::from_secs(15);

const LIMIT_DEFAULT: usize = 100;

/// What a terminal scrolls through; whoever wants all of it reads the segment files.
const LIMIT_MAX: usize = 10_000;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default, deserialize_with = "flag")]
    #[schema(value_type = Option<String>)]
    follow: Follow,
    limit: Option<usize>,
    /// The lines of one invocation alone.
    invocation: Option<Uuid>,
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
) -> Result<Ndjson, ApiError> {
    let function = functions::find(&project, &name)?.name.clone();
    let body = match wanted.follow {
        Follow::No => {
            let past = past(&control, project.id, &function, &wanted).await;
            Body::from_stream(stream::iter(past).map(line))
        }
        Follow::Yes => {
            // Listen before looking, or what is written between the two would be in neither.
            let coming = control.records.follow(project.id, &function);
            let past = past(&control, project.id, &function, &wanted).await;
            // What came while we looked is in both; everything after the first new line is new.
            let known = past.clone();
            let coming = coming.skip_while(move |line| std::future::ready(known.contains(line)));
            let coming = coming.filter(move |line| std::future::ready(wanted.takes(line)));
            let lines = stream::iter(past).chain(coming).map(line);
            // A node that drains must not wait for people who watch.
            let end = control.draining.clone().cancelled_owned();
            Body::from_stream(stream::select(lines, heartbeat()).take_until(end))
        }
    };
    Ok(Ndjson(body))
}

impl Wanted {
    fn takes(&self, line: &RecordLine) -> bool {
        self.invocation.is_none_or(|one| line.invocation == one)
    }
}

/// The newest lines that are wanted. Those of one invocation are looked for among all that can be read.
async fn past(
    control: &Shared,
    project: Uuid,
    function: &FunctionName,
    wanted: &Wanted,
) -> Vec<RecordLine> {
    let limit = wanted.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let among = match wanted.invocation {
        Some(_) => LIMIT_MAX,
        None => limit,
    };
    let mut lines = control.records.read(project, function, among).await;
    lines.retain(|line| wanted.takes(line));
    lines.split_off(lines.len().saturating_sub(limit))
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
