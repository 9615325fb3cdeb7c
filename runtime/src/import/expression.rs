//! A condition as Postgres writes it back, in words that ours are more often written in. Pure.
//!
//! Postgres adds casts and aliases that nobody wrote. What is taken away here changes no meaning where
//! the policy engine then accepts the rest: it compares values of one type only.

/// The texts to try, the most faithful first.
pub(super) fn candidates(text: &str, enums: &[String]) -> Vec<String> {
    let mut casts: Vec<String> = Vec::new();
    for name in enums {
        casts.extend([format!("::{name}[]"), format!("::{name}")]);
    }
    let aliases = [" AS uid", " AS role", " AS jwt", " AS current_setting"].map(str::to_owned);
    let plain = without(text, &[casts, aliases.to_vec()].concat());
    let texts = [
        "::character varying[]",
        "::character varying",
        "::text[]",
        "::text",
    ];
    let bare = without(&plain, &texts.map(str::to_owned));
    match bare == plain {
        true => vec![plain],
        false => vec![plain, bare],
    }
}

/// The text without these words, which are left alone within quotes.
pub(super) fn without(text: &str, words: &[String]) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    'next: while let Some(first) = rest.chars().next() {
        if first == '\'' || first == '"' {
            // A doubled quote ends one text and begins the next: both are kept whole.
            let inside = rest.get(1..).unwrap_or_default();
            let end = inside.find(first).map_or(rest.len(), |at| at + 2);
            let (quoted, after) = rest.split_at(end);
            kept.push_str(quoted);
            rest = after;
            continue;
        }
        for word in words {
            if let Some(after) = rest.strip_prefix(word.as_str())
                && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            {
                rest = after;
                continue 'next;
            }
        }
        kept.push(first);
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found = candidates(text, &["todo_state".to_owned()]);
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_postgres_added_is_taken_away_outside_of_quotes() {
        check(
            "(( SELECT auth.uid() AS uid) = owner_id)",
            &["(( SELECT auth.uid()) = owner_id)"],
        );
        check(
            "(state = 'a::todo_state'::todo_state)",
            &["(state = 'a::todo_state')"],
        );
        check(
            "((kind)::text = 'it''s ::text'::text)",
            &[
                "((kind)::text = 'it''s ::text'::text)",
                "((kind) = 'it''s ::text')",
            ],
        );
        check("(a = 'x'::textual)", &["(a = 'x'::textual)"]);
    }
}
