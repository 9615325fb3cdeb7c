//! Codes for forgotten passwords: made and put into a mail in one transaction, spent in another. A code is
//! kept as a hash; what it was is in the mail alone, whose text is forgotten once it is sent.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::Change;
use super::email::Email;
use super::error::RegistryError;
use super::mail::templates::NewTemplate;
use super::pool::DbConnection;
use super::reset_letter::{Letter, RESET_MINUTES, RESET_TEMPLATE};
use super::sessions::{self, Scope};
use super::users::{self, PasswordHash};
use super::{members, operators};

/// No code is longer; what is, is not looked up.
const TOKEN_BYTES_MAX: usize = 128;

/// A code: 256 random bits, in a mail to its owner, stored as a hash.
#[derive(Clone)]
pub struct ResetToken(Zeroizing<String>);

impl ResetToken {
    /// As somebody sends it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    fn random() -> Self {
        Self::new(BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    fn hash(&self) -> Option<[u8; 32]> {
        (self.0.len() <= TOKEN_BYTES_MAX).then(|| Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for ResetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetToken(…)")
    }
}

/// Queues a mail with a code, if that address has an account here that may be helped by mail.
///
/// # Errors
/// `Unavailable` or `Internal`; nobody who asked hears of it.
pub async fn ask(
    registry: &Registry,
    email: &Email,
    scope: Scope,
    letter: &Letter,
) -> Result<(), RegistryError> {
    let Some(known) = users::credentials(registry, email).await? else {
        return Ok(());
    };
    let user = known.user.id;
    if users::is_unusable(&known.hash) || !is_at_home(registry, user, scope).await? {
        return Ok(());
    }
    let mut change = Change::begin(registry).await?;
    let Some((sender, sender_name)) = sender(change.conn(), scope, letter).await? else {
        tracing::warn!(
            at = letter.name,
            "nobody can be helped with a password: no sender for mail"
        );
        return Ok(());
    };
    scope.concern(&mut change);
    let token = ResetToken::random();
    keep(change.conn(), user, scope, &token).await?;
    let template = template(change.conn(), scope).await?;
    let words = template.as_ref().map(|(_, words)| words);
    let mail = letter.write(&token.0, &known.user.email, words);
    sqlx::query!(
        "INSERT INTO koyalite.email_logs (id, project_id, user_id, recipient, sender, sender_name,
             subject, body_text, digest, status, reason, body_html, template, template_id)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9,
             CASE WHEN s.address IS NULL THEN 'queued' ELSE 'suppressed' END, s.reason,
             $10, $11, $12
         FROM (SELECT) AS one LEFT JOIN koyalite.email_suppressions s
             ON s.project_id = $2 AND s.address = lower($4)",
        Uuid::now_v7(),
        scope.project(),
        user.to_string(),
        known.user.email,
        sender,
        sender_name,
        mail.subject,
        mail.text,
        hex::encode(token.hash().unwrap_or_default()),
        mail.html,
        template.as_ref().map(|_| RESET_TEMPLATE),
        template.map(|(id, _)| id),
    )
    .execute(change.conn())
    .await?;
    change
        .keep(Deed::new(Action::PasswordForgotten, user))
        .await
}

/// Whether that user may be given a password at this door.
async fn is_at_home(registry: &Registry, user: Uuid, scope: Scope) -> Result<bool, RegistryError> {
    let Some(project) = scope.project() else {
        return Ok(true);
    };
    if members::role_of(registry, project, user).await?.is_none() {
        return Ok(false);
    }
    let operates = !operators::reach(registry, user).await?.is_empty();
    if operates {
        tracing::info!(%user, "an operator's password is not reset at a project's door");
    }
    Ok(!operates)
}

async fn sender(
    conn: &mut DbConnection,
    scope: Scope,
    letter: &Letter,
) -> Result<Option<(String, String)>, RegistryError> {
    let Some(project) = scope.project() else {
        return Ok(letter
            .sender
            .clone()
            .map(|address| (address, "KoyaLite".to_owned())));
    };
    let row = sqlx::query!(
        "SELECT address, name FROM koyalite.email_senders WHERE project_id = $1
         ORDER BY created_at, id LIMIT 1",
        project,
    );
    let row = row.fetch_optional(conn).await?;
    Ok(row.map(|row| (row.address, row.name)))
}

/// The project's own words, if it has some.
async fn template(
    conn: &mut DbConnection,
    scope: Scope,
) -> Result<Option<(Uuid, NewTemplate)>, RegistryError> {
    let Some(project) = scope.project() else {
        return Ok(None);
    };
    let row = sqlx::query!(
        "SELECT id, subject, body_text, body_html FROM koyalite.email_templates
         WHERE project_id = $1 AND name = $2",
        project,
        RESET_TEMPLATE,
    );
    let row = row.fetch_optional(conn).await?;
    Ok(row.map(|row| {
        let words = NewTemplate {
            subject: row.subject,
            text: row.body_text,
            html: row.body_html,
        };
        (row.id, words)
    }))
}

/// Keeps a code; the one before it is good no longer.
async fn keep(
    conn: &mut DbConnection,
    user: Uuid,
    scope: Scope,
    token: &ResetToken,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "DELETE FROM koyalite.password_resets
         WHERE user_id = $1 AND project_id IS NOT DISTINCT FROM $2 OR expires_at < now()",
        user,
        scope.project(),
    )
    .execute(&mut *conn)
    .await?;
    let sha256 = token.hash().unwrap_or_default();
    sqlx::query!(
        "INSERT INTO koyalite.password_resets (sha256, user_id, project_id, expires_at)
         VALUES ($1, $2, $3, now() + make_interval(mins => $4))",
        sha256.as_slice(),
        user,
        scope.project(),
        RESET_MINUTES,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a code is good at this door.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn is_good(
    registry: &Registry,
    token: &ResetToken,
    scope: Scope,
) -> Result<bool, RegistryError> {
    let Some(hash) = token.hash() else {
        return Ok(false);
    };
    let good = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM koyalite.password_resets WHERE sha256 = $1
             AND project_id IS NOT DISTINCT FROM $2 AND expires_at > now()) AS "good!""#,
        hash.as_slice(),
        scope.project(),
    );
    Ok(good.fetch_one(&registry.pool).await?)
}

/// Puts another password in the place of the one that was forgotten, and ends all sessions. None where
/// the code is not good, or not any more: of two who spend one, one does.
///
/// # Errors
/// `Unavailable` or `Internal`; then the code is as good as before.
pub async fn spend(
    registry: &Registry,
    token: &ResetToken,
    scope: Scope,
    hash: &PasswordHash,
) -> Result<Option<Uuid>, RegistryError> {
    let Some(sha256) = token.hash() else {
        return Ok(None);
    };
    let mut change = Change::begin(registry).await?;
    let user = sqlx::query_scalar!(
        "DELETE FROM koyalite.password_resets WHERE sha256 = $1
             AND project_id IS NOT DISTINCT FROM $2 AND expires_at > now() RETURNING user_id",
        sha256.as_slice(),
        scope.project(),
    );
    let Some(user) = user.fetch_optional(change.conn()).await? else {
        return Ok(None);
    };
    sqlx::query!(
        "UPDATE koyalite.users SET hashed_password = $2, updated_at = now() WHERE id = $1",
        user,
        hash.0,
    )
    .execute(change.conn())
    .await?;
    // Whoever has the mailbox has the account: no other code and no session outlives that.
    sqlx::query!(
        "DELETE FROM koyalite.password_resets WHERE user_id = $1",
        user
    )
    .execute(change.conn())
    .await?;
    sessions::end_others(change.conn(), user, None).await?;
    scope.concern(&mut change);
    change.by(user);
    change.keep(Deed::new(Action::PasswordReset, user)).await?;
    Ok(Some(user))
}
