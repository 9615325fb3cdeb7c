//! A WASI 0.2 handler that calls the host's async functions and waits for each, as a toolchain
//! without async exports does. `/whoami` answers the caller's role and subject; any other path the
//! rows of `todos`.

use exports::wasi::http::incoming_handler::Guest;
use koyalite::host::{identity, tables};
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wit_bindgen::generate!({
    inline: "
        package example:mixed;
        world mixed {
            import koyalite:host/identity@0.1.0;
            import koyalite:host/tables@0.1.0;
            export wasi:http/incoming-handler@0.2.3;
        }
    ",
    path: ["../../../wit/wasi/http-0.2.wit", "../../../wit/host"],
    generate_all,
    async: false,
});

struct Mixed;

impl Guest for Mixed {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let text = if path.contains("/whoami") {
            whoami()
        } else {
            rows()
        };
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        // A write takes at most 4 KiB. An error means that the caller has gone.
        for piece in text.as_bytes().chunks(4096) {
            let _ = stream.blocking_write_and_flush(piece);
        }
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}

fn whoami() -> String {
    let caller = identity::current();
    format!("{:?} {}", caller.role, caller.subject.unwrap_or_default())
}

fn rows() -> String {
    let query = tables::Query {
        columns: Vec::new(),
        filter: tables::Filter {
            text: String::new(),
            params: Vec::new(),
        },
        order: Vec::new(),
        limit: None,
        embeds: Vec::new(),
    };
    tables::select("todos", &query).unwrap_or_else(|error| error.code)
}

export!(Mixed);
