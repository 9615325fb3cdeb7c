//! What a command prints: tables for people, JSON for machines.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use serde::de::DeserializeOwned;
use serde_json::Value;

use anyhow::Context;

use super::error::CliError;

/// Who reads the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Tables and sentences.
    Human,
    /// The server's JSON, as it came.
    Json,
}

/// Standard output in one of the formats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    format: Format,
}

impl Output {
    /// An output in this format.
    pub(super) fn new(format: Format) -> Output {
        Output { format }
    }

    /// Who reads it.
    pub(super) fn format(self) -> Format {
        self.format
    }

    /// Prints the answer: as it is for machines, or what `human` makes of it for people.
    pub(super) fn show<T: DeserializeOwned>(
        self,
        answer: Value,
        human: impl FnOnce(T) -> String,
    ) -> Result<(), CliError> {
        match self.format {
            Format::Json => self.line(&format!("{answer:#}")),
            Format::Human => self.line(&human(typed(answer)?)),
        }
    }

    /// Prints one line (or several) and a newline.
    pub(super) fn line(self, text: &str) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}").map_err(CliError::Output)
    }

    /// Writes bytes as they are and lets them be seen at once.
    pub(super) fn raw(self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)
            .and_then(|()| out.flush())
            .map_err(CliError::Output)
    }
}

/// An answer of the server in the form that this program knows.
pub(super) fn typed<T: DeserializeOwned>(answer: Value) -> Result<T, CliError> {
    let typed = serde_json::from_value(answer);
    Ok(typed.context("this server speaks another version of the control API")?)
}

/// A table for people; `empty` is said instead when there are no rows.
pub(super) fn table<const N: usize>(
    header: [&str; N],
    rows: Vec<[String; N]>,
    empty: &str,
) -> String {
    if rows.is_empty() {
        return empty.to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    // Padding at the end of a line is noise in a terminal and a nuisance in a diff.
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().trim_start_matches(' ').to_owned())
        .collect();
    lines.join("\n")
}

/// A value or a dash.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

/// The first characters of a digest: enough to tell versions apart on a screen.
pub(super) fn short_digest(sha256: &str) -> &str {
    const SHOWN: usize = 12;
    sha256.get(..SHOWN).unwrap_or(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_has_no_trailing_space() {
        let text = table(
            ["NAME", "VERSION"],
            vec![
                ["hello".into(), "3".into()],
                ["a-longer-name".into(), "12".into()],
            ],
            "none",
        );
        assert_eq!(
            text,
            "NAME           VERSION\nhello          3\na-longer-name  12"
        );
        assert_eq!(
            table(["NAME"], vec![], "no functions yet"),
            "no functions yet"
        );
    }
}
