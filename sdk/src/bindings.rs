//! The only calls of wit-bindgen: what a function imports, and the exports it may choose from.
//!
//! One module for all imports; one for each export, so that [`export!`](crate::export) adds to a
//! component only what it was asked for. Nothing here is public API: the other modules give each
//! import its Rust face.

#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    reason = "generated code"
)]

/// Everything a function may import. A component ends up with what it calls.
pub mod imports {
    wit_bindgen::generate!({
        inline: "
            package koyalite:sdk;
            world imports {
                include koyalite:host/imports@0.1.0;
                import wasi:http/types@0.3.0;
                import wasi:http/client@0.3.0;
                import wasi:clocks/monotonic-clock@0.3.0;
            }
        ",
        path: ["../wit/wasi/http-0.3.wit", "../wit/host"],
        generate_all,
    });
}

/// The export of a function that answers requests.
pub mod http {
    wit_bindgen::generate!({
        inline: "
            package koyalite:sdk;
            world http {
                export wasi:http/handler@0.3.0;
            }
        ",
        path: ["../wit/wasi/http-0.3.wit", "../wit/host"],
        with: {
            "wasi:http/types@0.3.0": crate::bindings::imports::wasi::http::types,
            "wasi:http/handler@0.3.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_http",
        default_bindings_module: "::koyalite::__private::http",
    });
}

/// The export of a function that runs on a schedule.
pub mod scheduled {
    wit_bindgen::generate!({
        inline: "
            package koyalite:sdk;
            world scheduled {
                export koyalite:host/scheduled@0.1.0;
            }
        ",
        path: ["../wit/wasi/http-0.3.wit", "../wit/host"],
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_scheduled",
        default_bindings_module: "::koyalite::__private::scheduled",
    });
}
