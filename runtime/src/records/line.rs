//! The shape of a record: in a segment file, to a reader, to a follower.

use std::time::Duration;

use chrono::{DateTime, Utc};
use koyalite_policy::FunctionName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Which run of which function a line belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationRef {
    /// The project's id.
    pub project: Uuid,
    /// The function.
    pub function: FunctionName,
    /// The version that ran.
    pub version: u32,
    /// The request id, or the run's id on cron.
    pub invocation: Uuid,
}

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the developer.
    Debug,
    /// For the record.
    Info,
    /// Something to look at.
    Warn,
    /// Something went wrong.
    Error,
}

/// What a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// The guest wrote it.
    Log,
    /// The host wrote it when the invocation ended.
    Invocation,
}

/// The end of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationRecord {
    /// Which one.
    pub of: InvocationRef,
    /// What set it off.
    pub trigger: Trigger,
    /// From the first host work to the last byte.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// What sets an invocation off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A request.
    Http,
    /// A firing of a scheduled task.
    Schedule,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The guest answered a request with this status, and the answer was sent.
    Answered(u16),
    /// A call of the `scheduled` export returned.
    Ran,
    /// It failed.
    Failed {
        /// The status that the caller got, if one was sent.
        status: Option<u16>,
        /// What happened, for the function's owner.
        reason: String,
    },
}

/// One line, as readers get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordLine {
    /// When it was taken.
    pub time: DateTime<Utc>,
    /// How loud.
    pub level: Level,
    /// The guest's words, or the host's.
    pub message: String,
    /// Which run.
    pub invocation: Uuid,
    /// Of which version.
    pub version: u32,
    /// The answer's status, at the end of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took, at the end of an invocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Guest or host.
    pub kind: RecordKind,
}

/// A line with its address, as segment files hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) project: Uuid,
    pub(super) function: FunctionName,
    pub(super) line: RecordLine,
}

impl Stored {
    pub(super) fn guest(
        of: InvocationRef,
        level: Level,
        message: String,
        now: DateTime<Utc>,
    ) -> Stored {
        Stored {
            project: of.project,
            function: of.function,
            line: RecordLine {
                time: now,
                level,
                message,
                invocation: of.invocation,
                version: of.version,
                status: None,
                duration_ms: None,
                kind: RecordKind::Log,
            },
        }
    }

    pub(super) fn invocation(record: InvocationRecord, now: DateTime<Utc>) -> Stored {
        let (level, status, message) = match record.outcome {
            Outcome::Answered(status) => (Level::Info, Some(status), format!("answered {status}")),
            Outcome::Ran => (Level::Info, None, "ran".to_owned()),
            Outcome::Failed { status, reason } => (Level::Error, status, reason),
        };
        let message = match record.trigger {
            Trigger::Http => message,
            Trigger::Schedule => format!("on schedule: {message}"),
        };
        let mut stored = Stored::guest(record.of, level, message, now);
        stored.line.kind = RecordKind::Invocation;
        stored.line.status = status;
        stored.line.duration_ms = u64::try_from(record.duration.as_millis()).ok();
        stored
    }

    /// The priority under pressure.
    pub(super) fn weight(&self) -> Weight {
        match (self.line.kind, self.line.level) {
            // A guest chooses its levels, so they must not buy room from other tenants' failures.
            (RecordKind::Log, _) => Weight::Log,
            (RecordKind::Invocation, Level::Error) => Weight::Failure,
            (RecordKind::Invocation, Level::Debug | Level::Info | Level::Warn) => Weight::Success,
        }
    }

    /// Adds a line of a segment file, with its line end. JSON escapes line ends inside.
    pub(super) fn write_to(&self, bytes: &mut Vec<u8>) {
        let begin = bytes.len();
        // Nothing in it can fail; half a line would spoil the next one.
        if serde_json::to_writer(&mut *bytes, self).is_err() {
            bytes.truncate(begin);
        }
        bytes.push(b'\n');
    }
}

/// What is kept when not everything can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Failure,
    Success,
    Log,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_get_the_documented_shape() {
        let of = InvocationRef {
            project: Uuid::nil(),
            function: "hello".parse().unwrap(),
            version: 2,
            invocation: Uuid::nil(),
        };
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let outcome = Outcome::Failed {
            status: Some(504),
            reason: "too slow".to_owned(),
        };
        let record = InvocationRecord {
            of: of.clone(),
            trigger: Trigger::Http,
            duration: Duration::from_millis(7),
            outcome,
        };
        let nil = Uuid::nil().to_string();
        assert_eq!(
            serde_json::to_value(Stored::invocation(record, now).line).unwrap(),
            serde_json::json!({"time": "2027-01-15T08:00:00Z", "level": "error",
                "message": "too slow", "invocation": nil, "version": 2, "status": 504,
                "duration_ms": 7, "kind": "invocation"})
        );
        assert_eq!(
            serde_json::to_value(Stored::guest(of, Level::Info, "a\nb".into(), now).line).unwrap(),
            serde_json::json!({"time": "2027-01-15T08:00:00Z", "level": "info",
                "message": "a\nb", "invocation": nil, "version": 2, "kind": "log"})
        );
    }
}
