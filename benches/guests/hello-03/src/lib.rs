//! The greeting in WASI 0.3 with nothing but wit-bindgen: imports that every host has, so that
//! another one can be measured with the same bytes.

use exports::wasi::http::handler::Guest;
use wasi::http::types::{ErrorCode, Fields, Request, Response};

wit_bindgen::generate!({
    inline: "
        package example:hello;
        world hello {
            import wasi:http/types@0.3.0;
            export wasi:http/handler@0.3.0;
        }
    ",
    path: ["../../../wit/wasi/http-0.3.wit"],
    generate_all,
});

struct Hello;

impl Guest for Hello {
    async fn handle(_: Request) -> Result<Response, ErrorCode> {
        let (mut body, read) = wit_stream::new();
        let (end, read_end) = wit_future::new(|| Ok(None));
        wit_bindgen::spawn_local(async move {
            body.write_all(b"hello, world\n".to_vec()).await;
            drop(end);
        });
        let fields = Fields::from_list(&[]).map_err(|_| ErrorCode::InternalError(None))?;
        let (response, _) = Response::new(fields, Some(read), read_end);
        Ok(response)
    }
}

export!(Hello);
