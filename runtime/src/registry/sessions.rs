//! Sessions and their refresh tokens. A refresh token is good once; the next one follows from it.
//!
//! Only hashes are stored. Who shows a token again that was used before has stolen it, or was stolen
//! from: the whole session ends. A client that asks twice at the same moment gets the same answer
//! twice. Nothing here is served from the snapshot, so no head moves.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::Change;
use super::error::RegistryError;
use super::pool::DbConnection;
use crate::keys::{KeyRing, Purpose};

/// How long a session lasts that nobody uses: a month, as long as people stay away from an app that
/// they still think of as theirs.
pub const SESSION_IDLE_DAYS: i32 = 30;

/// How long a session lasts at most: half a year, after which even a thief who kept quiet is out.
pub const SESSION_DAYS_MAX: i32 = 180;

/// How long a used refresh token still answers what it answered: two tabs ask at once, and answers
/// get lost on the way.
pub const REUSE_GRACE_S: f64 = 10.0;

/// Sessions of one user: more devices than anybody has. The oldest make room.
pub const SESSIONS_PER_USER_MAX: i64 = 50;

/// A refresh token: shown to its owner once, stored as a hash.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(Zeroizing<String>);

/// No refresh token is longer; what is, is not looked up.
const TOKEN_BYTES_MAX: usize = 128;

impl RefreshToken {
    /// As a client sends it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn of_bytes(bytes: [u8; 32]) -> Self {
        Self::new(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    fn random() -> Self {
        Self::of_bytes(rand::random())
    }

    /// The one after this: made by the host's key, so that the same question has the same answer and
    /// nobody else can find it.
    fn next(&self, ring: &KeyRing) -> Self {
        let key = ring.derive(Purpose::RefreshToken);
        Self::of_bytes(key.sign(&[self.0.as_bytes()]))
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

/// Where a session is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The control API.
    Control,
    /// The functions of one project.
    Project(Uuid),
}

impl Scope {
    pub(super) fn project(self) -> Option<Uuid> {
        match self {
            Self::Control => None,
            Self::Project(id) => Some(id),
        }
    }

    /// What happens at a project's door is in the project's log.
    pub(crate) fn concern(self, change: &mut Change<'_>) {
        if let Self::Project(id) = self {
            change.concerns(id);
        }
    }
}

/// A session with the token that keeps it going.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// The next refresh token.
    pub refresh: RefreshToken,
}

/// What came of a refresh token.
#[derive(Debug)]
pub enum Refreshed {
    /// It was good, and here is the next one.
    Fresh(Opened),
    /// It is unknown, or its session is over.
    Over,
    /// It was used before: the session has been ended.
    Reused {
        /// Whose session it was.
        user: Uuid,
    },
}

/// Opens a session.
///
/// # Errors
/// `Conflict` where the user is gone, `Unavailable` or `Internal`.
pub async fn open(registry: &Registry, user: Uuid, scope: Scope) -> Result<Opened, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let opened = open_in(change.conn(), user, scope).await?;
    change.by(user);
    scope.concern(&mut change);
    change.keep(Deed::new(Action::SignIn, user)).await?;
    Ok(opened)
}

/// The same, as a part of a change.
pub(crate) async fn open_in(
    conn: &mut DbConnection,
    user: Uuid,
    scope: Scope,
) -> Result<Opened, RegistryError> {
    make_room(conn, user).await?;
    let id = Uuid::now_v7();
    let refresh = RefreshToken::random();
    sqlx::query!(
        "INSERT INTO koyalite.sessions (id, user_id, project_id, expires_at)
         VALUES ($1, $2, $3, now() + make_interval(days => $4))",
        id,
        user,
        scope.project(),
        SESSION_IDLE_DAYS,
    )
    .execute(&mut *conn)
    .await?;
    add(conn, id, &refresh).await?;
    Ok(Opened { id, user, refresh })
}

/// Forgets sessions that are over, and the oldest of too many.
async fn make_room(conn: &mut DbConnection, user: Uuid) -> Result<(), RegistryError> {
    sqlx::query!(
        "DELETE FROM koyalite.sessions WHERE user_id = $1 AND (expires_at < now()
             OR ended_at < now() - make_interval(days => $2)
             OR id IN (SELECT id FROM koyalite.sessions WHERE user_id = $1
                       ORDER BY id DESC OFFSET $3))",
        user,
        SESSION_IDLE_DAYS,
        SESSIONS_PER_USER_MAX - 1,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn add(
    conn: &mut DbConnection,
    session: Uuid,
    token: &RefreshToken,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "INSERT INTO koyalite.refresh_tokens (sha256, session_id) VALUES ($1, $2)",
        &token.hash(),
        session,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a refresh token is, judged while its session is locked.
struct Judged {
    session: Uuid,
    user: Uuid,
    state: State,
}

enum State {
    Unused,
    UsedJustNow,
    UsedBefore,
}

/// Takes a refresh token for the next one.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn refresh(
    registry: &Registry,
    shown: &RefreshToken,
    scope: Scope,
) -> Result<Refreshed, RegistryError> {
    if shown.0.len() > TOKEN_BYTES_MAX {
        return Ok(Refreshed::Over);
    }
    let mut change = Change::begin(registry).await?;
    let Some(judged) = judge(change.conn(), shown, scope).await? else {
        return Ok(Refreshed::Over);
    };
    let next = shown.next(&registry.ring());
    let opened = Opened {
        id: judged.session,
        user: judged.user,
        refresh: next,
    };
    match judged.state {
        State::Unused => {
            rotate(change.conn(), shown, &opened).await?;
            change.keep_unrecorded().await?;
            Ok(Refreshed::Fresh(opened))
        }
        State::UsedJustNow if is_unused(change.conn(), &opened.refresh).await? => {
            Ok(Refreshed::Fresh(opened))
        }
        State::UsedJustNow | State::UsedBefore => {
            end_in(change.conn(), judged.session).await?;
            scope.concern(&mut change);
            change
                .keep(Deed::new(Action::TokenReuse, judged.user))
                .await?;
            Ok(Refreshed::Reused { user: judged.user })
        }
    }
}

/// Locks the session first, then looks at the token: of two who ask at once, the second one sees what
/// the first has done.
async fn judge(
    conn: &mut DbConnection,
    shown: &RefreshToken,
    scope: Scope,
) -> Result<Option<Judged>, RegistryError> {
    let hash = shown.hash();
    let session = sqlx::query!(
        "SELECT id, user_id FROM koyalite.sessions
         WHERE id = (SELECT session_id FROM koyalite.refresh_tokens WHERE sha256 = $1)
             AND project_id IS NOT DISTINCT FROM $2 AND ended_at IS NULL AND expires_at > now()
         FOR UPDATE",
        &hash,
        scope.project(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(session) = session else {
        return Ok(None);
    };
    let token = sqlx::query!(
        r#"SELECT used_at IS NULL AS "unused!",
               coalesce(used_at > clock_timestamp() - make_interval(secs => $2), false) AS "recent!"
           FROM koyalite.refresh_tokens WHERE sha256 = $1"#,
        &hash,
        REUSE_GRACE_S,
    )
    .fetch_optional(conn)
    .await?;
    Ok(token.map(|token| Judged {
        session: session.id,
        user: session.user_id,
        state: match (token.unused, token.recent) {
            (true, _) => State::Unused,
            (false, true) => State::UsedJustNow,
            (false, false) => State::UsedBefore,
        },
    }))
}

async fn rotate(
    conn: &mut DbConnection,
    shown: &RefreshToken,
    opened: &Opened,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.refresh_tokens SET used_at = clock_timestamp() WHERE sha256 = $1",
        &shown.hash(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE koyalite.sessions SET expires_at = least(now() + make_interval(days => $2),
             created_at + make_interval(days => $3)) WHERE id = $1",
        opened.id,
        SESSION_IDLE_DAYS,
        SESSION_DAYS_MAX,
    )
    .execute(&mut *conn)
    .await?;
    add(conn, opened.id, &opened.refresh).await
}

async fn is_unused(conn: &mut DbConnection, token: &RefreshToken) -> Result<bool, RegistryError> {
    let unused = sqlx::query_scalar!(
        r#"SELECT used_at IS NULL AS "unused!" FROM koyalite.refresh_tokens WHERE sha256 = $1"#,
        &token.hash(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(unused.unwrap_or(false))
}

/// Ends a session.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn end(
    registry: &Registry,
    (user, session): (Uuid, Uuid),
    scope: Scope,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    end_in(change.conn(), session).await?;
    change.by(user);
    scope.concern(&mut change);
    change.keep(Deed::new(Action::SignOut, session)).await
}

async fn end_in(conn: &mut DbConnection, session: Uuid) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.sessions SET ended_at = now() WHERE id = $1 AND ended_at IS NULL",
        session,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends all sessions of a user but one, as a part of a change.
pub(crate) async fn end_others(
    conn: &mut DbConnection,
    user: Uuid,
    but: Option<Uuid>,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.sessions SET ended_at = now()
         WHERE user_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $2",
        user,
        but,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The user of a session that has not ended.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn user(
    registry: &Registry,
    session: Uuid,
    scope: Scope,
) -> Result<Option<Uuid>, RegistryError> {
    let user = sqlx::query_scalar!(
        "SELECT user_id FROM koyalite.sessions WHERE id = $1
             AND project_id IS NOT DISTINCT FROM $2 AND ended_at IS NULL AND expires_at > now()",
        session,
        scope.project(),
    )
    .fetch_optional(&registry.pool)
    .await?;
    Ok(user)
}
