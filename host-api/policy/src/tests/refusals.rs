//! Refusals: where they point, and what they say to write instead.

use super::fixtures::filter;

fn refused(text: &str) -> String {
    match filter(text, &[]) {
        Err(error) => error.to_string(),
        Ok(filter) => panic!("{text}: {filter:?}"),
    }
}

#[test]
fn a_refusal_points_at_the_place() {
    for (text, place) in [
        ("n =\n  = 1", "line 2, column 3"),
        ("n = 1 and\ntitel = 'a'", "line 2, column 1"),
        ("n = -1 + n", "line 1, column 8"),
        ("n = 1 and n * 2 = 4", "line 1, column 13"),
        ("date '2024-01-01' = n", "line 1, column 6"),
        ("n = 1 and lower(title = 'a'", "line 1, column"),
        ("big = 1 and title ~ 'a'", "line 1, column 19"),
        ("not (n = 'x')", "line 1, column"),
        // A sign is no calculation, and what has no place of its own is where it stands.
        ("n * -1 = 4", "line 1, column 3:"),
        ("lower(-1) * array[1] = 1", "line 1, column 11:"),
        ("array(select n) = n", "line 1, column 1:"),
    ] {
        let said = refused(text);
        assert!(said.contains(place), "{text}: {said}");
    }
}

#[test]
fn only_plain_calls_are_calls() {
    for call in [
        "lower(distinct title)",
        "lower(title order by n)",
        "lower(title) over ()",
        "lower(title) filter (where done)",
        "lower(title) within group (order by n)",
        "{fn lower(title)}",
        "lower(select title)",
        "lower(a => title)",
        "coalesce(title, *)",
    ] {
        let said = refused(&format!("{call} = 'a'"));
        let plain = said.contains("only plain function calls") || said.contains("xpected");
        assert!(plain, "{call}: {said}");
    }
    for call in [
        "lower(distinct title)",
        "lower(title) over ()",
        "lower(title) filter (where done)",
        "lower(title order by n)",
    ] {
        let said = refused(&format!("{call} = 'a'"));
        assert!(said.contains("only plain function calls"), "{call}: {said}");
    }
}

#[test]
fn other_casts_have_a_form_to_write() {
    let said = refused("try_cast(n as text) = 'a'");
    assert!(said.contains("this form of cast"), "{said}");
}

#[test]
fn what_nests_too_deep_is_refused_where_it_does() {
    let deep = format!("{}done{}", "(".repeat(200), ")".repeat(200));
    let said = refused(&deep);
    assert!(said.contains("nests more than"), "{said}");
    assert!(said.contains("line 1, column 33:"), "{said}");
    // Side by side they are not deep.
    let wide = vec!["(done)"; 200].join(" or ");
    assert!(filter(&wide, &[]).is_ok());
    for open in [
        "n = any (array[1, 2",
        "n in (1, 2",
        "(done",
        "exists (select 1 from todos",
    ] {
        assert!(!refused(open).is_empty(), "{open}");
    }
}
