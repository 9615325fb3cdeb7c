//! Printing and reading back.

use super::policy_text;
use crate::check::{Checker, OldRow, Project};
use crate::expr::Node;
use crate::parse;
use crate::policy::Claims;
use crate::tests::fixtures::shape;

/// A condition and how it is printed; `same` where it is as it was written.
const PRINTED: &str = r#"
done ==> same
owner_id = auth.uid() ==> same
(auth.uid()) = owner_id and not done ==> auth.uid() = owner_id and not done
title = 'it''s' or n < 1 and big >= -2 ==> same
(title = 'a' or done) and (n = 1 or n is null) ==> same
not (title = 'a' and done) ==> same
not (title = 'a') ==> same
title not in ('a', 'b') and n in (1, 2) ==> same
title not like 'a%' or title ilike '\_' ==> same
n between 1 and 2 ==> n >= 1 and n <= 2
title is distinct from null ==> title is distinct from null::text
not (title is distinct from 'x') ==> title is not distinct from 'x'
(n = 1) is not true and (n = 1) is unknown ==> (n = 1) is not true and (n = 1) is null
(n = 1) = (big = 2) ==> same
price > 1.5 and ratio > 1.5 ==> price > '1.5'::numeric and ratio > '1.5'::double precision
created_at > now() - interval '1 day' ==> created_at > (now() - interval '86400 seconds')
created_at > '2024-01-01T00:00:00Z' ==> created_at > '2024-01-01T00:00:00Z'::timestamptz
(auth.jwt() -> 'app_metadata' ->> 'team')::uuid = owner_id ==> same
auth.jwt() ->> 'email' = title ==> (auth.jwt() ->> 'email') = title
(auth.jwt() -> 'staff')::boolean ==> same
owner_id in (select auth.jwt() -> 'teams') ==> owner_id in (select (auth.jwt() -> 'teams'))
not (owner_id in (select (auth.jwt() -> 'teams'))) ==> same
'a' = any (tags) and n <> all (counts) ==> same
tags = array['a', null] ==> tags = '{"a",NULL}'::text[]
lower(coalesce(title, 'x')) = 'x' and length(title) > n ==> same
title = old.title ==> same
day = '2024-01-02' and opens > '08:00' ==> day = '2024-01-02'::date and opens > '08:00:00'::time
'aGk='::bytea is null and '{"a": 1}'::jsonb is null ==> 'aGk='::bytea is null and '{"a":1}'::jsonb is null
'[1,2,3]'::vector(3) is null or null::uuid is null ==> '[1.0,2.0,3.0]'::vector(3) is null or null::uuid is null
done = null and counts <> array[1, 2] ==> done = null and counts <> '{"1","2"}'::integer[]
small = 1 and factor = 0.5 and 5::int = n ==> small = 1 and factor = '0.5'::real and '5'::integer = n
tags = array['a"b', 'c\d'] ==> tags = '{"a\"b","c\\d"}'::text[]
auth.role() = 'anon' or auth.jwt() is null ==> auth.role() = 'anon' or (auth.jwt()) is null
done and (done and done) or (done or done) ==> same
not not done ==> not (not done)
coalesce(done, n = 1, not done) ==> coalesce(done, n = 1, (not done))
done is false and (n = 1) is not false ==> same
created_at < now() + interval '1 day' and now() is not null ==> created_at < (now() + interval '86400 seconds') and now() is not null
exists (select 1 from other as inner_1 where exists (select 1 from other as inner_2 where inner_2.id = inner_1.id and todos.done)) ==> same
not exists (select 1 from other as inner_1 where inner_1.id = todos.n) ==> same
exists (select 1 from other where id = n and "order" is null) ==> exists (select 1 from other as inner_1 where inner_1.id = todos.n and inner_1.order is null)
n not in (select id from other as inner_1 where inner_1.id > 1) ==> n not in (select inner_1.id from other as inner_1 where inner_1.id > 1)
"#;

fn check(text: &str) -> Node {
    let mut other = shape();
    other.name = "other".parse().unwrap();
    other.columns.truncate(2);
    other.columns[0].name = "order".parse().unwrap();
    other.columns[1].name = "id".parse().unwrap();
    let (tables, claims) = ([shape(), other], Claims::default());
    let project = Project {
        tables: &tables,
        claims: &claims,
    };
    let syntax = parse::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let checked = Checker::for_policy(&tables[0], project, OldRow::Seen).check(&syntax);
    checked.unwrap_or_else(|error| panic!("{text}: {error}")).0
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    for line in PRINTED.trim().lines() {
        let (text, expected) = line.split_once(" ==> ").unwrap();
        let checked = check(text);
        let printed = policy_text(&checked, "todos");
        let expected = if expected == "same" { text } else { expected };
        assert_eq!(printed, expected, "{text}");
        assert_eq!(check(&printed), checked, "{text}");
    }
}
