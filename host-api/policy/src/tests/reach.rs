//! How far policies reach into other tables, and where that ends.

use serde_json::{Value as Json, json};

use super::decisions::{policy, todos};
use crate::*;

fn named(name: String) -> TableShape {
    TableShape {
        name: name.parse().unwrap(),
        ..todos()
    }
}

fn faults(tables: Vec<TableShape>, policies: Vec<Json>) -> Vec<PolicyFault> {
    let policies = policies.into_iter().map(policy).collect();
    let built = Schema::build(tables, policies);
    let errors = built.err().unwrap_or_default();
    errors.into_iter().map(|error| error.fault).collect()
}

/// A chain of tables, each of whose policies reads the next: found measured when the walk begins at
/// its end, or not yet when it begins at its start.
#[test]
fn policies_reach_so_far_and_no_farther() {
    for from_the_end in [true, false] {
        let chain = |tables: usize| {
            let name = |place: usize| match from_the_end {
                true => format!("t{:02}", tables - place),
                false => format!("t{place:02}"),
            };
            let on = |place: usize| {
                let using = match place + 1 < tables {
                    true => format!("exists (select 1 from {})", name(place + 1)),
                    false => "hold".to_owned(),
                };
                json!({"table": name(place), "commands": ["select"], "using": using})
            };
            let shapes = (0..tables).map(|place| named(name(place)));
            faults(shapes.collect(), (0..tables).map(on).collect())
        };
        assert_eq!(chain(REACH_LEVELS_MAX + 1), []);
        let deep = PolicyFault::Reach(PolicyReach::TooDeep);
        let found = chain(REACH_LEVELS_MAX + 2);
        assert_eq!(found.first(), Some(&deep), "{from_the_end}");
    }
}

/// 207 policies of one column; 48 subqueries over that table; some columns more.
#[test]
fn policies_pull_in_so_much_and_no_more() {
    let wide = |columns: usize| {
        let small = json!({"table": "small", "commands": ["select"], "using": "hold"});
        let written = json!({"table": "small", "commands": ["insert"], "check": "hold"});
        let mut tests = vec!["exists (select 1 from small)"; 48];
        tests.extend(vec!["hold"; columns]);
        let large = json!({"table": "large", "commands": ["insert"], "check": tests.join(" or ")});
        let mut policies = vec![small; 207];
        policies.extend([written, large]);
        let tables = ["small", "large"].map(|name| named(name.to_owned()));
        faults(tables.to_vec(), policies)
    };
    assert_eq!(REACH_NODES_MAX, 48 * (207 + 1) + 1 + 15);
    assert_eq!(wide(15), []);
    assert_eq!(wide(16), [PolicyFault::Reach(PolicyReach::TooLarge)]);
}
