//! Conditions: what they become as SQL, and what claims decide of them.

use super::fixtures::{filter, sql};
use crate::*;

#[test]
fn conditions_become_sql_with_typed_binds() {
    let check = |text: &str, expected: &str| assert_eq!(sql(text, &[]).0, expected, "{text}");
    check("owner_id = auth.uid()", r#"(t."owner_id" = $1::uuid)"#);
    check("auth.uid() = owner_id", r#"($1::uuid = t."owner_id")"#);
    check("title = auth.uid()", r#"(t."title" = $1::text)"#);
    check("n = 1", r#"(t."n" = $1::bigint)"#);
    check("n < 1.5", r#"(t."n" < $1::text::numeric)"#);
    check("n = 3000000000", r#"(t."n" = $1::bigint)"#);
    check(
        "ratio > 1.5 and price > 1.5",
        r#"((t."ratio" > $1::double precision) AND (t."price" > $2::text::numeric))"#,
    );
    check(
        "created_at > '2024-01-01 00:00:00+01'",
        r#"(t."created_at" > $1::text::timestamptz)"#,
    );
    check("created_at < now()", r#"(t."created_at" < now())"#);
    check("day >= '2024-01-01'", r#"(t."day" >= $1::text::date)"#);
    check("done", r#"t."done""#);
    check(
        "done = true or not done",
        r#"((t."done" = TRUE) OR (NOT t."done"))"#,
    );
    check("done is not true", r#"(NOT (t."done" IS TRUE))"#);
    check("(n > 1) is unknown", r#"((t."n" > $1::bigint) IS NULL)"#);
    check("title in ('a', 'b')", r#"(t."title" = ANY ($1::text[]))"#);
    check("n not in (1, 2)", r#"(NOT (t."n" = ANY ($1::bigint[])))"#);
    check(
        "n in (1, 2.5)",
        r#"((t."n" = ANY ($1::bigint[])) OR (t."n" = ANY ($2::text[]::numeric[])))"#,
    );
    check("auth.uid() in (owner_id)", r#"($1::uuid = t."owner_id")"#);
    check(
        "n in (1, big)",
        r#"((t."n" = t."big") OR (t."n" = ANY ($1::bigint[])))"#,
    );
    check("title ilike 'a%'", r#"(t."title" ILIKE $1::text)"#);
    check(
        "n between 1 and 2",
        r#"((t."n" >= $1::bigint) AND (t."n" <= $2::bigint))"#,
    );
    check(
        "lower(coalesce(title, 'x')) = 'x'",
        r#"(lower(coalesce(t."title", $1::text)) = $2::text)"#,
    );
    check("coalesce(done, false)", r#"coalesce(t."done", FALSE)"#);
    check("length(title) <= n", r#"(length(t."title") <= t."n")"#);
    check(
        "title is distinct from null",
        r#"(t."title" IS DISTINCT FROM NULL::text)"#,
    );
    check(
        "(auth.jwt() ->> 'level')::int < n",
        r#"($1::integer < t."n")"#,
    );
    check(
        "(auth.jwt() -> 'app_metadata' ->> 'team')::uuid = owner_id",
        r#"($1::uuid = t."owner_id")"#,
    );
    check(
        "TITLE = 'a' and todos.\"title\" = 'b'",
        r#"((t."title" = $1::text) AND (t."title" = $2::text))"#,
    );
    check(
        "(title)::text = 'a'::character varying",
        r#"(t."title" = $1::text)"#,
    );
    check("meta is null", r#"(t."meta" IS NULL)"#);
    check(
        "(n = 1) = (big = 2)",
        r#"((t."n" = $1::bigint) = (t."big" = $2::bigint))"#,
    );
}

#[test]
fn what_claims_decide_alone_is_folded_away() {
    let check =
        |text: &str, expected: Filter| assert_eq!(filter(text, &[]).unwrap(), expected, "{text}");
    check("", Filter::All);
    check(" \n", Filter::All);
    check("auth.role() = 'authenticated'", Filter::All);
    check("auth.uid() is not null or n = 1", Filter::All);
    check(
        "auth.uid() = '123E4567-E89B-12D3-A456-426614174000'",
        Filter::All,
    );
    check("auth.jwt() ->> 'email' like '%@example.com'", Filter::All);
    check("(auth.jwt() ->> 'level')::int >= 3", Filter::All);
    check("(auth.jwt() -> 'level')::int between 1 and 3", Filter::All);
    check(
        "(auth.jwt() -> 'app_metadata' -> 'staff')::boolean",
        Filter::All,
    );
    check(
        "(auth.jwt() -> 'app_metadata' ->> 'staff')::boolean is true",
        Filter::All,
    );
    check("auth.jwt() -> 'nobody' ->> 'home' is null", Filter::All);
    // Missing, of another kind, or not readable as the type: NULL, so nothing passes.
    check("auth.jwt() ->> 'missing' = title", Filter::Nothing);
    check("not (auth.jwt() ->> 'missing' = title)", Filter::Nothing);
    check("(auth.jwt() ->> 'org')::uuid = owner_id", Filter::Nothing);
    check(
        "auth.jwt() -> 'app_metadata' ->> 'tags' = title",
        Filter::Nothing,
    );
    check("auth.jwt() ->> 'nul' = title", Filter::Nothing);
    check("n = null", Filter::Nothing);
    check("n in (1) and false", Filter::Nothing);
}
