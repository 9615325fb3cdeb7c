//! A project's JWT secret, for whoever connects an identity server of their own: shown, set, or made
//! anew. Only administrators may: who knows it can be any user of the project.

use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::registry::audit::{self, Action, Chain, Deed};
use crate::registry::jwt_secret::{self, Encoding};
use crate::registry::{ProjectEntry, Secret};

use super::Shared;
use super::answer::{Answer, OrNothing, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::InProject;
use super::json::Json;
use super::unchanged::{Tagged, Unchanged, tagged_as};

/// The secret, as it is pasted elsewhere.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = JwtSecret)]
pub(super) struct Shown {
    secret: String,
    encoding: Encoding,
    algorithm: &'static str,
    /// What a token must say in `iss` and `aud` beside its signature.
    issuer: &'static str,
    audience: String,
}

/// Left out: a new one is made.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = NewJwtSecret)]
pub(super) struct Wanted {
    secret: Option<String>,
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
) -> Result<Tagged<Answer<Shown>>, ApiError> {
    let deed = Deed::new(Action::JwtSecretRead, &project.name);
    audit::record(&control.registry, Chain::Project(project.id), deed).await?;
    // Whoever has seen it can be any user: it must be seen who has.
    tracing::info!(operator = operator.subject, project = %project.name, "showed a JWT secret");
    let (secret, state) = jwt_secret::get(&control.registry, project.id).await?;
    tagged_as(ok(shown(&project, &secret)), &state)
}

pub(super) async fn replace(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Unchanged(condition): Unchanged,
    Json(wanted): Json<Wanted>,
) -> Result<Tagged<OrNothing<Shown>>, ApiError> {
    // Its owner knows a secret of theirs, and an answer that repeats it only finds its way into logs.
    let (secret, answer) = match wanted.secret {
        Some(text) => (jwt_secret::chosen(text)?, OrNothing::Nothing),
        None => {
            let secret = Secret::random_key();
            let answer = OrNothing::Document(shown(&project, &secret));
            (secret, answer)
        }
    };
    let secret = (&condition, &secret);
    let state = jwt_secret::replace(&control.registry, &project.name, secret).await?;
    tracing::info!(operator = operator.subject, project = %project.name, "replaced a JWT secret");
    tagged_as(answer, &state)
}

fn shown(project: &ProjectEntry, secret: &Secret) -> Shown {
    let (encoding, secret) = jwt_secret::written(secret);
    Shown {
        secret,
        encoding,
        algorithm: "HS256",
        issuer: crate::keys::token::ISSUER,
        audience: crate::keys::Audience::Project(project.id).to_string(),
    }
}
