//! Templates of mail: names in braces stand for values, and there is nothing else in them.

use chrono::{DateTime, Utc};
use koyalite_host_api::outbox::email::is_line;
use koyalite_host_api::outbox::template;
use koyalite_policy::ProjectName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::Registry;
use super::super::audit::{Action, Deed};
use super::super::change::{Change, project_id};
use super::super::condition::Condition;
use super::super::error::{Mistake, RegistryError, refuse_if_any};
use super::super::reset_letter::{self, RESET_TEMPLATE, WithLink};
use crate::registry::pool::DbConnection;

/// Bytes of a template, all its parts together: as much as a message may have.
pub const TEMPLATE_BYTES_MAX: usize = koyalite_host_api::limits::EMAIL_BYTES;

/// A template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Template {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the project.
    pub name: String,
    /// One line.
    pub subject: String,
    /// For readers without HTML; none: made of the HTML.
    pub text: Option<String>,
    /// For the others.
    pub html: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A template to make, or to put in the place of one.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
pub struct NewTemplate {
    /// One line.
    pub subject: String,
    /// For readers without HTML.
    pub text: Option<String>,
    /// For the others.
    pub html: Option<String>,
}

/// Makes a template, or replaces the one of that name.
///
/// # Errors
/// `Invalid` with every mistake; `Conflict` where the condition does not hold, or there is nothing that it
/// could hold for.
pub async fn put(
    registry: &Registry,
    project: &ProjectName,
    name: &str,
    (condition, new): (&Condition, &NewTemplate),
) -> Result<Template, RegistryError> {
    new.check(name)?;
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    let all = of_project(change.conn(), project).await?;
    condition.check(&all.iter().find(|template| template.name == name))?;
    let template = sqlx::query_as!(
        Template,
        "INSERT INTO koyalite.email_templates (id, project_id, name, subject, body_text, body_html)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (project_id, name) DO UPDATE SET subject = excluded.subject,
             body_text = excluded.body_text, body_html = excluded.body_html, updated_at = now()
         RETURNING id, name, subject, body_text AS text, body_html AS html, created_at, updated_at",
        Uuid::now_v7(),
        project,
        name,
        new.subject,
        new.text,
        new.html,
    )
    .fetch_one(change.conn())
    .await?;
    let deed = Deed::new(Action::TemplatePut, name).with("subject", template.subject.clone());
    change.commit(deed).await?;
    Ok(template)
}

impl NewTemplate {
    /// Whether it can be a template of that name.
    ///
    /// # Errors
    /// `Invalid` with every mistake.
    pub fn check(&self, name: &str) -> Result<(), RegistryError> {
        let mut wrong = Vec::new();
        let mut bytes = name.bytes();
        let named = bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
            && name.len() <= koyalite_policy::NAME_BYTES_MAX;
        if !named {
            let message = "write a lower-case letter, then letters, digits, _ or -";
            wrong.push(Mistake::new("name", message));
        }
        if !is_line(&self.subject) {
            wrong.push(Mistake::new("subject", "write one line"));
        }
        if self.text.is_none() && self.html.is_none() {
            wrong.push(Mistake::new("text", "write `text`, `html` or both"));
        }
        let parts = [
            ("subject", Some(&self.subject)),
            ("text", self.text.as_ref()),
            ("html", self.html.as_ref()),
        ];
        let mut length = 0;
        for (field, part) in parts {
            let part = part.map_or("", String::as_str);
            length += part.len();
            if let Err(error) = template::check(part) {
                wrong.push(Mistake::new(field, error));
            }
        }
        if length > TEMPLATE_BYTES_MAX {
            let message = format!("a template has at most {TEMPLATE_BYTES_MAX} bytes");
            wrong.push(Mistake::new("", message));
        }
        refuse_if_any(wrong)?;
        match name == RESET_TEMPLATE {
            true => reset_letter::check(self, WithLink::Yes),
            false => Ok(()),
        }
    }
}

/// The template of that name.
///
/// # Errors
/// `NotFound` where the project has none.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    name: &str,
) -> Result<Template, RegistryError> {
    let templates = list(registry, project).await?;
    let mut matching = templates.into_iter();
    matching
        .find(|template| template.name == name)
        .ok_or_else(|| RegistryError::not_found("template", name))
}

/// The templates of a project, by name.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
) -> Result<Vec<Template>, RegistryError> {
    let project = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    of_project(&mut conn, project).await
}

async fn of_project(
    conn: &mut DbConnection,
    project: Uuid,
) -> Result<Vec<Template>, RegistryError> {
    let templates = sqlx::query_as!(
        Template,
        "SELECT id, name, subject, body_text AS text, body_html AS html, created_at, updated_at
         FROM koyalite.email_templates WHERE project_id = $1 ORDER BY name",
        project,
    )
    .fetch_all(conn)
    .await?;
    Ok(templates)
}

/// Deletes a template. Messages that were made of it stay.
///
/// # Errors
/// `NotFound` where the project has none of this name.
pub async fn delete(
    registry: &Registry,
    project: &ProjectName,
    name: &str,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    let deleted = sqlx::query!(
        "DELETE FROM koyalite.email_templates WHERE project_id = $1 AND name = $2",
        project,
        name,
    )
    .execute(change.conn())
    .await?;
    match deleted.rows_affected() {
        0 => Err(RegistryError::not_found("template", name)),
        _ => change.commit(Deed::new(Action::TemplateDelete, name)).await,
    }
}
