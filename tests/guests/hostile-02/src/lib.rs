//! What a WASI 0.2 function might do to its host: one route each. Plain wit-bindgen, nothing of
//! ours.

use std::time::Duration;

use exports::wasi::http::incoming_handler::Guest;
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wit_bindgen::generate!({
    inline: "
        package example:hostile;
        world hostile {
            export wasi:http/incoming-handler@0.2.3;
        }
    ",
    path: "../../../wit/wasi/http-0.2.wit",
    generate_all,
});

struct Hostile;

impl Guest for Hostile {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let uri = request.path_with_query().unwrap_or_default();
        match uri.rsplit('/').next().unwrap_or_default() {
            "leak-handles" => leak_handles(),
            "leak-headers" => leak_headers(),
            "poll-storm" => poll_storm(),
            "trailers" => trailers(out),
            "print-lines" => print_lines(),
            "never-read" => answer(out, Fields::new(), None),
            _ => drop(out),
        }
    }
}

/// Makes headers and never lets them go.
fn leak_handles() {
    loop {
        std::mem::forget(Fields::new());
    }
}

/// The same with something in them, which is the host's memory.
fn leak_headers() {
    let entry = ("x-large".to_owned(), vec![b'x'; 30_000]);
    let entries = [entry];
    loop {
        match Fields::from_list(&entries) {
            Ok(fields) => std::mem::forget(fields),
            Err(_) => panic!("the host takes no headers of that size"),
        }
    }
}

/// Goes to the host and back as fast as it can.
fn poll_storm() {
    loop {
        std::thread::sleep(Duration::from_nanos(1));
    }
}

/// Two hundred trailers, after a body that has none announced.
fn trailers(out: ResponseOutparam) {
    let trailer = |number: u32| (format!("x-{number}"), b"x".to_vec());
    let trailers: Vec<_> = (0..200).map(trailer).collect();
    answer(out, Fields::new(), Fields::from_list(&trailers).ok());
}

/// A million lines.
fn print_lines() {
    for _ in 0..1_000_000 {
        println!("again");
    }
}

fn answer(out: ResponseOutparam, headers: Fields, trailers: Option<Fields>) {
    let response = OutgoingResponse::new(headers);
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the stream is taken once");
    let _ = stream.blocking_write_and_flush(b"answered\n");
    drop(stream);
    let _ = OutgoingBody::finish(body, trailers);
}

export!(Hostile);
