//! Roles of people who operate and deploy, the permissions they are made of, and the first user.
//!
//! Permissions are a closed set; what a role may do is only what its list says. Built-in roles are
//! written by each start, so that a new permission reaches them with the release that knows it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::RegistryError;
use super::pool::Pool;
use super::users::UNUSABLE_PASSWORD;

/// The user that every installation has. Nobody can sign in as it with a password.
pub const ADMIN_EMAIL: &str = "admin@localhost";

/// One thing that a control token may do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub enum Permission {
    /// List projects and see one.
    #[serde(rename = "project:read")]
    ProjectRead,
    /// Make a project.
    #[serde(rename = "project:create")]
    ProjectCreate,
    /// Rename a project, change its settings, give it to somebody else.
    #[serde(rename = "project:update")]
    ProjectUpdate,
    /// Delete a project with all that is in it.
    #[serde(rename = "project:delete")]
    ProjectDelete,
    /// See and replace the secret that a project's tokens are signed with.
    #[serde(rename = "project:secret")]
    ProjectSecret,
    /// See which secrets a project has, never a value.
    #[serde(rename = "secret:read")]
    SecretRead,
    /// Set and delete a project's secrets.
    #[serde(rename = "secret:write")]
    SecretWrite,
    /// Have all stored secrets sealed with another key.
    #[serde(rename = "key:rotate")]
    KeyRotate,
    /// See which API keys a project has, never a key.
    #[serde(rename = "api_key:read")]
    ApiKeyRead,
    /// Make and delete API keys whose bearers call as nobody.
    #[serde(rename = "api_key:write")]
    ApiKeyWrite,
    /// Make API keys whose bearers call as the function itself.
    #[serde(rename = "service_key:grant")]
    ServiceKeyGrant,
    /// See functions, versions and schedules.
    #[serde(rename = "function:read")]
    FunctionRead,
    /// Deploy, roll back, switch on and off.
    #[serde(rename = "function:deploy")]
    FunctionDeploy,
    /// Delete a function with its versions.
    #[serde(rename = "function:delete")]
    FunctionDelete,
    /// Reach a version that is not active.
    #[serde(rename = "function:preview")]
    FunctionPreview,
    /// Read what functions log.
    #[serde(rename = "log:read")]
    LogRead,
    /// See tables and columns, never rows.
    #[serde(rename = "table:read")]
    TableRead,
    /// Make, change and drop tables.
    #[serde(rename = "table:write")]
    TableWrite,
    /// See vector indexes.
    #[serde(rename = "vector_index:read")]
    VectorIndexRead,
    /// Make, change and delete vector indexes.
    #[serde(rename = "vector_index:write")]
    VectorIndexWrite,
    /// Write rows past the policies, to fill a table.
    #[serde(rename = "row:write")]
    RowWrite,
    /// Read and check policies.
    #[serde(rename = "policy:read")]
    PolicyRead,
    /// Make, change and delete policies.
    #[serde(rename = "policy:write")]
    PolicyWrite,
    /// Issue a project's token for any subject.
    #[serde(rename = "token:create")]
    TokenCreate,
    /// Issue a control token of any role.
    #[serde(rename = "operator:create")]
    OperatorCreate,
    /// See endpoints of webhooks and how deliveries went, never what was sent.
    #[serde(rename = "webhook:read")]
    WebhookRead,
    /// Make and change endpoints, see what was sent, send it again.
    #[serde(rename = "webhook:write")]
    WebhookWrite,
    /// See senders, templates and how messages went, never what they said.
    #[serde(rename = "email:read")]
    EmailRead,
    /// Change senders and templates, send again, read the local mailbox.
    #[serde(rename = "email:write")]
    EmailWrite,
    /// See which files a project has, never what is in them.
    #[serde(rename = "file:read")]
    FileRead,
    /// Read, write and delete files past the policies.
    #[serde(rename = "file:write")]
    FileWrite,
    /// See which nodes there are, and what each serves.
    #[serde(rename = "node:read")]
    NodeRead,
    /// Read the node's counters.
    #[serde(rename = "metrics:read")]
    MetricsRead,
    /// Let policies read a table past its own.
    #[serde(rename = "policy_readable:set")]
    PolicyReadableSet,
    /// Read the audit log and verify it.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// Let a function bypass policies.
    #[serde(rename = "bypass_rls:grant")]
    BypassRlsGrant,
    /// See users and what they own.
    #[serde(rename = "user:read")]
    UserRead,
    /// Make, change and delete users.
    #[serde(rename = "user:write")]
    UserWrite,
    /// See roles and what they permit.
    #[serde(rename = "role:read")]
    RoleRead,
    /// Make, change and delete custom roles.
    #[serde(rename = "role:write")]
    RoleWrite,
    /// See who belongs to a project.
    #[serde(rename = "member:read")]
    MemberRead,
    /// Put users into a project and take them out.
    #[serde(rename = "member:write")]
    MemberWrite,
}

impl Permission {
    /// All of them: what `admin` has.
    pub const ALL: [Self; 42] = [
        Self::ProjectRead,
        Self::ProjectCreate,
        Self::ProjectUpdate,
        Self::ProjectDelete,
        Self::ProjectSecret,
        Self::SecretRead,
        Self::SecretWrite,
        Self::KeyRotate,
        Self::ApiKeyRead,
        Self::ApiKeyWrite,
        Self::ServiceKeyGrant,
        Self::FunctionRead,
        Self::FunctionDeploy,
        Self::FunctionDelete,
        Self::FunctionPreview,
        Self::LogRead,
        Self::TableRead,
        Self::TableWrite,
        Self::VectorIndexRead,
        Self::VectorIndexWrite,
        Self::RowWrite,
        Self::PolicyRead,
        Self::PolicyWrite,
        Self::TokenCreate,
        Self::OperatorCreate,
        Self::WebhookRead,
        Self::WebhookWrite,
        Self::EmailRead,
        Self::EmailWrite,
        Self::FileRead,
        Self::FileWrite,
        Self::NodeRead,
        Self::MetricsRead,
        Self::PolicyReadableSet,
        Self::AuditRead,
        Self::BypassRlsGrant,
        Self::UserRead,
        Self::UserWrite,
        Self::RoleRead,
        Self::RoleWrite,
        Self::MemberRead,
        Self::MemberWrite,
    ];
}

/// A role that every installation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuiltInRole {
    /// May do everything.
    Admin,
    /// Deploys functions, makes tables and policies in projects that exist.
    Developer,
    /// Sees, and changes nothing.
    Viewer,
    /// No control permission: all that sign-up can give.
    Member,
}

impl BuiltInRole {
    /// From the most to the least powerful.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Developer, Self::Viewer, Self::Member];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
            Self::Member => "member",
        }
    }

    /// What it may do.
    #[must_use]
    pub fn permissions(self) -> BTreeSet<Permission> {
        let reading = [
            Permission::ApiKeyRead,
            Permission::SecretRead,
            Permission::ProjectRead,
            Permission::FunctionRead,
            Permission::TableRead,
            Permission::VectorIndexRead,
            Permission::PolicyRead,
            Permission::LogRead,
            Permission::WebhookRead,
            Permission::EmailRead,
            Permission::FileRead,
            Permission::NodeRead,
            Permission::MetricsRead,
            Permission::UserRead,
            Permission::RoleRead,
            Permission::MemberRead,
        ];
        let developing = [
            Permission::ApiKeyWrite,
            Permission::SecretWrite,
            Permission::FunctionDeploy,
            Permission::FunctionDelete,
            Permission::FunctionPreview,
            Permission::TableWrite,
            Permission::VectorIndexWrite,
            Permission::PolicyWrite,
            Permission::WebhookWrite,
            Permission::EmailWrite,
            Permission::TokenCreate,
        ];
        match self {
            Self::Admin => Permission::ALL.into(),
            Self::Developer => reading.into_iter().chain(developing).collect(),
            Self::Viewer => reading.into(),
            Self::Member => BTreeSet::new(),
        }
    }
}

/// Writes the built-in roles and the first user; answers that user's id. Several nodes may start at
/// once: each statement is decided by a unique name.
pub(crate) async fn seed(pool: &Pool) -> Result<Uuid, RegistryError> {
    let mut tx = pool.begin().await?;
    for role in BuiltInRole::ALL {
        let permissions =
            serde_json::to_value(role.permissions()).map_err(RegistryError::internal)?;
        sqlx::query!(
            "INSERT INTO koyalite.roles (id, name, permissions) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET permissions = excluded.permissions, updated_at = now()
             WHERE roles.permissions <> excluded.permissions",
            Uuid::now_v7(),
            role.name(),
            permissions,
        )
        .execute(&mut *tx)
        .await?;
    }
    sqlx::query!(
        "INSERT INTO koyalite.users (id, email, hashed_password, role_id)
         SELECT $1, $2, $3, id FROM koyalite.roles WHERE name = $4
         ON CONFLICT (lower(email)) DO NOTHING",
        Uuid::now_v7(),
        ADMIN_EMAIL,
        UNUSABLE_PASSWORD,
        BuiltInRole::Admin.name(),
    )
    .execute(&mut *tx)
    .await?;
    let admin = sqlx::query_scalar!(
        "SELECT id FROM koyalite.users WHERE lower(email) = lower($1)",
        ADMIN_EMAIL,
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(admin)
}
