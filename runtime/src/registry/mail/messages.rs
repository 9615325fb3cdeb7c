//! Messages as operators see them: the log without what was said, and the local mailbox with it.

use chrono::{DateTime, Utc};
use koyalite_policy::ProjectName;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use super::super::Registry;
use super::super::audit::{self, Action, Chain, Deed};
use super::super::change::project_id;
use super::super::error::{RegistryError, Standing};
use super::super::page::{Page, Part};
use super::super::users;

/// A message in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Message {
    /// Its id.
    pub id: Uuid,
    /// The project that sent it; none: the installation.
    pub project_id: Option<Uuid>,
    /// Whom the sending function acted for.
    pub user_id: Option<String>,
    /// To whom.
    pub to: String,
    /// From whom.
    pub sender: String,
    /// What it is about.
    pub subject: String,
    /// `queued`, `sending`, `sent`, `deferred`, `bounced`, `suppressed` or `failed`.
    pub status: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When last.
    pub last_attempt_at: Option<DateTime<Utc>>,
    /// When next, while it waits.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Why it was not taken.
    pub reason: Option<String>,
    /// Whether it may have arrived although it is `failed`.
    pub ambiguous: bool,
    /// What the receiving side answered last.
    pub smtp_status: Option<i32>,
    /// The template that it was made of.
    pub template: Option<String>,
    /// The same by its id, while the template is there.
    pub template_id: Option<Uuid>,
    /// Whether it is in the local mailbox.
    pub caught: bool,
    /// The function that sent it.
    pub function: Option<String>,
    /// The invocation that did.
    pub invocation_id: Option<Uuid>,
    /// When it was sent for.
    pub created_at: DateTime<Utc>,
    /// Where it stands in lists, for cursors.
    #[serde(skip)]
    pub number: i64,
}

/// A message of the local mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Caught {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// Where answers would go.
    pub reply_to: Option<String>,
    /// For readers without HTML.
    pub text: Option<String>,
    /// For the others.
    pub html: Option<String>,
    /// The files that would go with it.
    pub attachments: Vec<Attachment>,
}

/// A file that goes with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = MailAttachment)]
pub struct Attachment {
    /// What the reader sees it called.
    pub name: String,
    /// Its media type.
    pub mime_type: String,
    /// Its bytes.
    pub size: u64,
}

/// Which messages are meant.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this state.
    pub status: Option<String>,
    /// To this address.
    pub to: Option<String>,
    /// In the local mailbox.
    pub caught: Option<bool>,
    /// Of this id.
    pub id: Option<Uuid>,
}

/// Messages, the latest first, below `before`.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    filter: &Filter,
    page: &Page<i64>,
) -> Result<Part<Message>, RegistryError> {
    let project = project_id(registry, project).await?;
    let messages = sqlx::query_as!(
        Message,
        r#"SELECT id, project_id, user_id, recipient AS to, sender, subject, status, attempts, last_attempt_at,
               CASE WHEN status IN ('queued', 'deferred') THEN next_attempt_at END
                   AS next_attempt_at,
               reason, ambiguous, smtp_status, template, template_id, caught, function, invocation_id,
               created_at, number
           FROM koyalite.email_logs
           WHERE project_id = $1 AND ($2::text IS NULL OR status = $2)
             AND ($3::text IS NULL OR lower(recipient) = lower($3))
             AND ($4::boolean IS NULL OR caught = $4) AND ($5::bigint IS NULL OR number < $5)
             AND ($7::uuid IS NULL OR id = $7)
           ORDER BY number DESC LIMIT $6"#,
        project,
        filter.status,
        filter.to,
        filter.caught,
        page.after,
        page.rows(),
        filter.id,
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(messages))
}

/// The message of that id, never what it said.
///
/// # Errors
/// `NotFound` where the project has none.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
) -> Result<Message, RegistryError> {
    let filter = Filter {
        id: Some(id),
        ..Filter::default()
    };
    let mut found = list(registry, project, &filter, &Page::first(1)).await?;
    let found = found.items.pop();
    found.ok_or_else(|| RegistryError::not_found("message", id))
}

/// Messages that functions have sent on behalf of a user, the latest first, whatever the project.
///
/// # Errors
/// `NotFound` where there is no such user.
pub async fn of_user(
    registry: &Registry,
    user: Uuid,
    page: &Page<i64>,
) -> Result<Part<Message>, RegistryError> {
    users::get(registry, user).await?;
    let messages = sqlx::query_as!(
        Message,
        r#"SELECT id, project_id, user_id, recipient AS to, sender, subject, status, attempts, last_attempt_at,
               CASE WHEN status IN ('queued', 'deferred') THEN next_attempt_at END
                   AS next_attempt_at,
               reason, ambiguous, smtp_status, template, template_id, caught, function, invocation_id,
               created_at, number
           FROM koyalite.email_logs
           WHERE user_id = $1 AND ($2::bigint IS NULL OR number < $2)
           ORDER BY number DESC LIMIT $3"#,
        user.to_string(),
        page.after,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(messages))
}

/// The message of that id in the local mailbox.
///
/// # Errors
/// `NotFound` where there is none: what is sent to the world is not kept.
pub async fn caught(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
) -> Result<Caught, RegistryError> {
    let project = project_id(registry, project).await?;
    let row = sqlx::query!(
        r#"SELECT id, project_id, user_id, recipient, sender, subject, status, attempts, last_attempt_at, reason,
               ambiguous, smtp_status, template, template_id, caught, function, invocation_id, created_at,
               number, reply_to, body_text, body_html,
               (SELECT jsonb_agg(jsonb_build_object('name', a.name, 'mime_type', a.mime_type,
                    'size', a.size) ORDER BY a.position)
                FROM koyalite.email_attachments a WHERE a.message_id = e.id)
                    AS "attachments: Json<Vec<Attachment>>"
           FROM koyalite.email_logs e WHERE project_id = $1 AND id = $2 AND caught"#,
        project,
        id,
    )
    .fetch_optional(&registry.pool)
    .await?
    .ok_or_else(|| RegistryError::not_found("message", id))?;
    Ok(Caught {
        message: Message {
            id: row.id,
            project_id: row.project_id,
            user_id: row.user_id,
            to: row.recipient,
            sender: row.sender,
            subject: row.subject,
            status: row.status,
            attempts: row.attempts,
            last_attempt_at: row.last_attempt_at,
            next_attempt_at: None,
            reason: row.reason,
            ambiguous: row.ambiguous,
            smtp_status: row.smtp_status,
            template: row.template,
            template_id: row.template_id,
            caught: row.caught,
            function: row.function,
            invocation_id: row.invocation_id,
            created_at: row.created_at,
            number: row.number,
        },
        reply_to: row.reply_to,
        text: row.body_text,
        html: row.body_html,
        attachments: row.attachments.map_or_else(Vec::new, |Json(files)| files),
    })
}

/// Sends a message once more that was given up or may not have arrived.
///
/// # Errors
/// `NotFound`, or `Conflict` where it is on its way or what it said is no longer kept.
pub async fn resend(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
) -> Result<(), RegistryError> {
    let project = project_id(registry, project).await?;
    let known = sqlx::query_scalar!(
        r#"SELECT status IN ('failed', 'deferred') AND body_text IS NOT NULL AS "open!"
           FROM koyalite.email_logs WHERE project_id = $1 AND id = $2"#,
        project,
        id,
    )
    .fetch_optional(&registry.pool)
    .await?;
    match known {
        None => return Err(RegistryError::not_found("message", id)),
        Some(true) => {}
        Some(false) => {
            let reason = "only a message that failed or waits is sent again";
            return Err(RegistryError::conflict(Standing::State, reason));
        }
    }
    let deed = Deed::new(Action::MessageResend, id);
    audit::record(registry, Chain::Project(project), deed).await?;
    sqlx::query!(
        "UPDATE koyalite.email_logs SET status = 'queued', attempts = 0, content_begun = false,
             ambiguous = false, next_attempt_at = clock_timestamp()
         WHERE project_id = $1 AND id = $2 AND status IN ('failed', 'deferred')",
        project,
        id,
    )
    .execute(&registry.pool)
    .await?;
    Ok(())
}
