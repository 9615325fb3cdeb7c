//! What the worker asks of the database: messages that are due, and how they went. SQL only; what an
//! answer means is decided in [`crate::delivery`]. All times are the database's.

use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::super::error::RegistryError;
use crate::registry::pool::DbConnection;

/// A message that is this node's to send.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) id: Uuid,
    pub(crate) fence: i64,
    pub(crate) recipient: String,
    pub(crate) sender: String,
    pub(crate) sender_name: String,
    pub(crate) reply_to: Option<String>,
    pub(crate) subject: String,
    pub(crate) body_text: Option<String>,
    pub(crate) body_html: Option<String>,
    /// This one included.
    pub(crate) attempts: i32,
    /// Where bounces go to; none: to the sender.
    pub(crate) return_path: Option<String>,
    /// What it carries.
    pub(crate) attachments: Vec<Attached>,
    /// What signs it, if anything does.
    pub(crate) dkim: Option<Signing>,
}

/// A file that a message carries, as it was when the message was queued.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Attached {
    pub(crate) name: String,
    pub(crate) mime_type: String,
    pub(crate) size: u64,
    /// Whose content it is, and which.
    pub(crate) project: Uuid,
    pub(crate) version: Uuid,
}

/// What signs a message.
pub(crate) struct Signing {
    pub(crate) sender: Uuid,
    pub(crate) selector: String,
    pub(crate) algorithm: String,
    /// Sealed.
    pub(crate) key: Vec<u8>,
}

impl std::fmt::Debug for Signing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signing({}, ***)", self.selector)
    }
}

/// Claims what is due.
pub(crate) async fn claim(
    conn: &mut DbConnection,
    limit: i64,
    lease_s: f64,
) -> Result<Vec<Claimed>, RegistryError> {
    let rows = sqlx::query!(
        r#"WITH claimed AS (UPDATE koyalite.email_logs e SET status = 'sending', fence = nextval('koyalite.fence'),
               attempts = e.attempts + 1, last_attempt_at = clock_timestamp(),
               lease_until = clock_timestamp() + make_interval(secs => $2)
           WHERE e.id IN (
               SELECT id FROM koyalite.email_logs
               WHERE status IN ('queued', 'deferred') AND next_attempt_at <= clock_timestamp()
               ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED)
           RETURNING id, project_id, fence, recipient, sender, sender_name, reply_to, subject,
               body_text, body_html, attempts)
           SELECT c.id, c.fence AS "fence!", c.recipient, c.sender, c.sender_name, c.reply_to,
               c.subject, c.body_text, c.body_html, c.attempts, s.return_path AS "return_path?",
               s.id AS "sender_id?", s.dkim_selector AS "dkim_selector?",
               s.dkim_algorithm AS "dkim_algorithm?", s.dkim_key AS "dkim_key?",
               (SELECT jsonb_agg(jsonb_build_object('name', a.name, 'mime_type', a.mime_type,
                    'size', a.size, 'version', a.version, 'project', f.project_id) ORDER BY a.position)
                FROM koyalite.email_attachments a JOIN koyalite.file_contents f USING (version)
                WHERE a.message_id = c.id) AS "attachments: Json<Vec<Attached>>"
           FROM claimed c LEFT JOIN koyalite.email_senders s
               ON s.project_id = c.project_id AND s.address = c.sender"#,
        limit,
        lease_s,
    )
    .fetch_all(conn)
    .await?;
    let claimed = rows.into_iter().map(|row| Claimed {
        id: row.id,
        fence: row.fence,
        recipient: row.recipient,
        sender: row.sender,
        sender_name: row.sender_name,
        reply_to: row.reply_to,
        subject: row.subject,
        body_text: row.body_text,
        body_html: row.body_html,
        attempts: row.attempts,
        return_path: row.return_path,
        attachments: row.attachments.map_or_else(Vec::new, |Json(files)| files),
        dkim: row
            .sender_id
            .zip(row.dkim_selector)
            .zip(row.dkim_algorithm.zip(row.dkim_key))
            .map(|((sender, selector), (algorithm, key))| Signing {
                sender,
                selector,
                algorithm,
                key,
            }),
    });
    Ok(claimed.collect())
}

/// Notes that the content is about to be sent: from here on it may have arrived. Answers whether the
/// message is still this node's.
pub(crate) async fn begin_content(
    conn: &mut DbConnection,
    (id, fence): (Uuid, i64),
) -> Result<bool, RegistryError> {
    let begun = sqlx::query!(
        "UPDATE koyalite.email_logs SET content_begun = true
         WHERE id = $1 AND fence = $2 AND status = 'sending'",
        id,
        fence,
    )
    .execute(conn)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Then {
    Sent,
    /// Kept here in place of being sent.
    Caught,
    /// Once more, after so many seconds.
    Deferred {
        after_s: f64,
    },
    /// The recipient is not known there, and gets nothing more.
    Bounced,
    Failed,
    /// It may have arrived, and is not sent again by itself.
    Ambiguous,
}

/// Records how an attempt went, if it is still this node's to say.
pub(crate) async fn finish(
    conn: &mut DbConnection,
    (id, fence): (Uuid, i64),
    then: &Then,
    (smtp_status, reason): (Option<i32>, Option<&str>),
) -> Result<bool, RegistryError> {
    let (status, after_s) = match then {
        Then::Sent | Then::Caught => ("sent", 0.0),
        Then::Deferred { after_s } => ("deferred", *after_s),
        Then::Bounced => ("bounced", 0.0),
        Then::Failed | Then::Ambiguous => ("failed", 0.0),
    };
    let forget = matches!(then, Then::Sent | Then::Bounced);
    let finished = sqlx::query!(
        "UPDATE koyalite.email_logs SET status = $3, lease_until = NULL, smtp_status = $4,
             reason = $5, caught = $6, content_begun = false, ambiguous = $9,
             body_text = CASE WHEN $7 THEN NULL ELSE body_text END,
             body_html = CASE WHEN $7 THEN NULL ELSE body_html END,
             next_attempt_at = clock_timestamp() + make_interval(secs => $8)
         WHERE id = $1 AND fence = $2 AND status = 'sending'",
        id,
        fence,
        status,
        smtp_status,
        reason,
        *then == Then::Caught,
        forget,
        after_s,
        *then == Then::Ambiguous,
    )
    .execute(&mut *conn)
    .await?;
    if forget {
        sqlx::query!(
            "DELETE FROM koyalite.email_attachments a USING koyalite.email_logs e
             WHERE a.message_id = e.id AND e.id = $1 AND e.fence = $2 AND e.body_text IS NULL",
            id,
            fence,
        )
        .execute(&mut *conn)
        .await?;
    }
    if *then == Then::Bounced && finished.rows_affected() == 1 {
        sqlx::query!(
            "INSERT INTO koyalite.email_suppressions (project_id, address, reason)
             SELECT project_id, lower(recipient), coalesce($2, 'bounced')
             FROM koyalite.email_logs WHERE id = $1 AND project_id IS NOT NULL
             ON CONFLICT DO NOTHING",
            id,
            reason,
        )
        .execute(conn)
        .await?;
    }
    Ok(finished.rows_affected() == 1)
}

/// Settles what nodes have gone silent over: what had not got to its content is sent again, the rest may
/// have arrived and is not. Answers how many.
pub(crate) async fn expire(conn: &mut DbConnection, reason: &str) -> Result<u64, RegistryError> {
    let expired = sqlx::query!(
        "UPDATE koyalite.email_logs SET lease_until = NULL, reason = $1,
             ambiguous = content_begun,
             status = CASE WHEN content_begun THEN 'failed' ELSE 'deferred' END,
             next_attempt_at = clock_timestamp()
         WHERE status = 'sending' AND lease_until < clock_timestamp()",
        reason,
    )
    .execute(conn)
    .await?;
    Ok(expired.rows_affected())
}

/// Forgets messages that are over and older than so many days. Answers how many.
pub(crate) async fn forget(conn: &mut DbConnection, days: i32) -> Result<u64, RegistryError> {
    let forgotten = sqlx::query!(
        "DELETE FROM koyalite.email_logs WHERE id IN (
             SELECT id FROM koyalite.email_logs
             WHERE created_at < now() - make_interval(days => $1)
               AND status NOT IN ('queued', 'sending', 'deferred')
             ORDER BY created_at LIMIT 1000)",
        days,
    )
    .execute(conn)
    .await?;
    Ok(forgotten.rows_affected())
}
