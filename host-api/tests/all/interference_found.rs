//! Non-interference, tried on the policies as they are and on policies that lack a part.

use crate::interference::rules::LEAKS;
use crate::interference::{PAIRS, PAIRS_TO_A_LEAK, Pair, Pairs, REQUESTS, hunt, runtime};
use crate::support::random;

#[test]
fn two_databases_that_differ_in_hidden_rows_only_answer_alike() {
    let runtime = runtime();
    let pair = runtime.block_on(Pair::new(None));
    let pairs = Pairs::default();
    let run = random::Run::at_least(PAIRS / REQUESTS);
    if let Err(difference) = hunt(&runtime, &pair, run, &pairs) {
        panic!("{difference}");
    }
    assert!(pairs.seen.get() >= PAIRS);
    assert!(
        pairs.refused.get() < pairs.seen.get() / 2,
        "mostly errors: {pairs:?}"
    );
    let interesting = [&pairs.read_past, &pairs.composite[0], &pairs.composite[1]];
    let seldom = interesting.iter().any(|cell| cell.get() < PAIRS / 500);
    assert!(!seldom, "the interesting cases are too rare: {pairs:?}");
}

#[test]
fn policies_that_lack_a_part_are_caught() {
    let runtime = runtime();
    for lost in 0..LEAKS {
        let pair = runtime.block_on(Pair::new(Some(lost)));
        let pairs = Pairs::default();
        let run = random::Run::repeated(PAIRS_TO_A_LEAK / REQUESTS);
        let caught = hunt(&runtime, &pair, run, &pairs);
        assert!(caught.is_err(), "leak {lost} was not seen: {pairs:?}");
    }
}
