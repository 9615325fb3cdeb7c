//! Conditions: what they become as SQL, and what claims decide of them.

use super::fixtures::{filter, sql};
use crate::*;

/// A condition, and its SQL once folded for the caller of the fixtures.
const SQL: &str = r#"
owner_id = auth.uid() ==> (t."owner_id" = $1::uuid)
auth.uid() = owner_id ==> ($1::uuid = t."owner_id")
title = auth.uid() ==> (t."title" = $1::text)
n = 1 ==> (t."n" = $1::bigint)
n < 1.5 ==> (t."n" < $1::text::numeric)
n = 3000000000 ==> (t."n" = $1::bigint)
ratio > 1.5 and price > 1.5 ==> ((t."ratio" > $1::double precision) AND (t."price" > $2::text::numeric))
created_at > '2024-01-01 00:00:00+01' ==> (t."created_at" > $1::text::timestamptz)
created_at < now() ==> (t."created_at" < now())
day >= '2024-01-01' ==> (t."day" >= $1::text::date)
done ==> t."done"
done = true or not done ==> ((t."done" = TRUE) OR (NOT t."done"))
done is not true ==> (NOT (t."done" IS TRUE))
(n > 1) is unknown ==> ((t."n" > $1::bigint) IS NULL)
title in ('a', 'b') ==> (t."title" = ANY ($1::text[]))
n not in (1, 2) ==> (NOT (t."n" = ANY ($1::bigint[])))
n in (1, 2.5) ==> ((t."n" = ANY ($1::bigint[])) OR (t."n" = ANY ($2::text[]::numeric[])))
auth.uid() in (owner_id) ==> ($1::uuid = t."owner_id")
n in (1, big) ==> ((t."n" = t."big") OR (t."n" = ANY ($1::bigint[])))
title ilike 'a%' ==> (t."title" ILIKE $1::text)
n between 1 and 2 ==> ((t."n" >= $1::bigint) AND (t."n" <= $2::bigint))
lower(coalesce(title, 'x')) = 'x' ==> (lower(coalesce(t."title", $1::text)) = $2::text)
coalesce(big, n)::bigint = 1 and coalesce(small, n)::int = 1 ==> ((coalesce(t."big", t."n") = $1::bigint) AND (coalesce(t."small", t."n") = $2::bigint))
n = coalesce('5', null) ==> (t."n" = $1::bigint)
coalesce(done, false) ==> coalesce(t."done", FALSE)
length(title) <= n ==> (length(t."title") <= t."n")
title is distinct from null ==> (t."title" IS DISTINCT FROM NULL::text)
(auth.jwt() ->> 'level')::int < n ==> ($1::integer < t."n")
(auth.jwt() -> 'app_metadata' ->> 'team')::uuid = owner_id ==> ($1::uuid = t."owner_id")
TITLE = 'a' and todos."title" = 'b' ==> ((t."title" = $1::text) AND (t."title" = $2::text))
(title)::text = 'a'::character varying ==> (t."title" = $1::text)
meta is null ==> (t."meta" IS NULL)
small = 1 and small <> 70000 ==> ((t."small" = $1::bigint) AND (t."small" <> $2::bigint))
factor = 0.1 and factor < 2 ==> ((t."factor" = $1::real) AND (t."factor" < $2::real))
factor = 16777217 ==> (t."factor" = $1::double precision)
factor = ratio and factor > n ==> ((t."factor" = t."ratio") AND (t."factor" > t."n"))
opens > '08:00' and opens <= time '17:30:00' ==> ((t."opens" > $1::text::time) AND (t."opens" <= $2::text::time))
'a' = any (tags) ==> ($1::text = ANY (t."tags"))
n <> all (counts) ==> (NOT (t."n" = ANY (t."counts")))
1 = any (counts) ==> ($1::bigint = ANY (t."counts"))
tags = array['a', null] ==> (t."tags" = $1::text[])
tags <> '{}' ==> (t."tags" <> $1::text[])
tags in (array['a'], array['b']) ==> ((t."tags" = $1::text[]) OR (t."tags" = $2::text[]))
title = any (array['a', 'b']) ==> (t."title" = ANY ($1::text[]))
title in (select auth.jwt() -> 'app_metadata' -> 'tags') ==> (t."title" = ANY ($1::text[]))
title in (select auth.jwt() ->> 'email') ==> (t."title" = ANY ($1::text[]))
n in (select jsonb_array_elements_text(auth.jwt() -> 'levels')) ==> (t."n" = ANY ($1::integer[]))
bytes is null and spot is not null and raw is null ==> ((t."bytes" IS NULL) AND (NOT (t."spot" IS NULL)) AND (t."raw" IS NULL))
created_at > now() - interval '1 day' ==> (t."created_at" > (now() - interval '86400 seconds'))
created_at < now() + '2 hours'::interval ==> (t."created_at" < (now() + interval '7200 seconds'))
owner_id in ((select auth.uid()), '00000000-0000-0000-0000-000000000001') ==> (t."owner_id" = ANY ($1::uuid[]))
(n = 1) = (big = 2) ==> ((t."n" = $1::bigint) = (t."big" = $2::bigint))
"#;

#[test]
fn conditions_become_sql_with_typed_binds() {
    for line in SQL.trim().lines() {
        let (text, expected) = line.split_once(" ==> ").unwrap();
        assert_eq!(sql(text, &[]).0, expected, "{text}");
    }
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
    check("title in (select auth.jwt() -> 'missing')", Filter::Nothing);
    check("title in (select auth.jwt() -> 'none')", Filter::Nothing);
    check("title not in (select auth.jwt() -> 'none')", Filter::All);
    check("coalesce(null, null) is null", Filter::All);
    check(
        "'a' = any (array(select jsonb_array_elements_text(auth.jwt() -> 'app_metadata' -> 'tags')))",
        Filter::All,
    );
    check(
        "'b' in (select auth.jwt() -> 'app_metadata' -> 'tags')",
        Filter::Nothing,
    );
    check("n = null", Filter::Nothing);
    check("n in (1) and false", Filter::Nothing);
}

#[test]
fn a_quote_in_a_name_ends_no_identifier() {
    assert_eq!(quote_ident("owner_id"), r#""owner_id""#);
    assert_eq!(quote_ident(r#"a"; drop"#), r#""a""; drop""#);
    assert_eq!(quote_ident(r#"""#), r#""""""#);
    assert_eq!(column_of("t", "id"), r#"t."id""#);
}
