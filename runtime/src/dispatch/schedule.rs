//! A firing as the guest sees it: an event for the `scheduled` export, or a signed request.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{BodyExt as _, Empty};
use uuid::Uuid;
use wasmtime_wasi_http::WasiBody;

use super::Selected;
use super::error::DispatchError;
use crate::engine::ScheduledEvent;
use crate::http::Body;
use crate::keys::SecretKey;

/// How long a firing's signature is good. A run is started as soon as it is claimed; five minutes
/// cover a busy node and clocks that differ.
const SIGNATURE_LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// What an answer to a firing may be long before the rest is not read: nobody reads it.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// One firing.
pub(super) struct Firing<'a> {
    pub(super) task: &'a str,
    pub(super) task_id: Uuid,
    pub(super) path: Option<&'a str>,
    pub(super) scheduled_for: DateTime<Utc>,
    pub(super) attempt: u32,
    pub(super) missed: u32,
}

impl Firing<'_> {
    fn due(&self) -> String {
        // A run that somebody asked for is due at a moment that has fractions.
        self.scheduled_for
            .to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    /// The same for every attempt and version: what must happen once for this firing goes by it.
    fn idempotency_key(&self) -> String {
        format!("{}/{}", self.task_id, self.due())
    }

    /// For the `scheduled` export.
    pub(super) fn event(&self) -> ScheduledEvent {
        ScheduledEvent {
            task: self.task.to_owned(),
            scheduled_for: self.due(),
            attempt: self.attempt,
            task_id: self.task_id.to_string(),
            missed_count: self.missed,
            idempotency_key: self.idempotency_key(),
        }
    }

    /// For a component without that export: a POST to the path that the schedule declares. Guests
    /// can trust its `koyalite-*` headers because the gateway strips those of any other request; the
    /// signature lets what is behind the guest check them as well.
    pub(super) fn request(
        &self,
        selected: &Selected,
        key: &SecretKey,
        now: DateTime<Utc>,
    ) -> Result<http::Request<WasiBody>, DispatchError> {
        let unusable = |error: &dyn std::fmt::Display| DispatchError::Unusable {
            inside: format!("the schedule cannot be sent as a request: {error}"),
        };
        let manifest = &selected.version.manifest;
        let path = self.path.unwrap_or(&manifest.path);
        let mut request = http::Request::builder()
            .method(Method::POST)
            .uri(path)
            .body(Empty::new().map_err(|never| match never {}).boxed_unsync())
            .map_err(|error| unusable(&error))?;
        *request.headers_mut() = self
            .headers(selected, key, now)
            .map_err(|error| unusable(&error))?;
        Ok(request)
    }

    fn headers(
        &self,
        selected: &Selected,
        key: &SecretKey,
        now: DateTime<Utc>,
    ) -> Result<HeaderMap, http::header::InvalidHeaderValue> {
        let (due, attempt) = (self.due(), self.attempt.to_string());
        let expires = (now + SIGNATURE_LIFETIME).timestamp().to_string();
        let function = selected.function.id.to_string();
        let signed: [&[u8]; 5] = [
            self.task.as_bytes(),
            due.as_bytes(),
            attempt.as_bytes(),
            function.as_bytes(),
            expires.as_bytes(),
        ];
        let signature = format!("v1,{}", hex::encode(key.sign(&signed)));
        let host = format!("{}.localhost", selected.project.name);
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", host.as_str()),
            ("content-length", "0"),
            ("koyalite-base-path", &selected.version.manifest.path),
            ("koyalite-task", self.task),
            ("koyalite-scheduled-for", &due),
            ("koyalite-attempt", &attempt),
            ("koyalite-task-id", &self.task_id.to_string()),
            ("koyalite-missed-count", &self.missed.to_string()),
            ("koyalite-idempotency-key", &self.idempotency_key()),
            ("koyalite-signature-expires", &expires),
            ("koyalite-signature", &signature),
        ] {
            headers.insert(name, HeaderValue::from_str(value)?);
        }
        Ok(headers)
    }
}

/// Whether a firing by request succeeded: by its status. The body is read so that the guest can
/// finish, and thrown away.
pub(super) async fn verdict(response: http::Response<Body>) -> Result<(), DispatchError> {
    let status = response.status();
    drop(crate::http::body::collect(response.into_body(), ANSWER_BYTES_MAX).await);
    if status.is_success() {
        Ok(())
    } else {
        Err(DispatchError::ScheduleRefused {
            status: status.as_u16(),
        })
    }
}
