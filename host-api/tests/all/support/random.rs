//! Long random tests: how many cases, and a seed that repeats a run.

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseResult, TestError, TestRunner};
use uuid::Uuid;

/// A run that can be repeated: `PROPTEST_RNG_SEED` chooses its seed.
pub(crate) struct Run {
    runner: TestRunner,
    seed: u64,
}

impl Run {
    /// `cases`, or as many as `PROPTEST_CASES` asks for if that is more.
    pub(crate) fn at_least(cases: u32) -> Run {
        let asked = match Config::default().cases {
            // proptest's own default: nobody asked.
            256 => 0,
            asked => asked,
        };
        let seed = Uuid::new_v4().as_u64_pair().0;
        Run::of(cases.max(asked), Config::default().max_shrink_iters, seed)
    }

    /// So many cases, the same each time, and no simpler one is looked for: for what must be found
    /// among them.
    pub(crate) fn repeated(cases: u32) -> Run {
        Run::of(cases, 0, 1)
    }

    /// What fails is made simpler in so many steps at most.
    fn of(cases: u32, max_shrink_iters: u32, usual_seed: u64) -> Run {
        let seed = match Config::default().rng_seed {
            RngSeed::Fixed(seed) => seed,
            RngSeed::Random => usual_seed,
        };
        let config = Config {
            cases,
            max_shrink_iters,
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            ..Config::default()
        };
        Run {
            runner: TestRunner::new(config),
            seed,
        }
    }

    /// The simplest case that failed, with the seed that leads to it again.
    pub(crate) fn find<S: Strategy>(
        mut self,
        cases: &S,
        test: impl Fn(S::Value) -> TestCaseResult,
    ) -> Result<(), String>
    where
        S::Value: Debug,
    {
        let seed = self.seed;
        self.runner.run(cases, test).map_err(|error| match error {
            TestError::Fail(..) => format!("{error}\nPROPTEST_RNG_SEED={seed} repeats it"),
            TestError::Abort(reason) => panic!("no cases to try: {reason}"),
        })
    }
}
