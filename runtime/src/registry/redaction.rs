//! Values of a project's personal columns, masked in what its functions log.
//!
//! A log is text that a function has made, so a value is found by the column's name in front of it:
//! `"email":"a@b.c"`, `email=a@b.c`, `email: a@b.c`, whatever its case. A value that stands without its
//! name is not found; functions that must not log it have to leave it out.

use koyalite_policy::ColumnName;

use super::settings::Settings;

/// What stands in the place of a value.
const MASK: &str = "***";

/// The names to look for, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction(Vec<String>);

impl Redaction {
    /// What the settings ask for; none where that is nothing.
    #[must_use]
    pub fn of(settings: &Settings) -> Option<Self> {
        let columns = settings.pii_redaction.iter();
        let mut names: Vec<String> = columns
            .map(|redacted| ColumnName::as_str(&redacted.column).to_ascii_lowercase())
            .collect();
        names.sort();
        names.dedup();
        (!names.is_empty()).then_some(Self(names))
    }

    /// The line, its values masked.
    #[must_use]
    pub fn mask(&self, line: String) -> String {
        // Only ASCII changes its case here, so places are the same in both.
        let lower = line.to_ascii_lowercase();
        let mut hidden: Vec<(usize, usize)> = Vec::new();
        for name in &self.0 {
            for (at, _) in lower.match_indices(name.as_str()) {
                hidden.extend(value_after(&line, at, name.len()));
            }
        }
        if hidden.is_empty() {
            return line;
        }
        hidden.sort_unstable();
        let (mut masked, mut from) = (String::with_capacity(line.len()), 0);
        for (start, end) in hidden {
            // One name may stand inside the value of another.
            if start >= from {
                masked.push_str(line.get(from..start).unwrap_or_default());
                masked.push_str(MASK);
                from = end;
            }
        }
        masked.push_str(line.get(from..).unwrap_or_default());
        masked
    }
}

/// Where the value is that a name at this place introduces.
fn value_after(line: &str, at: usize, length: usize) -> Option<(usize, usize)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (before, rest) = (line.get(..at)?, line.get(at + length..)?);
    if before.ends_with(is_word) || rest.starts_with(is_word) {
        return None;
    }
    // The end of a quoted name, a colon or an equals sign, and space around them.
    let sign = rest.trim_start_matches(['"', '\'', '\\']).trim_start();
    let value = sign
        .strip_prefix([':', '=', '>'])?
        .trim_start_matches(['=', '>'])
        .trim_start();
    let start = line.len() - value.len();
    let quote = value
        .trim_start_matches('\\')
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''));
    let length = match quote {
        Some(quote) => quoted(value, quote),
        None => value
            .find([',', ';', '}', ']', ')', '&', '\n'])
            .unwrap_or(value.len()),
    };
    (length > 0).then_some((start, start + length))
}

/// The length of a text in quotes, as far as its closing one; of all, where that is missing.
fn quoted(value: &str, quote: char) -> usize {
    let opened = value.find(quote).map_or(0, |at| at + quote.len_utf8());
    let depth = opened - quote.len_utf8();
    let inside = value.get(opened..).unwrap_or_default();
    let mut slashes = 0;
    for (at, c) in inside.char_indices() {
        match c {
            '\\' => slashes += 1,
            // As many slashes as the opening one had: JSON within JSON has some.
            c if c == quote && slashes <= depth => return opened + at + c.len_utf8(),
            _ => slashes = 0,
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let redaction = Redaction(vec!["email".to_owned(), "iban".to_owned()]);
        assert_eq!(redaction.mask(line.to_owned()), expected);
    }

    #[test]
    fn values_go_where_their_column_is_named_before_them() {
        check(r#"{"email":"a@b.c","n":1}"#, r#"{"email":***,"n":1}"#);
        check(
            r#"{"Email": "a \"b\" c", "iban": "DE1"}"#,
            r#"{"Email": ***, "iban": ***}"#,
        );
        check("email=a@b.c, n=1", "email=***, n=1");
        check("row { email: Some(\"a@b.c\") }", "row { email: ***) }");
        check(
            r#"body: {\"email\":\"a@b.c\",\"n\":1}"#,
            r#"body: {\"email\":***,\"n\":1}"#,
        );
        check("sent to email: a@b.c", "sent to email: ***");
        check("email='a, b' and email=\"c", "email=*** and email=***");
        check("EMAIL => x", "EMAIL => ***");
    }

    #[test]
    fn other_words_stay() {
        for line in [
            "nothing personal",
            "email",
            "the email was sent",
            "emails=3",
            "my_email=x",
            "käse: email ist da",
        ] {
            check(line, line);
        }
    }
}
