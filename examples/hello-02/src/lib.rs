//! Says hello by WASI 0.2, with nothing but `wit-bindgen`: what any toolchain makes of the standard
//! interface runs unmodified.

use exports::wasi::http::incoming_handler::Guest;
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wit_bindgen::generate!({
    inline: "
        package example:hello;
        world hello {
            export wasi:http/incoming-handler@0.2.3;
        }
    ",
    path: "../../wit/wasi/http-0.2.wit",
    generate_all,
});

struct Hello;

impl Guest for Hello {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        let headers = vec![(
            "content-type".to_owned(),
            b"text/plain; charset=utf-8".to_vec(),
        )];
        let headers = Fields::from_list(&headers).expect("a valid header");
        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("the body is taken once");
        // The answer's head goes out before its body is written.
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        // An error means that the caller is gone: nobody is left to tell.
        let _ = stream.blocking_write_and_flush(b"hello from WASI 0.2\n");
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}

export!(Hello);
