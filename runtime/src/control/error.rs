//! Every refusal of the control API, and the one place where it becomes a status and a code.
//!
//! The matches are exhaustive: a new way to fail in a layer below forces a decision here. What only
//! the log may know is written to the log here, once, and never reaches a caller.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use koyalite_host_api::{ErrorKind, HostError};
use koyalite_policy::NameError;

use crate::accounts::AccountError;
use crate::engine::AdmitError;
use crate::file_code::file_code;
use crate::http::{Code, Mistake, Problem};
use crate::keys::TokenError;
use crate::registry::{self, RegistryError, Standing};

use super::json::JsonError;
use super::permission::{Permission, name};
use super::source::SourceError;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No credential at all.
    #[error("send a control token: `Authorization: Bearer <token>`")]
    Unauthenticated,
    /// A credential that is not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A good token of a role that does not hold the permission.
    #[error("this needs the permission `{}`, which the role `{}` does not hold", name(*.permission), .role)]
    Forbidden {
        /// What is needed.
        permission: Permission,
        /// What the token has.
        role: String,
    },
    /// A good token of a session that is over, or one that was taken back.
    #[error("the session is over, or the token was taken back; sign in again or ask for another")]
    Ended,
    /// Somebody would give, or take over, what they do not hold themselves.
    #[error("nobody gives or takes what they may not do themselves: this takes {}", names(.lacking))]
    BeyondOwn {
        /// What they lack.
        lacking: Vec<Permission>,
    },
    /// A refusal of accounts and sessions.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// No such user.
    #[error("there is no user `{0}`")]
    UnknownUser(String),
    /// Something that only whoever signed in with a password can do.
    #[error("this is for users who signed in; a token that was given out has no session")]
    NoSession,
    /// The path matches nothing.
    #[error("there is nothing at this path; the control API begins with /v1/")]
    UnknownRoute,
    /// The path exists, the method does not.
    #[error("this path does not take that method")]
    MethodNotAllowed,
    /// A part of the path that is no text.
    #[error("a part of the path is not valid text")]
    BadPath,
    /// A query string that is not understood.
    #[error("{0}")]
    BadQuery(String),
    /// An `If-Match` that is no list of tags.
    #[error("write If-Match as the ETag of an answer, in its quotes, or as *")]
    BadIfMatch,
    /// A key that nobody could keep.
    #[error("send one Idempotency-Key of 1 to 255 printable ASCII characters")]
    BadIdempotencyKey,
    /// A key that was used for something else.
    #[error("this Idempotency-Key was used for another request; take a new one")]
    KeyReused,
    /// The same request is at work.
    #[error("the first request with this Idempotency-Key has not ended; repeat it in a moment")]
    KeyInFlight,
    /// A name in a path or body that can be nobody's.
    #[error(transparent)]
    BadName(#[from] NameError),
    /// A body that is not the JSON it should be.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A document over its limit.
    #[error("a body can have at most {limit} bytes")]
    BodyTooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The client stopped sending.
    #[error("the body ended before it was complete")]
    BodyIncomplete,
    /// A component over its limit.
    #[error("a component can have at most {} MiB", .limit >> 20)]
    ComponentTooLarge {
        /// In bytes.
        limit: usize,
    },
    /// An upload that is neither a component nor a form with one.
    #[error("{0}")]
    BadUpload(&'static str),
    /// A body that announces itself as something else than what is read here.
    #[error("the content type `{sent}` is not read here; {instead}")]
    UnsupportedMediaType {
        /// What the request says.
        sent: String,
        /// What would have been right.
        instead: &'static str,
    },
    /// No such project, for this operator.
    #[error("there is no project `{0}`")]
    UnknownProject(String),
    /// A deletion that does not say what is to go.
    #[error(
        "this deletes it with all that is in it; repeat it with `?confirm={0}` if that is meant"
    )]
    Unconfirmed(String),
    /// No such function in the project.
    #[error("there is no function `{0}`")]
    UnknownFunction(String),
    /// A refusal of the component.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// A component that could not be fetched.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No such policy in the project.
    #[error("there is no policy `{0}`")]
    UnknownPolicy(String),
    /// No such scheduled task in the project.
    #[error("there is no scheduled task `{0}`; write it as <function>.<name>")]
    UnknownTask(String),
    /// A refusal of the control data.
    #[error("{error}")]
    Registry {
        /// What the registry says.
        #[source]
        error: RegistryError,
        /// The code for what is invalid in itself; each kind of document has its own.
        invalid: Code,
    },
    /// Values that are not acceptable, each with its field.
    #[error("{}", said(.0))]
    Invalid(Vec<Mistake>),
    /// A project's secret that no key can be made of.
    #[error("the project's secret cannot sign")]
    BadSecret,
    /// An answer that cannot be written.
    #[error("the answer could not be written")]
    Unwritable,
    /// Something is to be dropped in production, and nobody has said that it may.
    #[error("this project is in production; repeat it with `lose_data=true` if dropping is meant")]
    DropInProduction,
    /// A token for development is asked for in production.
    #[error(
        "this project is in production: its users sign in, and no tokens are made for development"
    )]
    TokenInProduction,
    /// A refusal of the tables.
    #[error("{0}")]
    Host(#[from] HostError),
    /// The object store failed.
    #[error("the component could not be stored")]
    Store(#[source] object_store::Error),
}

impl ApiError {
    /// Wraps a refusal of the registry, with the code for documents of this kind.
    pub(super) fn invalid_as(invalid: Code) -> impl Fn(RegistryError) -> ApiError {
        move |error| ApiError::Registry { error, invalid }
    }

    /// The problem document: what a caller may know.
    pub fn problem(&self) -> Problem {
        match self {
            ApiError::Account(error) => error.problem(),
            _ => Problem::new(self.code(), self.to_string()).with_errors(self.mistakes()),
        }
    }

    fn code(&self) -> Code {
        match self {
            ApiError::Unauthenticated => Code::Unauthorized,
            ApiError::Token(TokenError::Expired) => Code::ExpiredToken,
            ApiError::Token(_) => Code::InvalidToken,
            ApiError::Forbidden { .. } | ApiError::BeyondOwn { .. } | ApiError::NoSession => {
                Code::Forbidden
            }
            ApiError::Ended => Code::SessionOver,
            ApiError::Account(error) => error.problem().code,
            ApiError::UnknownUser(_) => Code::UnknownUser,
            ApiError::UnknownRoute => Code::UnknownRoute,
            ApiError::MethodNotAllowed => Code::MethodNotAllowed,
            ApiError::BadPath => Code::BadPath,
            ApiError::BadQuery(_) => Code::InvalidQuery,
            ApiError::BadIfMatch | ApiError::BadIdempotencyKey => Code::BadRequest,
            ApiError::KeyReused => Code::KeyReused,
            ApiError::KeyInFlight => Code::KeyInFlight,
            ApiError::BadName(_) => Code::InvalidName,
            ApiError::Json(JsonError::Malformed(_)) => Code::InvalidJson,
            ApiError::Json(JsonError::UnknownFields(_)) => Code::UnknownField,
            ApiError::Json(JsonError::WrongShape(_)) => Code::InvalidField,
            ApiError::BodyTooLarge { .. } => Code::BodyTooLarge,
            ApiError::BodyIncomplete => Code::BodyIncomplete,
            ApiError::ComponentTooLarge { .. } => Code::ComponentTooLarge,
            ApiError::BadUpload(_) => Code::BadRequest,
            ApiError::UnsupportedMediaType { .. } => Code::UnsupportedMediaType,
            ApiError::UnknownProject(_) => Code::UnknownProject,
            ApiError::Unconfirmed(_) => Code::Unconfirmed,
            ApiError::UnknownFunction(_) => Code::UnknownFunction,
            ApiError::Admit(error) => admit_code(error),
            ApiError::Source(error) => error.code(),
            ApiError::UnknownPolicy(_) => Code::UnknownPolicy,
            ApiError::UnknownTask(_) => Code::UnknownSchedule,
            ApiError::Registry { error, invalid } => registry_code(error, *invalid),
            ApiError::Invalid(_) => Code::InvalidField,
            ApiError::DropInProduction => Code::WouldLoseData,
            ApiError::TokenInProduction => Code::Conflict,
            ApiError::Host(error) => host_code(error),
            ApiError::BadSecret | ApiError::Unwritable | ApiError::Store(_) => Code::Internal,
        }
    }

    fn mistakes(&self) -> Vec<Mistake> {
        match self {
            ApiError::Json(
                JsonError::Malformed(mistakes)
                | JsonError::UnknownFields(mistakes)
                | JsonError::WrongShape(mistakes),
            ) => mistakes.clone(),
            ApiError::Admit(AdmitError::MissingImports { missing }) => {
                missing.iter().map(Mistake::new).collect()
            }
            ApiError::Admit(AdmitError::AsyncImports { imports }) => {
                imports.iter().map(Mistake::new).collect()
            }
            ApiError::Registry {
                error: RegistryError::Invalid { errors } | RegistryError::Conflict { errors, .. },
                ..
            } => errors.iter().map(registry_mistake).collect(),
            ApiError::Invalid(mistakes) => mistakes.clone(),
            _ => Vec::new(),
        }
    }

    /// What only the log may know.
    fn inside(&self) -> Option<String> {
        match self {
            ApiError::Admit(AdmitError::Internal { inside }) => Some(inside.clone()),
            ApiError::Registry {
                error: error @ (RegistryError::Internal(_) | RegistryError::Unavailable(_)),
                ..
            } => Some(error.detail()),
            ApiError::Store(error) => Some(error.to_string()),
            ApiError::Account(error) => error.inside(),
            ApiError::Host(error) => match error.kind() {
                ErrorKind::Internal | ErrorKind::Unavailable => error.inside().map(str::to_owned),
                _ => None,
            },
            _ => None,
        }
    }
}

fn names(permissions: &[Permission]) -> String {
    let quoted = |one: &Permission| format!("`{}`", name(*one));
    permissions
        .iter()
        .map(quoted)
        .collect::<Vec<_>>()
        .join(", ")
}

/// All mistakes in one sentence, for readers who look at the detail only.
fn said(mistakes: &[Mistake]) -> String {
    let one = |mistake: &Mistake| match &mistake.field {
        Some(field) => format!("{field}: {}", mistake.message),
        None => mistake.message.clone(),
    };
    mistakes.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn admit_code(error: &AdmitError) -> Code {
    match error {
        AdmitError::NotWasm => Code::NotWasm,
        AdmitError::CoreModule => Code::CoreModule,
        AdmitError::Invalid { .. } => Code::InvalidComponent,
        AdmitError::NoHandler { .. } => Code::NoHandler,
        AdmitError::MissingImports { .. } => Code::UnknownImports,
        AdmitError::AsyncImports { .. } => Code::AsyncImports,
        AdmitError::CompileLimit { .. } => Code::CompileLimit,
        AdmitError::Busy => Code::Overloaded,
        AdmitError::Internal { .. } => Code::Internal,
    }
}

fn host_code(error: &HostError) -> Code {
    if let Some(code) = file_code(error) {
        return code;
    }
    match error.kind() {
        ErrorKind::Denied => Code::Forbidden,
        ErrorKind::NotFound if error.code() == "unknown_table" => Code::UnknownTable,
        ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Limit => Code::InvalidField,
        ErrorKind::Conflict if error.code() == "already_exists" => Code::AlreadyExists,
        ErrorKind::Conflict => Code::Conflict,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Internal => Code::Internal,
    }
}

fn registry_code(error: &RegistryError, invalid: Code) -> Code {
    match error {
        RegistryError::NotFound { what, .. } => match *what {
            "project" => Code::UnknownProject,
            "file" => Code::UnknownFile,
            "function" => Code::UnknownFunction,
            "version" => Code::UnknownVersion,
            "deployment" => Code::UnknownDeployment,
            "run" => Code::UnknownRun,
            "table" => Code::UnknownTable,
            "column" => Code::UnknownColumn,
            "index" => Code::UnknownIndex,
            "policy" => Code::UnknownPolicy,
            "secret" => Code::UnknownSecret,
            "api key" => Code::UnknownApiKey,
            "identity provider" => Code::UnknownProvider,
            "user" => Code::UnknownUser,
            "role" => Code::UnknownRole,
            "member" => Code::UnknownMember,
            "token" => Code::UnknownToken,
            "sender" => Code::UnknownSender,
            "template" => Code::UnknownTemplate,
            "message" => Code::UnknownMessage,
            "suppression" => Code::UnknownSuppression,
            "endpoint" => Code::UnknownEndpoint,
            "delivery" => Code::UnknownDelivery,
            _ => Code::UnknownSchedule,
        },
        RegistryError::Conflict { kind, .. } => match kind {
            Standing::AlreadyExists => Code::AlreadyExists,
            Standing::InUse => Code::InUse,
            Standing::WouldLoseData => Code::WouldLoseData,
            Standing::NotMirrorable => Code::NotMirrorable,
            Standing::NothingToRollBack => Code::NothingToRollBack,
            Standing::SchemaChanged => Code::SchemaChanged,
            Standing::ChangedSince => Code::PreconditionFailed,
            Standing::State => Code::Conflict,
        },
        RegistryError::Invalid { .. } => invalid,
        RegistryError::Unavailable(_) => Code::Unavailable,
        RegistryError::Internal(_) => Code::Internal,
    }
}

/// A mistake as the registry tells it, for a caller.
pub(super) fn registry_mistake(mistake: &registry::Mistake) -> Mistake {
    Mistake {
        field: Some(mistake.field.clone()).filter(|field| !field.is_empty()),
        line: mistake
            .position
            .and_then(|place| u32::try_from(place.line).ok()),
        column: mistake
            .position
            .and_then(|place| u32::try_from(place.column).ok()),
        hint: mistake.hint.clone(),
        ..Mistake::new(&mistake.message)
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> ApiError {
        ApiError::Registry {
            error,
            invalid: Code::InvalidField,
        }
    }
}

impl IntoResponse for ApiError {
    /// A response that carries its problem: the request's id, which the document names, is known
    /// further out, where [`super::service`] writes it.
    fn into_response(self) -> Response {
        let problem = self.problem();
        if let Some(inside) = self.inside() {
            tracing::error!(code = %problem.code, inside, "a control request failed");
        }
        let mut response = StatusCode::into_response(problem.status());
        response.extensions_mut().insert(problem);
        response
    }
}
