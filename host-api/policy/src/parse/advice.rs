//! What to write instead of the things that policies written for other hosts contain.
//!
//! Pasted policies call functions, read tables and wrap conditions in ways that mean nothing here;
//! each of the common ones gets the answer for it, and not a list of everything that exists.

use sqlparser::tokenizer::Token;

use super::{ParseError, Position};

const FUNCTIONS: &str = "write the condition in place, as in exists (select 1 from t where …); the functions are \
     auth.uid, auth.role, auth.jwt, now, lower, upper, length, coalesce";

/// A second factor for those who have one, and what it needs here.
const SECOND_FACTOR: &str = "write auth.jwt() ->> 'aal' = 'aal2', or for those who have a factor, with a table of your own: \
     auth.jwt() ->> 'aal' = 'aal2' or not exists (select 1 from mfa_factors where user_id = auth.uid() and status = 'verified')";

/// What to write instead of the documented `array[aal] <@ (select case …)`.
pub(super) fn for_second_factor(token: &Token, text: &str) -> Option<&'static str> {
    let is_it = *token == Token::ArrowAt && text.contains("'aal'") && text.contains("case");
    is_it.then_some(SECOND_FACTOR)
}

/// What to write instead of a call to the function of this name.
pub(super) fn for_function(name: &str) -> &'static str {
    match name {
        "auth.email" => "write auth.jwt() ->> 'email'",
        "current_setting" => "write auth.jwt() ->> 'claim'",
        "uid" | "role" | "jwt" => "write auth. before it",
        "current_user" | "session_user" | "user" => "write auth.uid() or auth.role()",
        "char_length" | "character_length" => "write length",
        "current_date" => "compare a timestamptz column with now()",
        "using" | "check" => "write only what stands inside the parentheses",
        "storage.foldername" => {
            "keep the folder in a column of its own and compare that, or write name like 'folder/%'"
        }
        "storage.filename" | "storage.extension" => "write name like '%.png'",
        "realtime.topic" => "keep the topic in a column of the table and compare that",
        "any" | "array" | "unnest" | "jsonb_array_elements" | "jsonb_array_elements_text" => {
            "write x in (select auth.jwt() -> 'claim') for the items of a claim"
        }
        "count" | "max" | "min" | "sum" | "bool_or" | "array_agg" => {
            "write exists (select 1 from t where …)"
        }
        _ => FUNCTIONS,
    }
}

/// What to write instead of a subquery over a table of another schema.
pub(super) fn for_table(schema: &str, table: &str) -> (String, &'static str) {
    let instead = match (schema, table) {
        ("auth", "users") => {
            "read the token, as in auth.jwt() ->> 'email', or keep a table of your own with a row per user"
        }
        ("auth", "mfa_factors" | "mfa_amr_claims" | "sessions") => SECOND_FACTOR,
        _ => "name a table of this project",
    };
    let shown: String = format!("{schema}.{table}").chars().take(80).collect();
    (format!("{shown} is not a table of this project"), instead)
}

/// The refusal of a whole statement, or a clause of one, where a condition is meant.
pub(super) fn for_statement(text: &str) -> Option<ParseError> {
    let first = text.trim_start();
    let starts_with = |word: &str| {
        let head = first.get(..word.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(word))
            && first
                .get(word.len()..)
                .is_some_and(|rest| rest.starts_with(|next: char| next.is_whitespace()))
    };
    let reason = if starts_with("create") || starts_with("alter") {
        "this is a whole statement, and a condition is one expression"
    } else if starts_with("using") || starts_with("with") {
        "this is a clause, and a condition is one expression"
    } else {
        return None;
    };
    let instead = "write what stands inside using ( … ) as `using` and inside with check ( … ) as `check`, \
         for select … as `commands`, to … as `roles`; a restrictive policy is a deny policy with not ( … )";
    Some(ParseError::new(Position::START, reason).instead(instead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_usual_things_has_an_answer_of_its_own() {
        let check = |names: &[&str], instead: &str| {
            for name in names {
                assert!(for_function(name).starts_with(instead), "{name}");
            }
        };
        check(&["auth.email"], "write auth.jwt() ->> 'email'");
        check(&["current_setting"], "write auth.jwt() ->> 'claim'");
        check(&["uid", "role", "jwt"], "write auth. before it");
        check(
            &["current_user", "session_user", "user"],
            "write auth.uid() or auth.role()",
        );
        check(&["char_length", "character_length"], "write length");
        check(&["current_date"], "compare a timestamptz");
        check(&["using", "check"], "write only what stands inside");
        check(&["storage.foldername"], "keep the folder");
        check(
            &["storage.filename", "storage.extension"],
            "write name like '%.png'",
        );
        check(&["realtime.topic"], "keep the topic");
        check(
            &[
                "any",
                "array",
                "unnest",
                "jsonb_array_elements",
                "jsonb_array_elements_text",
            ],
            "write x in (select auth.jwt()",
        );
        check(
            &["count", "max", "min", "sum", "bool_or", "array_agg"],
            "write exists (select 1",
        );
        check(&["is_admin"], "write the condition in place");
    }

    #[test]
    fn tables_of_other_schemas_are_named_with_what_to_read() {
        let check = |schema: &str, table: &str, instead: &str| {
            let (reason, said) = for_table(schema, table);
            let expected = format!("{schema}.{table} is not a table of this project");
            assert_eq!(reason, expected);
            assert!(said.starts_with(instead), "{schema}.{table}: {said}");
        };
        check("auth", "users", "read the token");
        for table in ["mfa_factors", "mfa_amr_claims", "sessions"] {
            check("auth", table, "write auth.jwt() ->> 'aal' = 'aal2'");
        }
        check("auth", "other", "name a table of this project");
        check("storage", "users", "name a table of this project");
    }

    #[test]
    fn whole_statements_and_clauses_are_told_from_conditions() {
        let reason = |text: &str| for_statement(text).map(|error| error.to_string());
        for statement in ["create policy x", "  ALTER policy x"] {
            assert!(reason(statement).unwrap().contains("whole statement"));
        }
        for clause in ["using (true)", "With check (true)"] {
            assert!(reason(clause).unwrap().contains("this is a clause"));
        }
        for condition in ["created", "create", "using_it = 1", "done", "withdrawn"] {
            assert_eq!(reason(condition), None, "{condition}");
        }
        let second = "array[(auth.jwt() ->> 'aal')] <@ (select case when true then 1 end)";
        assert!(for_second_factor(&Token::ArrowAt, second).is_some());
        assert!(for_second_factor(&Token::AtArrow, second).is_none());
        assert!(for_second_factor(&Token::ArrowAt, "a <@ b and 'aal'").is_none());
        assert!(for_second_factor(&Token::ArrowAt, "a <@ (select case)").is_none());
    }
}
