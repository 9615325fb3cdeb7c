//! Arrays as Postgres writes them in a text: `{a,"b c",NULL}`.
//!
//! One dimension only: a brace inside is refused.

use super::Value;

/// The items, each as text or NULL; none where the text is not such an array.
pub(super) fn items(text: &str) -> Option<Vec<Value>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut items = Vec::new();
    let mut rest = inner;
    loop {
        let (item, after) = item(rest.trim_start())?;
        items.push(item);
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None if after.trim().is_empty() => return Some(items),
            None => return None,
        }
    }
}

/// The first item, and what follows it.
fn item(text: &str) -> Option<(Value, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted_item(quoted);
    }
    let end = text.find(',').unwrap_or(text.len());
    let (plain, after) = text.split_at_checked(end)?;
    let plain = plain.trim_end();
    if plain.is_empty() || plain.contains(['{', '}', '"', '\\']) {
        return None;
    }
    if plain.eq_ignore_ascii_case("null") {
        return Some((Value::Null, after));
    }
    Some((Value::Text(plain.to_owned()), after))
}

fn quoted_item(text: &str) -> Option<(Value, &str)> {
    let mut item = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((Value::Text(item), chars.as_str())),
            '\\' => item.push(chars.next()?),
            other => item.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_read_as_in_postgres() {
        let check = |text: &str, expected: &[Option<&str>]| {
            let value = |item: &Option<&str>| item.map_or(Value::Null, |t| Value::Text(t.into()));
            let expected: Vec<_> = expected.iter().map(value).collect();
            assert_eq!(items(text), Some(expected), "{text}");
        };
        check("{}", &[]);
        check(" { } ", &[]);
        check("{a}", &[Some("a")]);
        check("{ a b , null,NULL}", &[Some("a b"), None, None]);
        check(
            r#"{"","null","a\"b\\",","}"#,
            &[Some(""), Some("null"), Some("a\"b\\"), Some(",")],
        );
    }

    #[test]
    fn what_is_no_array_of_one_dimension_is_refused() {
        for text in [
            "", "a", "{a", "a}", "{a,}", "{,a}", "{{a}}", "{a\"b}", "{\"a}", "{\"a\"b}",
        ] {
            assert_eq!(items(text), None, "{text}");
        }
    }
}
