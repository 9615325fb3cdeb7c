//! Templates of mail: `{{name}}` and `{{name.of.part}}` stand for values, and there is nothing else.
//!
//! No conditions, no loops, no way around escaping: what a template says is what is sent. Pure.

use serde_json::Value as Json;

/// Why a template cannot be filled in, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("{{{{ without its }}}} near {0:?}")]
    Open(String),
    /// Something else than a name in the braces.
    #[error("{{{{{0}}}}} is no name: write letters, digits, _ and dots, as in {{{{user.name}}}}")]
    Name(String),
    /// No value of that name.
    #[error("there is no value for {{{{{0}}}}}")]
    Missing(String),
    /// A list or an object where a text is meant.
    #[error("the value for {{{{{0}}}}} is a list or an object; name a part of it")]
    NoText(String),
}

/// What becomes of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escaping {
    /// They stay as they are.
    Text,
    /// What HTML would read as its own is written so that it does not.
    Html,
}

/// Fills a template in.
///
/// # Errors
/// The first place that has no value, or is no name.
pub fn fill(template: &str, values: &Json, escaping: Escaping) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(template.len());
    walk(template, |piece| {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Name(name) => {
                let text = text_of(name, values)?;
                match escaping {
                    Escaping::Text => filled.push_str(&text),
                    Escaping::Html => escape(&text, &mut filled),
                }
            }
        }
        Ok(())
    })?;
    Ok(filled)
}

/// Whether a template can be filled in by some values.
///
/// # Errors
/// The first place that is no name.
pub fn check(template: &str) -> Result<(), TemplateError> {
    walk(template, |_| Ok(()))
}

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn walk<'a>(
    template: &'a str,
    mut take: impl FnMut(Piece<'a>) -> Result<(), TemplateError>,
) -> Result<(), TemplateError> {
    let mut rest = template;
    while let Some((text, after)) = rest.split_once("{{") {
        take(Piece::Text(text))?;
        let Some((name, after)) = after.split_once("}}") else {
            return Err(TemplateError::Open(after.chars().take(20).collect()));
        };
        let name = name.trim();
        let part = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if !name.split('.').all(part) {
            return Err(TemplateError::Name(name.chars().take(40).collect()));
        }
        take(Piece::Name(name))?;
        rest = after;
    }
    take(Piece::Text(rest))
}

fn text_of(name: &str, values: &Json) -> Result<String, TemplateError> {
    let found = name
        .split('.')
        .try_fold(values, |value, part| value.as_object()?.get(part));
    match found {
        None | Some(Json::Null) => Err(TemplateError::Missing(name.to_owned())),
        Some(Json::String(text)) => Ok(text.clone()),
        Some(value @ (Json::Bool(_) | Json::Number(_))) => Ok(value.to_string()),
        Some(Json::Array(_) | Json::Object(_)) => Err(TemplateError::NoText(name.to_owned())),
    }
}

fn escape(text: &str, to: &mut String) {
    for c in text.chars() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            c => to.push(c),
        }
    }
}

/// What a reader without HTML gets: the text between the tags, a line for each block.
pub fn text_from_html(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let Some((tag, after)) = after.split_once('>') else {
            rest = "";
            break;
        };
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        rest = after;
        match name.to_ascii_lowercase().as_str() {
            "br" | "p" | "div" | "li" | "tr" | "h1" | "h2" | "h3" | "h4" | "ul" | "ol"
            | "table" => text.push('\n'),
            hidden @ ("style" | "script" | "title") if !tag.starts_with('/') => {
                let end = format!("</{hidden}");
                rest = after
                    .to_ascii_lowercase()
                    .find(&end)
                    .and_then(|at| after.get(at..))
                    .unwrap_or_default();
            }
            _ => {}
        }
    }
    text.push_str(rest);
    for (entity, c) in [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, c);
    }
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(template: &str, expected: Result<&str, TemplateError>) {
        let values = json!({ "name": "Ann <b>", "n": 3, "user": { "city": "Köln" }, "list": [1] });
        let filled = fill(template, &values, Escaping::Text);
        assert_eq!(
            filled.as_deref(),
            expected.as_ref().map(|text| *text),
            "{template}"
        );
    }

    #[test]
    fn names_stand_for_values_and_nothing_else_does() {
        check("hello {{name}}, {{ n }}", Ok("hello Ann <b>, 3"));
        check("{{user.city}}", Ok("Köln"));
        check("no names } {", Ok("no names } {"));
        check(
            "{{nobody}}",
            Err(TemplateError::Missing("nobody".to_owned())),
        );
        check(
            "{{user.street}}",
            Err(TemplateError::Missing("user.street".to_owned())),
        );
        check("{{list}}", Err(TemplateError::NoText("list".to_owned())));
        check(
            "{{#if name}}",
            Err(TemplateError::Name("#if name".to_owned())),
        );
        check("{{{name}}}", Err(TemplateError::Name("{name".to_owned())));
        check("{{", Err(TemplateError::Open(String::new())));
    }

    #[test]
    fn in_html_every_value_is_escaped() {
        let values = json!({ "name": "<script>'\"&" });
        let filled = fill("<p>{{name}}</p>", &values, Escaping::Html).unwrap();
        assert_eq!(filled, "<p>&lt;script&gt;&#39;&quot;&amp;</p>");
    }

    #[test]
    fn a_value_is_not_filled_in_again() {
        let values = json!({ "a": "{{b}}", "b": "secret" });
        assert_eq!(fill("{{a}}", &values, Escaping::Text).unwrap(), "{{b}}");
    }

    #[test]
    fn html_has_a_text_to_read() {
        let html = "<style>p {}</style><h1>Hi  Ann</h1><p>a &amp; b<br>c</p><SCRIPT>x</SCRIPT>";
        assert_eq!(text_from_html(html), "Hi Ann\na & b\nc");
        assert_eq!(text_from_html("a < b"), "a");
    }
}
