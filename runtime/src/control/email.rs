//! Mail: who a project sends as, its templates, who takes no mail.

use axum::extract::State;
use axum::response::NoContent;
use koyalite_host_api::outbox::email::render;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::Mistake;
use crate::registry::mail::senders::{self, NewSender, Sender};
use crate::registry::mail::suppressions::{self, Suppression};
use crate::registry::mail::templates::{self, NewTemplate, Template};

use super::Shared;
use super::answer::{Answer, Created, Items, created, ok};
use super::error::ApiError;
use super::extract::{Asked, At, InProject};
use super::json::Json;
use super::paging::{Paging, part};
use super::unchanged::{Tagged, Unchanged, tagged};
use super::webhooks::id_of;

pub(super) async fn senders(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Sender>>, ApiError> {
    let page = paging.page("senders")?;
    let all = senders::list(&control.registry, &project.name).await?;
    let key = |sender: &Sender| (sender.created_at, sender.id);
    part("senders", page.cut(all, key), key)
}

pub(super) async fn add_sender(
    State(control): State<Shared>,
    InProject(project): InProject,
    Json(new): Json<NewSender>,
) -> Result<Created<Sender>, ApiError> {
    let made = senders::create(&control.registry, &project.name, &new).await?;
    Ok(created(made))
}

pub(super) async fn remove_sender(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<NoContent, ApiError> {
    let id = id_of("sender", &id)?;
    senders::delete(&control.registry, &project.name, id).await?;
    Ok(NoContent)
}

pub(super) async fn templates(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Template>>, ApiError> {
    let page = paging.page("templates")?;
    let all = templates::list(&control.registry, &project.name).await?;
    let key = |template: &Template| template.name.clone();
    part("templates", page.cut(all, key), key)
}

pub(super) async fn show_template(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, name)): At<(String, String)>,
) -> Result<Tagged<Answer<Template>>, ApiError> {
    tagged(ok(
        templates::get(&control.registry, &project.name, &name).await?
    ))
}

pub(super) async fn put_template(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, name)): At<(String, String)>,
    Unchanged(condition): Unchanged,
    Json(new): Json<NewTemplate>,
) -> Result<Tagged<Answer<Template>>, ApiError> {
    let new = (&condition, &new);
    tagged(ok(templates::put(
        &control.registry,
        &project.name,
        &name,
        new,
    )
    .await?))
}

pub(super) async fn remove_template(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, name)): At<(String, String)>,
) -> Result<NoContent, ApiError> {
    templates::delete(&control.registry, &project.name, &name).await?;
    Ok(NoContent)
}

/// Values to see a template with.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = TemplateValues)]
pub(super) struct Values {
    values: Value,
}

/// What would be sent.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Preview {
    subject: String,
    text: String,
    html: Option<String>,
}

pub(super) async fn preview(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, name)): At<(String, String)>,
    Json(Values { values }): Json<Values>,
) -> Result<Answer<Preview>, ApiError> {
    let found = templates::get(&control.registry, &project.name, &name).await?;
    let parts = (
        found.subject.as_str(),
        found.text.as_deref(),
        found.html.as_deref(),
    );
    let filled = render(parts, &values)
        .map_err(|error| ApiError::Invalid(vec![Mistake::at("values", error.to_string())]))?;
    Ok(ok(Preview {
        subject: filled.subject,
        text: filled.text,
        html: filled.html,
    }))
}

pub(super) async fn suppressions(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<Suppression>>, ApiError> {
    let page = paging.page("suppressions")?;
    let found = suppressions::list(&control.registry, &project.name, &page).await?;
    part("suppressions", found, |one| {
        (one.created_at, one.address.clone())
    })
}

pub(super) async fn unsuppress(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, address)): At<(String, String)>,
) -> Result<NoContent, ApiError> {
    suppressions::delete(&control.registry, &project.name, &address).await?;
    Ok(NoContent)
}
