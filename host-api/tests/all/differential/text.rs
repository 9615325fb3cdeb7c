//! Random conditions as text, from a few atoms: for policies, which take no parameters.

use std::borrow::Cow;

use proptest::prelude::*;
use proptest::sample::select;

/// An atom, or a few of them under NOT, AND and OR.
pub(super) fn condition(atoms: impl Into<Cow<'static, [&'static str]>>) -> BoxedStrategy<String> {
    let atom = select(atoms).prop_map(str::to_owned);
    atom.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("not ({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a}) or ({b})")),
        ]
    })
    .boxed()
}
