//! What a project's owner has decided about it: rate limits, and what its data is held to. A closed set;
//! each has an effect, which its field names.

mod check;
mod files;

use koyalite_policy::{ColumnName, TableName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::RegistryError;
use super::manifest::Manifest;
use super::policy_input::given;
use super::pool::DbConnection;

pub use self::files::FileSettings;

/// Requests that one limit may let through: a million a second is more than a node serves.
pub const RATE_REQUESTS_MAX: u32 = 1_000_000;

/// Seconds that a limit may speak of: an hour. What is longer is a quota, and would have to survive a
/// restart.
pub const RATE_SECONDS_MAX: u32 = 3600;

/// Ten years, longer than any law asks for.
pub const RETENTION_DAYS_MAX: u32 = 3650;

/// Of what leaves for others; more is a matter for a service of its own.
pub const QUOTA_MAX: u32 = 1_000_000;

/// Each is looked for in every line that a function logs.
pub const REDACTED_COLUMNS_MAX: usize = 50;

/// A project's pages are at a few addresses: its own, a preview, a machine of a developer.
pub const ORIGINS_MAX: usize = 20;

/// An installation has a handful.
pub const RESIDENCE_REGIONS_MAX: usize = 50;

/// The settings of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Settings {
    /// How often its functions may be called; the gateway answers 429 beyond it.
    pub rate_limits: RateLimits,
    /// After how many days logs and runs go; none: with the node's own age.
    pub retention_days: Option<u32>,
    /// Where its functions may run; empty: anywhere. A deploy elsewhere is refused.
    pub data_residency: Vec<String>,
    /// Whether reads of its tables are in the audit log; each is recorded before it is answered.
    pub audit_reads: bool,
    /// Columns whose values are masked in what its functions log.
    #[schema(value_type = Vec<String>)]
    pub pii_redaction: Vec<Redacted>,
    /// Events of webhooks that its functions may emit in a minute; none: a thousand.
    pub webhook_events_per_minute: Option<u32>,
    /// Messages that its functions may send in an hour; none: five hundred.
    pub emails_per_hour: Option<u32>,
    /// Origins of pages that may call `/auth` from a browser; `*` is any.
    pub allowed_origins: Vec<String>,
    /// The page that a mail about a forgotten password leads to; none: it has the code alone.
    pub password_reset_url: Option<String>,
    /// What it takes as files.
    pub files: FileSettings,
}

/// How often a project's functions may be called, on each node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct RateLimits {
    /// By all callers together.
    pub project: Option<Rate>,
    /// By the bearers of one API key.
    pub key: Option<Rate>,
    /// By one caller: a user, else an address.
    pub caller: Option<Rate>,
}

/// So many requests in so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Rate {
    /// As many may come at once.
    pub requests: u32,
    /// And as many again come in evenly within this time.
    pub seconds: u32,
}

/// A column, as `table.column`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Redacted {
    table: TableName,
    /// Its name, by which values are found in a log.
    pub column: ColumnName,
}

impl TryFrom<String> for Redacted {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no column; write it as table.column");
        let (table, column) = text.split_once('.').ok_or_else(wrong)?;
        match (table.parse(), column.parse()) {
            (Ok(table), Ok(column)) => Ok(Self { table, column }),
            _ => Err(wrong()),
        }
    }
}

impl From<Redacted> for String {
    fn from(redacted: Redacted) -> String {
        format!("{}.{}", redacted.table, redacted.column)
    }
}

/// Settings to change. What is left out stays; `null` takes one back to what it is by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
pub struct SettingsPatch {
    /// Other limits, all of them.
    #[serde(default, deserialize_with = "given")]
    pub rate_limits: Option<Option<RateLimits>>,
    /// Another age.
    #[serde(default, deserialize_with = "given")]
    pub retention_days: Option<Option<u32>>,
    /// Other regions, all of them.
    #[serde(default, deserialize_with = "given")]
    pub data_residency: Option<Option<Vec<String>>>,
    /// On or off.
    #[serde(default, deserialize_with = "given")]
    pub audit_reads: Option<Option<bool>>,
    /// Other columns, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    pub pii_redaction: Option<Option<Vec<Redacted>>>,
    /// Another quota.
    #[serde(default, deserialize_with = "given")]
    pub webhook_events_per_minute: Option<Option<u32>>,
    /// Another quota.
    #[serde(default, deserialize_with = "given")]
    pub emails_per_hour: Option<Option<u32>>,
    /// Other origins, all of them.
    #[serde(default, deserialize_with = "given")]
    pub allowed_origins: Option<Option<Vec<String>>>,
    /// Another page.
    #[serde(default, deserialize_with = "given")]
    pub password_reset_url: Option<Option<String>>,
    /// Others for files, all of them.
    #[serde(default, deserialize_with = "given")]
    pub files: Option<Option<FileSettings>>,
}

impl SettingsPatch {
    /// Makes the settings those that are wanted.
    fn apply(self, settings: &mut Settings) {
        fn set<T: Default>(field: &mut T, wanted: Option<Option<T>>) {
            if let Some(wanted) = wanted {
                *field = wanted.unwrap_or_default();
            }
        }
        fn replace<T>(field: &mut Option<T>, wanted: Option<Option<T>>) {
            if let Some(wanted) = wanted {
                *field = wanted;
            }
        }
        set(&mut settings.rate_limits, self.rate_limits);
        replace(&mut settings.retention_days, self.retention_days);
        let events = self.webhook_events_per_minute;
        replace(&mut settings.webhook_events_per_minute, events);
        replace(&mut settings.emails_per_hour, self.emails_per_hour);
        set(&mut settings.data_residency, self.data_residency);
        set(&mut settings.audit_reads, self.audit_reads);
        set(&mut settings.allowed_origins, self.allowed_origins);
        replace(&mut settings.password_reset_url, self.password_reset_url);
        set(&mut settings.pii_redaction, self.pii_redaction);
        set(&mut settings.files, self.files);
        settings.data_residency.sort();
        settings.data_residency.dedup();
    }
}

impl Settings {
    /// Those of a project's row, which holds others' words too.
    pub(crate) fn from_stored(stored: serde_json::Value) -> Result<Self, RegistryError> {
        serde_json::from_value(stored).map_err(RegistryError::internal)
    }

    /// Whether the project's functions may run in that region.
    #[must_use]
    pub fn allows_region(&self, region: &str) -> bool {
        self.data_residency.is_empty() || self.data_residency.iter().any(|name| name == region)
    }
}

/// Writes the settings of a project, as a patch makes them.
pub(crate) async fn change(
    conn: &mut DbConnection,
    project: Uuid,
    patch: SettingsPatch,
) -> Result<(), RegistryError> {
    let mut settings = of(conn, project).await?;
    patch.apply(&mut settings);
    settings.check()?;
    let outside = functions_outside(conn, project, &settings).await?;
    if !outside.is_empty() {
        let message = format!(
            "deployed elsewhere: {}; deploy those anew first",
            outside.join(", ")
        );
        return Err(RegistryError::invalid("settings.data_residency", message));
    }
    let stored = serde_json::to_value(&settings).map_err(RegistryError::internal)?;
    sqlx::query!(
        "UPDATE koyalite.projects SET settings = settings || $2 WHERE id = $1",
        project,
        stored,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn of(conn: &mut DbConnection, project: Uuid) -> Result<Settings, RegistryError> {
    let stored = sqlx::query_scalar!(
        "SELECT settings FROM koyalite.projects WHERE id = $1",
        project
    )
    .fetch_one(conn)
    .await?;
    Settings::from_stored(stored)
}

async fn functions_outside(
    conn: &mut DbConnection,
    project: Uuid,
    settings: &Settings,
) -> Result<Vec<String>, RegistryError> {
    if settings.data_residency.is_empty() {
        return Ok(Vec::new());
    }
    let outside = sqlx::query_scalar!(
        "SELECT f.name FROM koyalite.functions f
         JOIN koyalite.deployments d ON d.id = f.active_deployment_id
         WHERE f.project_id = $1 AND NOT d.regions <@ $2 ORDER BY f.name",
        project,
        &settings.data_residency,
    );
    Ok(outside.fetch_all(conn).await?)
}

/// Refuses a version that would run where the project's data may not be.
pub(crate) async fn allow_regions(
    conn: &mut DbConnection,
    project: Uuid,
    manifest: &Manifest,
) -> Result<(), RegistryError> {
    let settings = of(conn, project).await?;
    match manifest
        .region
        .iter()
        .all(|region| settings.allows_region(region))
    {
        true => Ok(()),
        false => Err(RegistryError::invalid(
            "region",
            format!(
                "this project's data stays in {}; name only those regions",
                settings.data_residency.join(", ")
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(patch: serde_json::Value) -> Settings {
        let mut settings = Settings {
            retention_days: Some(7),
            ..Settings::default()
        };
        let patch: SettingsPatch = serde_json::from_value(patch).unwrap();
        patch.apply(&mut settings);
        settings
    }

    #[test]
    fn what_a_patch_leaves_out_stays_and_null_takes_it_back() {
        let limits = json!({ "rate_limits": { "caller": { "requests": 5, "seconds": 60 } } });
        let patched_limits = patched(limits);
        assert_eq!(patched_limits.retention_days, Some(7));
        assert_eq!(patched_limits.rate_limits.caller.unwrap().requests, 5);
        assert_eq!(
            patched(json!({ "retention_days": null })).retention_days,
            None
        );
        let regions = json!({ "data_residency": ["eu", "ch", "eu"] });
        assert_eq!(patched(regions).data_residency, ["ch", "eu"]);
    }

    #[test]
    fn odd_values_are_refused_with_their_field() {
        let check = |patch, field: &str| {
            let error = patched(patch).check().unwrap_err();
            assert!(error.to_string().contains(field), "{error}");
        };
        let rate = |requests, seconds| json!({ "requests": requests, "seconds": seconds });
        check(
            json!({ "rate_limits": { "key": rate(0, 1) } }),
            "rate_limits.key",
        );
        check(
            json!({ "rate_limits": { "project": rate(1, 3601) } }),
            "rate_limits.project",
        );
        check(json!({ "retention_days": 0 }), "retention_days");
        check(json!({ "data_residency": ["*"] }), "data_residency");
        let columns: Vec<_> = (0..51).map(|n| format!("users.c{n}")).collect();
        check(json!({ "pii_redaction": columns }), "pii_redaction");
        let column = json!({ "pii_redaction": ["email"] });
        assert!(serde_json::from_value::<SettingsPatch>(column).is_err());
    }

    #[test]
    fn others_words_in_the_row_are_passed_over() {
        let stored = json!({ "native_mirror": true, "emails_per_hour": 7 });
        let settings = Settings::from_stored(stored).unwrap();
        assert_eq!(settings.emails_per_hour, Some(7));
        assert!(settings.allows_region("anywhere"));
    }
}
