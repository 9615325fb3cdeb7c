use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn refused(text: &str) -> ParseError {
    match parse(text) {
        Ok(syntax) => panic!("{text:?} was read as {syntax:?}"),
        Err(error) => error,
    }
}

#[test]
fn what_people_paste_is_read() {
    for text in [
        "true",
        "owner_id = auth.uid()",
        "(( SELECT auth.uid() AS uid) = user_id)",
        "(select auth.jwt() ->> 'email') = email",
        "((auth.jwt() -> 'app_metadata'::text) ->> 'role'::text) = 'admin'::text",
        "(auth.jwt() ->> 'org')::uuid = org_id",
        "cast(auth.jwt() ->> 'level' as int) >= 3",
        "(status)::text = ANY ((ARRAY['a'::character varying, 'b'])::text[])",
        "title ~~ 'x%'::text AND title !~~* '%y'",
        "created_at < now() and created_at > timestamptz '2024-01-01T00:00:00Z'",
        "date = date '2024-01-01'",
        "not (a or b) and not c is true",
        "x between -1 and 2.5 and y not between 1 and 2",
        "a is not distinct from b and c is distinct from null",
        "owner_id in (select auth.uid())",
        "exists (select * from public.members as m where m.team = t.team and m.u = auth.uid())",
        "team in (select members.team from members where u = (select auth.uid()))",
        "not exists (select 1 from bans where exists (select a from b))",
        "auth.role() in ('authenticated', 'service_role')",
        "n <> all (array[1, 2]) -- a comment",
        "\"Order\" = 'it''s' /* another */",
        "public.b",
        "created_at > now() - interval '7 days' and created_at <= (now() - '1 week'::interval)",
        "'admin' = any (tags) and owner_id <> all (blocked)",
        "team = any (select team from members) and a <> all (select b from c)",
        "tags = array['a', 'b'] and tags <> '{}'::text[]",
        "team in (select auth.jwt() -> 'app_metadata' -> 'teams')",
        "team in (select jsonb_array_elements_text(auth.jwt() -> 'teams'))",
        "team = any (array(select jsonb_array_elements_text((auth.jwt() -> 'app_metadata') -> 'teams')))",
        "team = old.team",
        "coalesce(lower(a), 'x') like 'y\\_%'",
    ] {
        assert!(parse(text).is_ok(), "{text}: {}", refused(text));
    }
}

/// A condition, and a part of its refusal; `⏎` is a line break.
const REFUSALS: &str = r#"
/* nothing */ ==> found the end of the text
owner_id = ==> found the end of the text
a = 1 b ==> line 1, column 7: "b" does not belong here
a = 1; ==> line 1, column 6: a condition is one expression: ;; leave the semicolon out
a⏎ and  b + 1 > 2 ==> line 2, column 9: policies do not calculate: +; store
a - 1 > 2 ==> line 1, column 3: policies do not calculate: -
a > now() - b ==> line 1, column 11: policies do not calculate: -; store
a > (now() - 1) - '1 day' ==> line 1, column 17: policies do not calculate: -
-1 - a > 2 ==> line 1, column 4: policies do not calculate
created_at > now() - interval '1 month' ==> column 20: this interval is not in the policy language; write a number of seconds
created_at > now() + interval '36501 days' ==> column 20: the interval is longer than 36500 days
created_at + interval '1 day' > now() ==> column 12: policies do not calculate: +; move it to the other side
lower(now() - interval '1 day') * 2 = 1 ==> column 33: policies do not calculate: *
a || b = 'x' ==> column 3: policies do not join texts
a ~ 'x' ==> column 3: regular expressions are not in the policy language: ~; write like
a similar to 'x' ==> regular expressions
a = E'x' ==> only plain quoted text
a = $$x$$ ==> only plain quoted text
a = 'x ==> : unterminated
a = 1 and s.t.c = 1 ==> column 11: a column's name has at most
a = 1 and t.b ~ 'x' ==> column 15: regular
a = 1 and auth.uid(t.b) = 'x' ==> column 11: auth.uid takes no argument
a = 1 and (t.b = 1) = 2 = 3 ==> column 12: a condition stands bare
a = 1 and lower(b) = 'c' = d ==> column 11: a condition stands bare
a = 1 and date '2024-01-01' = b = c ==> column 16: a condition stands bare
a = 1 and 5 = b = c ==> column 11: a condition stands bare
a = 1 and not b = c = d ==> column 15: a condition stands bare
lower(a) ignore nulls = 'b' ==> only plain function calls
a = 1 and b in ((select auth.uid()), c d) ==> line 1, column 40
true and random() < 1 ==> column 10: the function random is not in the policy language
pg_sleep(10) is null ==> the functions are auth.uid, auth.role
auth.email() = a ==> write auth.jwt() ->> 'email'
uid() = a ==> write auth. before it
auth.uid(1) = a ==> auth.uid takes no argument
coalesce() is null ==> coalesce does not take 0 arguments; write one or more
lower(a, b) = 'x' ==> lower does not take 2 arguments; write one
coalesce(distinct a) = 'x' ==> only plain function calls
exists (select count(*) from members) ==> exists needs no result; write exists (select 1
exists (select 1 from a, b) ==> a subquery reads one table, with nothing but a condition
exists (select 1 from a join b on true) ==> a subquery reads one table, without join
exists (select 1 from a where true limit 1) ==> a subquery reads one table
exists (select 1 from a group by b) ==> a subquery reads one table
exists (select 1 from a for update) ==> a subquery reads one table
exists (select 1 from auth.users) ==> column 23: auth.users is not a table of this project; read the token
exists (select 1 from a tablesample system (1)) ==> a subquery reads one table
exists (select 1 from a as b (c)) ==> a subquery reads one table
exists (select distinct a from b) ==> a subquery reads one table
exists (select 1 union select 2) ==> a subquery reads one table
exists (with a as (select 1) select 1 from a) ==> a subquery reads one table
exists (select 1) ==> a subquery reads one table
a in (select max(id) from members) ==> in needs one column; write in (select c from t
a in (select * from members) ==> in needs one column
a in (select id, b from members) ==> a subquery reads one table
a = (select id from members) ==> a subquery that is a value may only wrap a claim
a = (select auth.uid() limit 1) ==> may only wrap a claim
a in (select auth.uid() limit 1) ==> may only wrap a claim
a = (select b) ==> may only wrap a claim
a->>'x' = 'y' ==> -> and ->> read claims only; write auth.jwt() ->> 'claim'
auth.jwt() ->> 'org'::uuid = a ==> write (auth.jwt() ->> 'claim')::uuid
auth.jwt() ->> org = a ==> the key of a claim is quoted text
case when a then b end ==> case is not in the policy language
a = b = c ==> column 1: a condition stands bare inside another; put the inner one in
a < b is null ==> in parentheses
a::money = 1 ==> a cast to this type is not in the policy language
a > any (array[1]) ==> any goes with = only
a = any (select id, c from b) ==> a subquery reads one table
a = any (1) ==> any needs a list
a = any (lower(b) || 'x') ==> do not join
(a, b) = (1, 2) ==> a list does not stand on its own
a like 'x' escape '!' ==> this form of like
a collate "C" = 'x' ==> collate
a at time zone 'UTC' < now() ==> policies calculate with now() only
s.t.c = 1 ==> at most a table's name
select 1 ==> does not belong here
a = $0 ==> not a parameter
a = 1) or (true ==> does not belong here
a in (select lower(auth.jwt() -> 'x')) ==> may only wrap a claim
a = any (lower(select b from c)) ==> column 23: expected ), found: b
a / b > 1 ==> column 3: policies do not calculate: /; store
a % 2 = 1 ==> column 3: policies do not calculate: %; store
a & 1 = 1 ==> column 3: policies do not calculate: &; store
a == b ==> column 3: this is not an operator of SQL: ==; write =
a = not b ==> a condition stands bare
a = b in (1, 2) ==> a condition stands bare
a * 2 > 1 ==> policies do not calculate: *
* ==> expected an expression
"#;

#[test]
fn what_is_refused_says_where_why_and_what_instead() {
    for line in REFUSALS.trim().lines() {
        let (text, expected) = line.split_once(" ==> ").unwrap();
        let message = refused(&text.replace('⏎', "\n")).to_string();
        assert!(message.contains(expected), "{text:?}: {message}");
    }
}

#[test]
fn and_binds_before_or_and_not_before_both() {
    let grouped = |a: &str, b: &str| {
        let strip = |text: &str| {
            format!("{:?}", parse(text).unwrap()).replace(|c: char| c.is_ascii_digit(), "")
        };
        assert_eq!(strip(a), strip(b), "{a} / {b}");
    };
    grouped("a or b and c", "a or (b and c)");
    grouped("not a and b", "(not a) and b");
    grouped("not a = b", "not (a = b)");
    grouped("not a is null", "not (a is null)");
    grouped(
        "a = b and c is distinct from d and e",
        "(a = b) and (c is distinct from d) and e",
    );
    grouped("a between b and c and d", "(a between b and c) and d");
    grouped("auth.jwt() ->> 'a' = b", "(auth.jwt() ->> 'a') = b");
    grouped("a like 'x' or b", "(a like 'x') or b");
    grouped("a and (b and c)", "a and ((b and c))");
    // The first of several items may be wrapped as Supabase advises.
    for (wrapped, plain) in [
        ("a in ((select auth.uid()), b)", "a in (auth.uid(), b)"),
        (
            "a in ((select auth.uid() as uid), b)",
            "a in (auth.uid(), b)",
        ),
        (
            "a in ((select (auth.jwt() ->> 'x')), b)",
            "a in (auth.jwt() ->> 'x', b)",
        ),
        (
            "a in ((select auth.uid()), b) or not a in ((select auth.role() as r), b, c)",
            "a in (auth.uid(), b) or not a in (auth.role(), b, c)",
        ),
        (
            "c and a in((select auth.uid()),b)",
            "c and a in (auth.uid(), b)",
        ),
        ("a in (b, (select auth.uid()))", "a in (b, auth.uid())"),
    ] {
        grouped(wrapped, plain);
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(DEPTH_MAX)).is_ok());
    assert!(refused(&nested(DEPTH_MAX + 1)).reason.contains("32 levels"));

    let nots = |count: usize| format!("{}true", "not ".repeat(count));
    assert!(parse(&nots(DEPTH_MAX - 1)).is_ok());
    assert!(refused(&nots(DEPTH_MAX)).reason.contains("32 levels"));

    // Both at once are twice as deep for the parser, and no deeper for us.
    let levels = DEPTH_MAX - 1;
    let both = format!("{}true{}", "not (".repeat(levels), ")".repeat(levels));
    assert!(parse(&both).is_ok());

    let atoms = |count: usize| vec!["a = 1"; count].join(" or ");
    assert!(parse(&atoms(ATOMS_MAX)).is_ok());
    assert!(refused(&atoms(ATOMS_MAX + 1)).reason.contains("64 tests"));

    let padded = |bytes: usize| format!("{:>bytes$}", "true");
    assert!(parse(&padded(TEXT_BYTES_MAX)).is_ok());
    assert!(
        refused(&padded(TEXT_BYTES_MAX + 1))
            .reason
            .contains("8193 bytes")
    );

    let list = vec!["1"; 2000].join(", ");
    assert!(parse(&format!("a in ({list})")).is_ok());

    let words = |count: usize| refused(&"a ".repeat(count)).reason;
    assert!(!words(768).contains("768 words") && words(769).contains("768 words"));

    let days = |days: i64| format!("a > now() + interval '{days} days'");
    for edge in [INTERVAL_DAYS_MAX, -INTERVAL_DAYS_MAX] {
        assert!(parse(&days(edge)).is_ok());
        assert!(
            refused(&days(edge + edge.signum()))
                .reason
                .contains("longer than")
        );
    }
}

/// What nests or chains, between broken bars.
const PIECES: &str = r#"(¦((¦not ¦not(¦- ¦a(¦coalesce(¦lower(¦a in (¦a = any (¦array[¦(select ¦exists (select ¦
case when ¦case ¦cast(¦if(¦a and (¦a = (¦date ¦interval ¦row(¦a between ¦a like ¦a::¦
auth.¦a.¦[¦{¦struct(¦map{¦x -> ¦try_cast(¦extract(¦position(¦substring(¦trim(¦overlay(¦
ceil(¦prior ¦lambda ¦a is distinct from ¦current_time(¦union ¦(select a = ¦a in (select a from a where ¦exists (select 1 from a where a and ¦(values (¦with a as (¦a = ¦
a in ((select a), ¦a in ((select ¦now() - ¦now() - interval '1 day' - ¦array(select ¦a = any (array(select ¦old.¦
a and ¦a or ¦is null ¦is not true ¦::text¦ -> 'a'¦a, ¦.a¦[1]¦ in (1)¦ like 'a'¦
 collate "C"¦ between 1 and 2¦ at time zone 'x'¦)¦''¦"¦"#;

/// Text that nests or chains as deep as it can, over every construct, on the small stack of a
/// thread. Each must be answered at once: neither the stack nor the parser's look-ahead may blow.
#[test]
fn hostile_nesting_is_answered_quickly() {
    let started = Instant::now();
    for piece in PIECES.split(['¦', '\n']).filter(|piece| !piece.is_empty()) {
        for prefix in ["", "a "] {
            let text = format!("{prefix}{}", piece.repeat(TEXT_BYTES_MAX / piece.len() - 2));
            let _ = parse(&text);
            let bounded = format!("{prefix}{}", piece.repeat(DEPTH_MAX));
            let _ = parse(&bounded);
            let _ = parse(&format!("{bounded} a"));
        }
    }
    // Generous: the point is that nothing takes exponential time.
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
}

/// Words of the language and around it, for texts that get further than random letters do.
const WORDS: &str = r#"
a b "c" 1 - 1.5 'x' null true = <> < and or not in
( ) , is distinct from between like auth.uid() auth.jwt() ->> -> :: uuid any array[
] $1 now() select coalesce( case when exists interval date cast( as . * ; --
/* $$ E' in ((select old.a = any (array[ interval '1 day' - +
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_text_of_sql_words_makes_the_parser_panic(
        words in prop::collection::vec(prop::sample::select(WORDS.split_whitespace().collect::<Vec<_>>()), 0..40),
    ) {
        if let Err(error) = parse(&words.join(" ")) {
            prop_assert!(error.position.line >= 1 && error.position.column >= 1);
            prop_assert!(!error.reason.is_empty());
        }
    }
}

#[test]
fn a_text_that_ends_too_early_is_told_at_its_end() {
    for (text, line, column) in [
        ("owner_id = auth.uid() and", 1, 26),
        ("a = 1\n  or  \n", 2, 5),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(
            (error.position.line, error.position.column),
            (line, column),
            "{text}"
        );
    }
}
