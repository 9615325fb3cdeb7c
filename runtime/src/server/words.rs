//! The installation's own words in mails: a file of the operator's, read at the start.

use std::path::Path;

use anyhow::Context as _;

use crate::config::ServeConfig;
use crate::registry::mail::templates::NewTemplate;
use crate::registry::reset_letter::{self, RESET_TEMPLATE, WithLink};

/// Whom operators get mail from, and what mails about forgotten passwords say, if the operator has said
/// that.
pub(super) fn of(config: &ServeConfig) -> anyhow::Result<(Option<String>, Option<NewTemplate>)> {
    let from = config.mail_from.clone();
    let Some(file) = &config.password_reset_template else {
        return Ok((from, None));
    };
    let words = read(file).with_context(|| {
        format!(
            "password_reset_template: {} is not one (TOML: subject, text, html)",
            file.display()
        )
    })?;
    Ok((from, Some(words)))
}

fn read(file: &Path) -> anyhow::Result<NewTemplate> {
    let words: NewTemplate = toml::from_str(&std::fs::read_to_string(file)?)?;
    words.check(RESET_TEMPLATE)?;
    reset_letter::check(&words, WithLink::No)?;
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_when_such_a_mail_can_be_made_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reset.toml");
        for (text, good) in [
            ("subject = \"Another password\"\ntext = \"{{code}}\"", true),
            // The control API has no page.
            ("subject = \"Another password\"\ntext = \"{{link}}\"", false),
            ("subject = \"Another password\"", false),
            ("text = \"{{code}}\"", false),
            ("not TOML", false),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read(&file).is_ok(), good, "{text}");
        }
    }
}
