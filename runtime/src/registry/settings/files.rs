//! What a project takes as files: how large, how many bytes together, of which types.

use koyalite_host_api::files::{FileLimits, is_type};
use koyalite_host_api::limits::FILE_BYTES_MAX;
use serde::{Deserialize, Serialize};

use crate::registry::error::Mistake;

/// Together; a thousand times what a project has by itself.
pub const FILES_QUOTA_MIB_MAX: u64 = 10 << 20;

/// An application names a handful.
pub const FILE_TYPES_MAX: usize = 50;

/// The settings of a project's files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FileSettings {
    /// How many mebibytes its files may have together; none: 10 240. The database holds it to that.
    pub quota_mib: Option<u64>,
    /// How many mebibytes one may have; none: 5 120.
    pub file_mib: Option<u64>,
    /// Media types that it takes, as `image/png` or `image/*`; empty: all.
    pub types: Vec<String>,
}

impl FileSettings {
    /// What host calls are held to.
    #[must_use]
    pub fn limits(&self) -> FileLimits {
        let mut limits = FileLimits {
            types: self.types.clone(),
            ..FileLimits::default()
        };
        if let Some(mebibytes) = self.file_mib {
            limits.file_bytes = mebibytes.saturating_mul(1 << 20);
        }
        limits
    }

    pub(super) fn check(&self, mistakes: &mut Vec<Mistake>) {
        let mut mebibytes = |field: &str, given: Option<u64>, max: u64| {
            if given.is_some_and(|given| given > max) {
                let message = format!("write 0 to {max}");
                mistakes.push(Mistake::new(format!("settings.files.{field}"), message));
            }
        };
        mebibytes("quota_mib", self.quota_mib, FILES_QUOTA_MIB_MAX);
        mebibytes("file_mib", self.file_mib, FILE_BYTES_MAX >> 20);
        let good = |text: &String| is_type(&text.replace("/*", "/x")) && !text.contains(';');
        if self.types.len() > FILE_TYPES_MAX || !self.types.iter().all(good) {
            let message =
                format!("name at most {FILE_TYPES_MAX} types, as in image/png or image/*");
            mistakes.push(Mistake::new("settings.files.types", message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_values_are_refused_with_their_field() {
        let check = |settings: FileSettings, field: Option<&str>| {
            let mut mistakes = Vec::new();
            settings.check(&mut mistakes);
            assert_eq!(mistakes.len(), field.iter().len(), "{settings:?}");
            let named = mistakes
                .iter()
                .all(|one| format!("{one:?}").contains(field.unwrap_or_default()));
            assert!(named, "{mistakes:?}");
        };
        let types = |list: &[&str]| FileSettings {
            types: list.iter().map(|text| (*text).to_owned()).collect(),
            ..FileSettings::default()
        };
        check(FileSettings::default(), None);
        check(types(&["image/*", "text/plain"]), None);
        check(types(&["image"]), Some("types"));
        check(types(&["text/plain; charset=utf-8"]), Some("types"));
        let quota_mib = Some(FILES_QUOTA_MIB_MAX + 1);
        check(
            FileSettings {
                quota_mib,
                ..FileSettings::default()
            },
            Some("quota_mib"),
        );
        let file_mib = Some(u64::MAX);
        check(
            FileSettings {
                file_mib,
                ..FileSettings::default()
            },
            Some("file_mib"),
        );
    }
}
