//! [`export!`](crate::export): from a plain `async fn` to the exports of a component.
//!
//! The exports themselves exist on WebAssembly only: their names are no symbols that a linker for
//! another machine would take.

/// Makes a component of one function for requests, one for schedules, or both.
///
/// ```no_run
/// # use koyalite::{Request, Response, Result, ScheduledEvent};
/// async fn handle(request: Request) -> Result<Response> {
///     Ok(Response::text(request.path()))
/// }
///
/// async fn tick(event: ScheduledEvent) -> Result<()> {
///     Ok(())
/// }
///
/// koyalite::export!(handle, scheduled = tick);
/// ```
///
/// `koyalite::export!(handle)` and `koyalite::export!(scheduled = tick)` export one alone. A crate
/// calls the macro once.
#[macro_export]
macro_rules! export {
    (scheduled = $tick:path $(,)?) => {
        $crate::__export_scheduled!($tick);
    };
    ($handle:path $(,)?) => {
        $crate::__export_http!($handle);
    };
    ($handle:path, scheduled = $tick:path $(,)?) => {
        $crate::__export_http!($handle);
        $crate::__export_scheduled!($tick);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_http {
    ($handle:path) => {
        const _: () = {
            #[allow(dead_code, reason = "only its type is used, and on WebAssembly only")]
            struct Http;

            impl $crate::__private::http::Guest for Http {
                async fn handle(
                    request: $crate::__private::http::Request,
                ) -> $crate::__private::http::Answer {
                    $crate::__private::answer(request, $handle).await
                }
            }

            #[cfg(target_family = "wasm")]
    $crate::__private::http::export_http!(Http with_types_in $crate::__private::http);
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_scheduled {
    ($tick:path) => {
        const _: () = {
            #[allow(dead_code, reason = "only its type is used, and on WebAssembly only")]
            struct Scheduled;

            impl $crate::__private::scheduled::Guest for Scheduled {
                async fn handle(
                    event: $crate::__private::scheduled::Event,
                ) -> $crate::__private::scheduled::Outcome {
                    $crate::__private::run(event, $tick).await
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::__private::scheduled::export_scheduled!(
                Scheduled with_types_in $crate::__private::scheduled
            );
        };
    };
}

/// What the macros above expand to. Not for anyone else.
#[doc(hidden)]
#[allow(missing_docs, reason = "not public API")]
pub mod __private {
    use crate::{Error, Request, Response, Result, ScheduledEvent};

    pub mod http {
        pub use crate::bindings::http::exports::wasi::http::handler::Guest;
        pub use crate::bindings::http::*;
        pub use crate::bindings::imports::wasi::http::types::Request;
        use crate::bindings::imports::wasi::http::types::{ErrorCode, Response};

        pub type Answer = std::result::Result<Response, ErrorCode>;
    }

    pub mod scheduled {
        pub use crate::bindings::scheduled::exports::koyalite::host::scheduled::{Event, Guest};
        pub use crate::bindings::scheduled::*;

        pub type Outcome = std::result::Result<(), String>;
    }

    /// One request: the user's function, its error turned into an answer.
    pub async fn answer<F>(
        request: http::Request,
        handle: impl FnOnce(Request) -> F,
    ) -> http::Answer
    where
        F: Future<Output = Result<Response>>,
    {
        let response = handle(Request::new(request))
            .await
            .unwrap_or_else(Error::into_response);
        response.send()
    }

    /// One firing: the error's whole text goes to the run's history, which only its owner reads.
    pub async fn run<F>(
        event: scheduled::Event,
        tick: impl FnOnce(ScheduledEvent) -> F,
    ) -> scheduled::Outcome
    where
        F: Future<Output = Result<()>>,
    {
        tick(ScheduledEvent::new(event))
            .await
            .map_err(|error| error.to_string())
    }
}
