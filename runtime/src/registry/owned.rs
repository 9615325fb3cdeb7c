//! What a user owns, and what becomes of it when they go.
//!
//! [`Owned`] is the closed list of kinds: whoever adds one finds by the compiler what else there is to
//! decide. Projects are never taken along: a user who owns one stays until somebody else does.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::audit::{Action, Deed};
use super::change::Change;
use super::error::{Mistake, RegistryError, Standing};
use super::page::{Page, Part};
use super::pool::DbConnection;
use super::{Registry, files, removal, users};

/// A kind of thing that users own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// Tenants.
    Projects,
    /// Functions that they deployed last.
    Functions,
    /// Files that they made as users of a project's functions.
    Files,
    /// Vector indexes that they made.
    VectorIndexes,
}

/// One thing that a user owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Possession {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The project that it is in, or that it is.
    pub project: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A part of what a user owns of one kind, by id.
///
/// # Errors
/// `NotFound` where there is no such user.
pub async fn list(
    registry: &Registry,
    user: Uuid,
    kind: Owned,
    page: &Page<Uuid>,
) -> Result<Part<Possession>, RegistryError> {
    users::get(registry, user).await?;
    let found = match kind {
        Owned::Projects => {
            sqlx::query_as!(
                Possession,
                "SELECT id, name, name AS project, created_at FROM koyalite.projects
                 WHERE owner_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3",
                user,
                page.after,
                page.rows(),
            )
            .fetch_all(&registry.pool)
            .await?
        }
        Owned::Functions => {
            sqlx::query_as!(
                Possession,
                "SELECT f.id, f.name, p.name AS project, f.created_at FROM koyalite.functions f
                 JOIN koyalite.projects p ON p.id = f.project_id
                 WHERE f.user_id = $1 AND ($2::uuid IS NULL OR f.id > $2) ORDER BY f.id LIMIT $3",
                user,
                page.after,
                page.rows(),
            )
            .fetch_all(&registry.pool)
            .await?
        }
        Owned::Files => files::owned(registry, user, page).await?,
        Owned::VectorIndexes => {
            sqlx::query_as!(
                Possession,
                "SELECT v.id, v.name, p.name AS project, v.created_at FROM koyalite.vector_indexes v
                 JOIN koyalite.projects p ON p.id = v.project_id
                 WHERE v.user_id = $1 AND ($2::uuid IS NULL OR v.id > $2) ORDER BY v.id LIMIT $3",
                user,
                page.after,
                page.rows(),
            )
            .fetch_all(&registry.pool)
            .await?
        }
    };
    Ok(page.part(found))
}

/// What becomes of what a user owns besides projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Estate {
    /// It is somebody else's from now on.
    TransferTo(Uuid),
    /// It goes too. What others own and the user has changed stays, in the name of its project's owner.
    Remove,
}

/// Deletes a user, with their sessions, memberships and the tokens that they gave out. Answers the
/// components of what was removed with them; others may have them too.
///
/// # Errors
/// `NotFound`, `Conflict` where they own a project or the installation.
pub async fn remove_user(
    registry: &Registry,
    user: Uuid,
    estate: Estate,
) -> Result<Vec<String>, RegistryError> {
    if user == registry.admin() {
        let reason = "this user stands for the installation and stays";
        return Err(RegistryError::conflict(Standing::State, reason));
    }
    let mut change = Change::begin(registry).await?;
    let touched = touched(change.conn(), user).await?;
    change.lock_all(&touched).await?;
    refuse_owner(change.conn(), user).await?;
    let mut components = Vec::new();
    match estate {
        Estate::TransferTo(heir) => {
            transfer(change.conn(), user, heir).await?;
            files::transfer(change.conn(), user, heir).await?;
        }
        Estate::Remove => {
            let functions =
                sqlx::query_scalar!("SELECT id FROM koyalite.functions WHERE user_id = $1", user)
                    .fetch_all(change.conn())
                    .await?;
            components = removal::components(change.conn(), &functions).await?;
            removal::drop_functions(change.conn(), &functions).await?;
            forget_mail(change.conn(), user).await?;
            sign_over(change.conn(), user).await?;
            files::remove(change.conn(), user).await?;
        }
    }
    let gone = sqlx::query!("DELETE FROM koyalite.users WHERE id = $1", user)
        .execute(change.conn())
        .await?;
    match gone.rows_affected() {
        0 => Err(RegistryError::not_found("user", user)),
        _ => {
            let deed = Deed::new(Action::UserDelete, user);
            let deed = match estate {
                Estate::TransferTo(heir) => deed.with("transfer_to", heir.to_string()),
                Estate::Remove => deed,
            };
            change.commit(deed).await?;
            Ok(components)
        }
    }
}

/// The projects in which something of the user's changes hands.
async fn touched(conn: &mut DbConnection, user: Uuid) -> Result<Vec<Uuid>, RegistryError> {
    let projects = sqlx::query_scalar!(
        r#"SELECT project_id AS "id!" FROM koyalite.functions WHERE user_id = $1
           UNION SELECT f.project_id FROM koyalite.versions v
               JOIN koyalite.functions f ON f.id = v.function_id WHERE v.created_by = $1
           UNION SELECT f.project_id FROM koyalite.deployments d
               JOIN koyalite.functions f ON f.id = d.function_id WHERE d.created_by = $1
           UNION SELECT t.project_id FROM koyalite.policies p
               JOIN koyalite.tables t ON t.id = p.table_id WHERE p.created_by = $1
           UNION SELECT project_id FROM koyalite.vector_indexes WHERE user_id = $1"#,
        user,
    )
    .fetch_all(conn)
    .await?;
    Ok(projects)
}

async fn refuse_owner(conn: &mut DbConnection, user: Uuid) -> Result<(), RegistryError> {
    let owned = sqlx::query_scalar!(
        "SELECT name FROM koyalite.projects WHERE owner_id = $1 ORDER BY name",
        user,
    )
    .fetch_all(conn)
    .await?;
    if owned.is_empty() {
        return Ok(());
    }
    let reason = "the user owns projects; give those to somebody else first";
    let each = owned.into_iter().map(|name| Mistake::new("project", name));
    Err(RegistryError::conflicts(
        Standing::InUse,
        reason,
        each.collect(),
    ))
}

async fn transfer(conn: &mut DbConnection, user: Uuid, heir: Uuid) -> Result<(), RegistryError> {
    let known = sqlx::query_scalar!(
        "SELECT id FROM koyalite.users WHERE id = $1 FOR SHARE",
        heir
    );
    if user == heir || known.fetch_optional(&mut *conn).await?.is_none() {
        let message = "name another user by their id";
        return Err(RegistryError::invalid("transfer_to", message));
    }
    sqlx::query!(
        "UPDATE koyalite.functions SET user_id = $2, updated_at = now() WHERE user_id = $1",
        user,
        heir,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE koyalite.email_logs SET user_id = $2 WHERE user_id = $1",
        user.to_string(),
        heir.to_string(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE koyalite.versions SET created_by = $2 WHERE created_by = $1",
        user,
        heir
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE koyalite.deployments SET created_by = $2 WHERE created_by = $1",
        user,
        heir
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE koyalite.policies SET created_by = $2 WHERE created_by = $1",
        user,
        heir
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE koyalite.vector_indexes SET user_id = $2, updated_at = now() WHERE user_id = $1",
        user,
        heir
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The log of what was sent for them. What is on its way arrives, and is nobody's.
async fn forget_mail(conn: &mut DbConnection, user: Uuid) -> Result<(), RegistryError> {
    let user = user.to_string();
    sqlx::query!(
        "UPDATE koyalite.email_logs SET user_id = NULL WHERE user_id = $1 AND status = 'sending'",
        user,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM koyalite.email_logs WHERE user_id = $1", user)
        .execute(conn)
        .await?;
    Ok(())
}

/// What they did to the things of others: those stay, and so do policies, without which a table would
/// open or close.
async fn sign_over(conn: &mut DbConnection, user: Uuid) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.versions v SET created_by = p.owner_id
         FROM koyalite.functions f JOIN koyalite.projects p ON p.id = f.project_id
         WHERE f.id = v.function_id AND v.created_by = $1",
        user,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE koyalite.deployments d SET created_by = p.owner_id
         FROM koyalite.functions f JOIN koyalite.projects p ON p.id = f.project_id
         WHERE f.id = d.function_id AND d.created_by = $1",
        user,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE koyalite.policies o SET created_by = p.owner_id
         FROM koyalite.tables t JOIN koyalite.projects p ON p.id = t.project_id
         WHERE t.id = o.table_id AND o.created_by = $1",
        user,
    )
    .execute(&mut *conn)
    .await?;
    // Functions search by it: it goes with its table, or by somebody's own hand.
    sqlx::query!(
        "UPDATE koyalite.vector_indexes v SET user_id = p.owner_id, updated_at = now()
         FROM koyalite.projects p WHERE p.id = v.project_id AND v.user_id = $1",
        user,
    )
    .execute(conn)
    .await?;
    Ok(())
}
