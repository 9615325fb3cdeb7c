//! Problem documents (RFC 9457) as the command line reads them, and as people do.

use std::fmt::Write;

use serde::Deserialize;

/// A refusal of the server.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct ProblemDocument {
    /// One line on what kind of refusal this is.
    #[serde(default)]
    pub(super) title: String,
    /// The HTTP status.
    #[serde(default)]
    pub(super) status: u16,
    /// The stable word for programs.
    #[serde(default)]
    pub(super) code: String,
    /// What happened this time.
    #[serde(default)]
    pub(super) detail: Option<String>,
    /// What to quote when asking for help.
    #[serde(default)]
    pub(super) request_id: Option<String>,
    /// Every single mistake, where there can be several.
    #[serde(default)]
    pub(super) errors: Vec<Mistake>,
}

impl ProblemDocument {
    /// Whether who asks is not, or no longer, known.
    pub(super) fn is_unauthorized(&self) -> bool {
        self.status == http::StatusCode::UNAUTHORIZED.as_u16()
    }
}

/// One mistake in what was sent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Mistake {
    /// What is wrong.
    #[serde(default, alias = "detail")]
    pub(super) message: String,
    /// The field that holds it, for example `columns[0].type`.
    #[serde(default)]
    pub(super) field: Option<String>,
    /// Line in the text that was sent, from 1.
    #[serde(default)]
    pub(super) line: Option<usize>,
    /// Column in that line, in characters from 1.
    #[serde(default)]
    pub(super) column: Option<usize>,
    /// What to write instead.
    #[serde(default)]
    pub(super) hint: Option<String>,
}

impl ProblemDocument {
    /// What is shown when the body of a refusal is not a problem document at all.
    pub(super) fn from_status(status: http::StatusCode) -> ProblemDocument {
        ProblemDocument {
            title: format!("the server answered {status} without saying why"),
            status: status.as_u16(),
            ..ProblemDocument::default()
        }
    }

    /// The problem as text; with the `source` that it speaks of, positions become carets.
    pub(super) fn render(&self, source: Option<&str>) -> String {
        let mut text = format!("error: {}", self.title);
        if let Some(detail) = self.detail.as_deref().filter(|text| !self.repeats(text)) {
            let _ = write!(text, "\n  {detail}");
        }
        for mistake in &self.errors {
            text.push('\n');
            text.push_str(&mistake.render(source));
        }
        let words: Vec<&str> = [Some(self.code.as_str()), self.request_id.as_deref()]
            .into_iter()
            .flatten()
            .filter(|word| !word.is_empty())
            .collect();
        if !words.is_empty() {
            let _ = write!(text, "\n  [{}]", words.join(", request "));
        }
        text
    }

    /// Whether the text says no more than the title and the list of mistakes do.
    fn repeats(&self, text: &str) -> bool {
        let listed = self
            .errors
            .iter()
            .all(|mistake| text.contains(&mistake.message));
        text == self.title || (listed && !self.errors.is_empty())
    }
}

impl Mistake {
    /// The mistake as an indented block, under the line of `source` that it points at.
    pub(super) fn render(&self, source: Option<&str>) -> String {
        let mut text = String::new();
        match self.pointed_line(source) {
            Some((line, caret)) => {
                let _ = write!(text, "  {line}\n  {caret}^ {}", self.message);
            }
            None => {
                let _ = write!(text, "  - {}{}", self.place(), self.message);
            }
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\n    hint: {hint}");
        }
        text
    }

    fn pointed_line<'a>(&self, source: Option<&'a str>) -> Option<(&'a str, String)> {
        let line = source?.lines().nth(self.line?.checked_sub(1)?)?;
        let before = line.chars().take(self.column?.checked_sub(1)?);
        // Tabs stay tabs, so that the caret stands under its character at any tab width.
        Some((
            line,
            before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect(),
        ))
    }

    fn place(&self) -> String {
        match (&self.field, self.line, self.column) {
            (Some(field), _, _) => format!("{field}: "),
            (None, Some(line), Some(column)) => format!("line {line}, column {column}: "),
            (None, Some(line), None) => format!("line {line}: "),
            (None, None, _) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: serde_json::Value, source: Option<&str>, expected: &str) {
        let problem: ProblemDocument = serde_json::from_value(document).unwrap();
        assert_eq!(problem.render(source), expected);
    }

    #[test]
    fn a_refusal_reads_as_title_detail_and_code() {
        check(
            serde_json::json!({"title": "unknown function", "status": 404, "code": "unknown_function",
                "detail": "project `demo` has no function `helo`", "request_id": "0197"}),
            None,
            "error: unknown function\n  project `demo` has no function `helo`\n  [unknown_function, request 0197]",
        );
    }

    #[test]
    fn every_mistake_is_listed_with_its_place() {
        check(
            serde_json::json!({"title": "bad request", "code": "invalid_json", "errors": [
                {"field": "columns[0].typ", "message": "unknown field"},
                {"line": 2, "column": 5, "message": "expected a comma"},
                {"message": "no more"}]}),
            None,
            "error: bad request\n  - columns[0].typ: unknown field\n  - line 2, column 5: expected a comma\n  - no more\n  [invalid_json]",
        );
    }

    #[test]
    fn what_the_list_says_is_not_said_twice() {
        check(
            serde_json::json!({"title": "no", "detail": "name: taken; path: taken too", "errors": [
                {"field": "name", "message": "taken"}, {"field": "path", "message": "taken too"}]}),
            None,
            "error: no\n  - name: taken\n  - path: taken too",
        );
    }

    #[test]
    fn a_policy_mistake_stands_under_its_character() {
        check(
            serde_json::json!({"title": "the policy cannot be read", "errors": [{"line": 2, "column": 12,
                "message": "unknown function auth.uidd", "hint": "write auth.uid()"}]}),
            Some("done = false\nand owner = auth.uidd()"),
            "error: the policy cannot be read\n  and owner = auth.uidd()\n             ^ unknown function auth.uidd\n    hint: write auth.uid()",
        );
    }

    #[test]
    fn a_position_outside_the_text_is_said_in_words() {
        check(
            serde_json::json!({"title": "no", "errors": [{"line": 9, "column": 1, "message": "odd"}]}),
            Some("one line"),
            "error: no\n  - line 9, column 1: odd",
        );
    }

    #[test]
    fn a_body_that_is_no_problem_document_still_has_a_title() {
        let problem = ProblemDocument::from_status(http::StatusCode::BAD_GATEWAY);
        assert_eq!(
            problem.render(None),
            "error: the server answered 502 Bad Gateway without saying why"
        );
    }
}
