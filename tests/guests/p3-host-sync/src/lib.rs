//! A WASI 0.3 handler that uses the host's package of plain functions. `/whoami` answers the
//! caller's role and subject; any other path the rows of `todos`.

use exports::wasi::http::handler::Guest;
use koyalite::host_sync::{identity, tables};
use wasi::http::types::{ErrorCode, Fields, Request, Response};

wit_bindgen::generate!({
    inline: "
        package example:mixed;
        world mixed {
            import koyalite:host-sync/identity@0.1.0;
            import koyalite:host-sync/tables@0.1.0;
            export wasi:http/handler@0.3.0;
        }
    ",
    path: ["../../../wit/wasi/http-0.3.wit", "../../../wit/host-sync"],
    generate_all,
});

struct Mixed;

impl Guest for Mixed {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let text = if path.contains("/whoami") {
            whoami()
        } else {
            rows()
        };
        let (mut body, read) = wit_stream::new();
        let (end, read_end) = wit_future::new(|| Ok(None));
        wit_bindgen::spawn_local(async move {
            body.write_all(text.into_bytes()).await;
            drop(end);
        });
        let fields = Fields::from_list(&[]).map_err(|_| ErrorCode::InternalError(None))?;
        let (response, _) = Response::new(fields, Some(read), read_end);
        Ok(response)
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
