//! What a bounce that came as a message means for the message that it speaks of, and for its recipient.

use koyalite_policy::ProjectName;
use serde::Serialize;
use uuid::Uuid;

use super::super::Registry;
use super::super::audit::{Action, Deed};
use super::super::change::Change;
use super::super::error::RegistryError;

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The message that it speaks of.
    pub message: Uuid,
    /// Whether it is over.
    pub verdict: Verdict,
    /// Why, in the words of the other side.
    pub reason: String,
}

/// Whether a message is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It did not arrive, and others will not.
    Permanent,
    /// It did not arrive; another one may.
    Temporary,
    /// It is late, or it arrived.
    Nothing,
}

/// What came of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = NotedBounce)]
pub struct Noted {
    /// The message that it speaks of.
    pub message: Uuid,
    /// Whether that is `bounced` now.
    pub bounced: bool,
    /// Whether its recipient takes no more mail.
    pub suppressed: bool,
    /// Why, in the words of the other side.
    pub reason: String,
}

/// Notes a report. Only what was sent can bounce; what is delayed or arrived changes nothing.
///
/// # Errors
/// `NotFound` where the project has no such message.
pub async fn note(
    registry: &Registry,
    project: &ProjectName,
    report: Report,
) -> Result<Noted, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    let known = sqlx::query_scalar!(
        r#"SELECT status IN ('sent', 'failed') AND NOT caught AS "sent!" FROM koyalite.email_logs
           WHERE project_id = $1 AND id = $2"#,
        project,
        report.message,
    )
    .fetch_optional(change.conn())
    .await?
    .ok_or_else(|| RegistryError::not_found("message", report.message))?;
    let bounced = known && report.verdict != Verdict::Nothing;
    let suppressed = bounced && report.verdict == Verdict::Permanent;
    let noted = Noted {
        message: report.message,
        bounced,
        suppressed,
        reason: report.reason,
    };
    if !bounced {
        return Ok(noted);
    }
    sqlx::query!(
        "WITH over AS (
             UPDATE koyalite.email_logs SET status = 'bounced', ambiguous = false, reason = $3,
                 body_text = NULL, body_html = NULL
             WHERE project_id = $1 AND id = $2 RETURNING recipient)
         INSERT INTO koyalite.email_suppressions (project_id, address, reason)
         SELECT $1, lower(recipient), $3 FROM over WHERE $4 ON CONFLICT DO NOTHING",
        project,
        noted.message,
        noted.reason,
        suppressed,
    )
    .execute(change.conn())
    .await?;
    let deed = Deed::new(Action::MessageBounce, noted.message).with("suppressed", suppressed);
    change.commit(deed).await?;
    Ok(noted)
}
