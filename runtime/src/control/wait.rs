//! `?wait=all` and `?wait=REGION` on a change: the answer comes when every node serves it, or those of one
//! region. A change is made whether or not all of them do in time; the answer then names those that do not.
//!
//! In front of every route that changes something. A node that was killed is waited for as long as it could
//! still serve the state before, because nobody here can tell it from one that is cut off.

use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Uri};

use crate::http::{Code, Mistake, Problem, with_query};
use crate::registry::propagation::{Lagging, Scope};
use crate::registry::{Registry, RegistryError};

use super::Shared;
use super::error::ApiError;

/// The number of the change that all who were waited for serve.
const SEQ: HeaderName = HeaderName::from_static("koyalite-seq");

/// Nodes look every second; thirty of those is a node that will not come by itself.
const WAIT_DEFAULT: Duration = Duration::from_secs(30);

/// Longer than a killed node is waited for with the default age limit.
const WAIT_MAX_S: u64 = 300;

/// Between two looks at what the nodes say.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is waited for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    scope: Scope,
    patience: Duration,
}

/// Lets the change happen, then waits where that is asked for.
pub(super) async fn wait(
    State(control): State<Shared>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (wanted, rest) = read(request.uri())?;
    let Some(wanted) = wanted else {
        return Ok(next.run(request).await);
    };
    if !control.registry.has_nodes(&wanted.scope).await? {
        return Err(ApiError::BadQuery(
            "`wait` names a region in which there is no node".to_owned(),
        ));
    }
    *request.uri_mut() = rest;
    let mut response = next.run(request).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    match everywhere(&control.registry, &wanted).await {
        Ok(seq) => {
            response.headers_mut().insert(SEQ, HeaderValue::from(seq));
            Ok(response)
        }
        Err(lagging) => Ok(not_yet(lagging)),
    }
}

/// The number that all of them serve, or those that do not yet; none of them where nobody can be asked.
async fn everywhere(registry: &Registry, wanted: &Wanted) -> Result<i64, Vec<Lagging>> {
    let end = Instant::now() + wanted.patience;
    let mut seq = None;
    loop {
        let asked = ask(registry, &mut seq, &wanted.scope).await;
        match (asked, seq) {
            (Ok(lagging), Some(seq)) if lagging.is_empty() => return Ok(seq),
            (asked, _) if Instant::now() >= end => return Err(asked.unwrap_or_default()),
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

async fn ask(
    registry: &Registry,
    seq: &mut Option<i64>,
    scope: &Scope,
) -> Result<Vec<Lagging>, RegistryError> {
    let seq = match *seq {
        Some(seq) => seq,
        // The change is committed: the head is at its number, or beyond.
        None => *seq.insert(registry.head().await?),
    };
    registry.lagging(seq, scope).await
}

fn not_yet(lagging: Vec<Lagging>) -> Response {
    let detail = match lagging.len() {
        0 => "the change is made; whether all nodes serve it could not be found out in time"
            .to_owned(),
        1 => "the change is made, and one node does not serve it yet".to_owned(),
        count => format!("the change is made, and {count} nodes do not serve it yet"),
    };
    let name = |node: Lagging| {
        let Lagging { name, region, seq } = node;
        Mistake::new(format!("{name} in {region} serves {seq}"))
    };
    let problem = Problem::new(Code::NotServedYet, detail)
        .with_errors(lagging.into_iter().map(name).collect());
    let mut response = problem.status().into_response();
    response.extensions_mut().insert(problem);
    response
}

/// What the query says of waiting, and the address without it.
fn read(uri: &Uri) -> Result<(Option<Wanted>, Uri), ApiError> {
    let query = uri.query().unwrap_or_default();
    let (mut scope, mut patience, mut others) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').unwrap_or((pair, "")) {
            ("wait", value) if scope.is_none() => scope = Some(scope_of(value)?),
            ("wait_s", value) if patience.is_none() => patience = Some(patience_of(value)?),
            ("wait" | "wait_s", _) => return Err(bad("say `wait` and `wait_s` once")),
            _ => others.push(pair),
        }
    }
    let Some(scope) = scope else {
        return match patience {
            Some(_) => Err(bad("`wait_s` needs `wait` beside it")),
            None => Ok((None, uri.clone())),
        };
    };
    let wanted = Wanted {
        scope,
        patience: patience.unwrap_or(WAIT_DEFAULT),
    };
    let rest = with_query(uri, &others.join("&"));
    Ok((
        Some(wanted),
        rest.ok_or_else(|| bad("the query is no text"))?,
    ))
}

fn scope_of(value: &str) -> Result<Scope, ApiError> {
    match value {
        "all" => Ok(Scope::All),
        "" => Err(bad("`wait` is `all` or a region")),
        region => Ok(Scope::Region(region.to_owned())),
    }
}

fn patience_of(value: &str) -> Result<Duration, ApiError> {
    let seconds = value.parse().ok().filter(|s| (1..=WAIT_MAX_S).contains(s));
    let wrong = || bad(&format!("`wait_s` is between 1 and {WAIT_MAX_S}"));
    Ok(Duration::from_secs(seconds.ok_or_else(wrong)?))
}

fn bad(words: &str) -> ApiError {
    ApiError::BadQuery(words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expected: Option<(Option<(Scope, u64)>, &str)>) {
        let read = read(&uri.parse().unwrap()).ok().map(|(wanted, rest)| {
            let wanted = wanted.map(|it| (it.scope, it.patience.as_secs()));
            (wanted, rest.to_string())
        });
        let expected = expected.map(|(wanted, rest)| (wanted, rest.to_owned()));
        assert_eq!(read, expected, "{uri}");
    }

    #[test]
    fn a_change_may_wait_for_all_nodes_or_a_region_and_its_handler_never_sees_that() {
        let eu = || Scope::Region("eu".to_owned());
        check("/v1/x", Some((None, "/v1/x")));
        check("/v1/x?a=1", Some((None, "/v1/x?a=1")));
        check("/v1/x?wait=all", Some((Some((Scope::All, 30)), "/v1/x")));
        check(
            "/v1/x?a=1&wait=eu&wait_s=5&b=2",
            Some((Some((eu(), 5)), "/v1/x?a=1&b=2")),
        );
        check(
            "http://h:1/v1/x?wait=all",
            Some((Some((Scope::All, 30)), "http://h:1/v1/x")),
        );
        for wrong in [
            "/v1/x?wait",
            "/v1/x?wait=",
            "/v1/x?wait=all&wait=eu",
            "/v1/x?wait_s=5",
            "/v1/x?wait=all&wait_s=0",
            "/v1/x?wait=all&wait_s=301",
            "/v1/x?wait=all&wait_s=x",
        ] {
            check(wrong, None);
        }
    }
}
