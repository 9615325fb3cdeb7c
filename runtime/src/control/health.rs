//! Probes and counters: is the process there, does it want traffic, what has it done.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use std::sync::atomic::Ordering;

use crate::http::Code;
use crate::http::Problem;

use super::Shared;
use super::answer::Text;
use super::metrics::{Description, Kind};

const BUILD: Description = Description {
    name: "koyalite_build_info",
    help: "Always 1; the label says which version runs.",
    kind: Kind::Gauge,
};

const AGE: Description = Description {
    name: "koyalite_snapshot_age_seconds",
    help: "How long ago this node last knew that it serves the latest state.",
    kind: Kind::Gauge,
};

const SNAPSHOT: Description = Description {
    name: "koyalite_snapshot_seq",
    help: "The number of the last change of control data that this node serves.",
    kind: Kind::Gauge,
};

/// The process answers. Says nothing about the database: restarting us would not mend that.
pub(super) async fn healthz() -> Text {
    plain("ok\n")
}

/// The node wants traffic: not draining, and its database answers.
pub(super) async fn readyz(State(control): State<Shared>) -> Result<Text, Unready> {
    if control.draining.is_cancelled() {
        return Err(Unready(Code::Draining, "this node is shutting down"));
    }
    if control.registry.is_stale() {
        let detail =
            "this node has not reached its database for a while and may serve what is out of date";
        return Err(Unready(Code::Stale, detail));
    }
    match control.registry.head().await {
        Ok(_) => Ok(plain("ready\n")),
        Err(_) => Err(Unready(
            Code::Unavailable,
            "the control database does not answer",
        )),
    }
}

/// Why the node wants no traffic.
pub(super) struct Unready(Code, &'static str);

impl IntoResponse for Unready {
    fn into_response(self) -> Response {
        let Self(code, detail) = self;
        let mut response = code.status().into_response();
        response.extensions_mut().insert(Problem::new(code, detail));
        response
    }
}

fn plain(text: &str) -> Text {
    Text {
        media: "text/plain; charset=utf-8",
        text: text.to_owned(),
    }
}

/// All counters, in the Prometheus text format.
pub(super) async fn metrics(State(control): State<Shared>) -> Text {
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    control
        .metrics
        .labelled(BUILD, version)
        .store(1, Ordering::Relaxed);
    let seq = u64::try_from(control.registry.snapshot().seq).unwrap_or_default();
    control
        .metrics
        .number(SNAPSHOT)
        .store(seq, Ordering::Relaxed);
    let age = control.registry.age().as_secs();
    control.metrics.number(AGE).store(age, Ordering::Relaxed);
    Text {
        media: "text/plain; version=0.0.4; charset=utf-8",
        text: control.metrics.render(),
    }
}
