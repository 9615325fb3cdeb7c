//! Every handler describes itself: by the types that it takes, and the type that it answers.

use std::future::Future;

use super::gives::Gives;
use super::sketch::Sketch;
use super::takes::Takes;

/// A handler whose types say what it reads and answers. `T` is the same list of types as that of
/// axum's `Handler`, whose first is axum's own.
pub(in crate::control) trait Described<T> {
    /// Adds all of them.
    fn describe(sketch: &mut Sketch);
}

impl<F, Fut> Described<((),)> for F
where
    F: Fn() -> Fut,
    Fut: Future<Output: Gives>,
{
    fn describe(sketch: &mut Sketch) {
        Fut::Output::describe(sketch);
    }
}

macro_rules! described {
    ($($taken:ident)+) => {
        impl<F, Fut, Kind, $($taken,)+> Described<(Kind, $($taken,)+)> for F
        where
            F: Fn($($taken,)+) -> Fut,
            Fut: Future<Output: Gives>,
            $($taken: Takes,)+
        {
            fn describe(sketch: &mut Sketch) {
                $($taken::describe(sketch);)+
                Fut::Output::describe(sketch);
            }
        }
    };
}

described!(A);
described!(A B);
described!(A B C);
described!(A B C D);
described!(A B C D E);
described!(A B C D E G);
