//! What a change to control data answers when it is not made: [`RegistryError`].
//!
//! Every error of the database is mapped here, once, by its SQLSTATE. Messages are for the people
//! who deploy; they never repeat a word of Postgres, which goes to the log through `source`.

use std::fmt;

use serde::Serialize;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// What was named does not exist.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// The noun: project, table, function, version…
        what: &'static str,
        /// As it was asked for.
        name: String,
    },
    /// It contradicts something that exists.
    #[error("{reason}{}", Listed(.errors))]
    Conflict {
        /// What kind of thing stands in the way.
        kind: Standing,
        /// What stands in the way, and what would be right.
        reason: String,
        /// All that stands in the way, where it can be listed.
        errors: Vec<Mistake>,
    },
    /// The request itself is wrong.
    #[error("{}", Mistakes(.errors))]
    Invalid {
        /// All that is wrong with it, not only the first.
        errors: Vec<Mistake>,
    },
    /// The database is away or busy; the same request may succeed later.
    #[error("the control database is not available; try again")]
    Unavailable(#[source] Source),
    /// A fault of ours, or a database that is not as the migrations left it.
    #[error("internal error in the registry")]
    Internal(#[source] Source),
}

/// What stands in the way of a change, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The name or the path is taken.
    AlreadyExists,
    /// Something else depends on what would go or change.
    InUse,
    /// Rows or values would be gone, and nobody has said that they may.
    WouldLoseData,
    /// A policy says what Postgres' row security cannot, and the project is mirrored or would be.
    NotMirrorable,
    /// No other version served before.
    NothingToRollBack,
    /// The schema is not the one that a plan was made for.
    SchemaChanged,
    /// It is not as the caller last saw it.
    ChangedSince,
    /// Anything else about how things are; the reason says what.
    State,
}

/// What lies behind an error, for the log.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Which field, for example `columns[2].type` or `schedules[0].cron`. Empty: the whole.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// Where in the field's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Place>,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A place in a text, both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column in it.
    pub column: u64,
}

impl Mistake {
    /// A mistake in one field.
    pub fn new(field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self {
            field: field.into(),
            message: message.to_string(),
            position: None,
            hint: None,
        }
    }

    /// The same, at a place in the field's text.
    #[must_use]
    pub fn at(mut self, line: u64, column: u64) -> Self {
        self.position = Some(Place { line, column });
        self
    }

    /// The same, with what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The same, inside a larger request.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        self.field = match self.field.is_empty() {
            true => parent.to_owned(),
            false => format!("{parent}.{}", self.field),
        };
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if let Some(Place { line, column }) = self.position {
            write!(f, " (at line {line}, column {column})")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Mistakes on one line.
struct Mistakes<'a>(&'a [Mistake]);

impl fmt::Display for Mistakes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

/// The same after a sentence, or nothing.
struct Listed<'a>(&'a [Mistake]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            mistakes => write!(f, ": {}", Mistakes(mistakes)),
        }
    }
}

impl RegistryError {
    pub(crate) fn not_found(what: &'static str, name: impl fmt::Display) -> Self {
        Self::NotFound {
            what,
            name: name.to_string(),
        }
    }

    pub(crate) fn conflict(kind: Standing, reason: impl fmt::Display) -> Self {
        Self::conflicts(kind, reason, Vec::new())
    }

    pub(crate) fn conflicts(
        kind: Standing,
        reason: impl fmt::Display,
        errors: Vec<Mistake>,
    ) -> Self {
        Self::Conflict {
            kind,
            reason: reason.to_string(),
            errors,
        }
    }

    pub(crate) fn invalid(field: &str, message: impl fmt::Display) -> Self {
        Self::Invalid {
            errors: vec![Mistake::new(field, message)],
        }
    }

    /// The same, its fields inside a larger request.
    #[must_use]
    pub(crate) fn under(self, parent: &str) -> Self {
        match self {
            Self::Invalid { errors } => Self::Invalid {
                errors: errors.into_iter().map(|m| m.under(parent)).collect(),
            },
            error => error,
        }
    }

    pub(crate) fn internal(source: impl Into<Source>) -> Self {
        Self::Internal(source.into())
    }

    /// The error with its cause, for the log alone.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Unavailable(source) | Self::Internal(source) => format!("{self}: {source}"),
            Self::NotFound { .. } | Self::Conflict { .. } | Self::Invalid { .. } => {
                self.to_string()
            }
        }
    }
}

impl From<Vec<Mistake>> for RegistryError {
    fn from(errors: Vec<Mistake>) -> Self {
        Self::Invalid { errors }
    }
}

/// All mistakes at once, or nothing.
pub(crate) fn refuse_if_any(errors: Vec<Mistake>) -> Result<(), RegistryError> {
    match errors.is_empty() {
        true => Ok(()),
        false => Err(RegistryError::Invalid { errors }),
    }
}

impl From<sqlx::Error> for RegistryError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => match meaning(database.as_ref()) {
                Meaning::Conflict(kind, reason) => Self::conflict(kind, reason),
                Meaning::Invalid(reason) => Self::invalid("", reason),
                Meaning::ComeBack => Self::Unavailable(error.into()),
                Meaning::Fault => Self::Internal(error.into()),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error.into()),
            _ => Self::Internal(error.into()),
        }
    }
}

enum Meaning {
    Conflict(Standing, &'static str),
    Invalid(&'static str),
    ComeBack,
    Fault,
}

fn meaning(error: &(dyn DatabaseError + 'static)) -> Meaning {
    let code = error.code().unwrap_or_default();
    match code.as_ref() {
        "23505" if is_of_tenant(error) => Meaning::Conflict(
            Standing::State,
            "rows agree in what would be unique; change those rows first",
        ),
        "23505" => taken(error.constraint().unwrap_or_default()),
        "23503" | "2BP01" => Meaning::Conflict(
            Standing::InUse,
            "something else still refers to it; remove that first",
        ),
        "23502" => Meaning::Conflict(
            Standing::State,
            "the table has rows that would hold no value; give the column a default or make it \
             nullable",
        ),
        "42P07" | "42701" => {
            Meaning::Conflict(Standing::AlreadyExists, "the name is taken in the database")
        }
        "54000" => Meaning::Conflict(
            Standing::State,
            "a row holds a value that is too long for an index (about 2700 bytes)",
        ),
        "42830" => {
            Meaning::Invalid("a reference needs a unique or primary key column as its target")
        }
        // No text of Postgres has it, in a column or in JSON.
        "22021" | "22P05" => Meaning::Invalid("leave out characters of code 0"),
        "42804" => Meaning::Invalid("a reference and its target must have the same type"),
        // Serialisation, deadlock, lock wait, statement cancelled.
        "40001" | "40P01" | "55P03" | "57014" => Meaning::ComeBack,
        // Connection lost, out of resources, shutting down or starting up.
        code if matches!(code.get(..2), Some("08" | "53")) || code.starts_with("57P0") => {
            Meaning::ComeBack
        }
        _ => Meaning::Fault,
    }
}

/// Whether an error is about a project's own table rather than the catalogue's.
fn is_of_tenant(error: &(dyn DatabaseError + 'static)) -> bool {
    error
        .try_downcast_ref::<PgDatabaseError>()
        .and_then(PgDatabaseError::schema)
        .is_some_and(|schema| schema != "koyalite")
}

/// What a broken unique constraint means, by the constraint's name.
fn taken(constraint: &str) -> Meaning {
    let reason = match constraint {
        "projects_name_key" => "a project of this name exists; choose another name",
        "tables_project_id_name_key" => "the project has a table of this name",
        "columns_table_id_name_key" => "the table has a column of this name",
        "policies_table_id_name_key" => "the table has a policy of this name; change that one",
        "indexes_table_id_name_key" => "the table has an index of this name; choose another `name`",
        "functions_project_id_path_key" => {
            "another function of the project has this path; choose another `path`"
        }
        "api_keys_project_id_name_key" => "the project has an API key of this name",
        "identity_providers_project_id_name_key" => {
            "the project has an identity provider of this name"
        }
        "identity_providers_project_id_issuer_key" => {
            "the project has a provider with this issuer; delete that one first"
        }
        "vector_indexes_project_id_name_key" => {
            "the project has a vector index of this name; choose another `name`"
        }
        "roles_name_key" => "a role of this name exists; choose another name",
        "email_senders_project_id_address_key" => "the project sends from this address already",
        "users_email_key" => "a user with this email exists",
        _ => {
            let reason = "it was changed by somebody else at the same moment; look again and retry";
            return Meaning::Conflict(Standing::State, reason);
        }
    };
    Meaning::Conflict(Standing::AlreadyExists, reason)
}

/// A database that cannot be migrated: away, or one that another version has changed.
pub(crate) fn from_migration(error: sqlx::migrate::MigrateError) -> RegistryError {
    match error {
        sqlx::migrate::MigrateError::Execute(error) => error.into(),
        error => RegistryError::internal(error),
    }
}
