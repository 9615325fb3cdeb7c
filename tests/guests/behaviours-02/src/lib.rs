//! The behaviours of a WASI 0.2 function: one route each. Plain wit-bindgen, with the host's
//! package of plain functions.

mod answer;
mod faults;
mod host;
#[path = "../../behaviours/src/plain.rs"]
mod plain;
#[path = "../../behaviours/src/steps_deep.rs"]
mod steps_deep;

use answer::Answer;
use exports::wasi::http::incoming_handler::Guest;
use wasi::http::types::{IncomingRequest, ResponseOutparam};

wit_bindgen::generate!({
    inline: "
        package example:behaviours;
        world behaviours {
            include koyalite:host-sync/imports@0.1.0;
            export wasi:http/incoming-handler@0.2.3;
        }
    ",
    path: ["../../../wit/wasi/http-0.2.wit", "../../../wit/host-sync"],
    generate_all,
});

struct Behaviours;

impl Guest for Behaviours {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let uri = request.path_with_query().unwrap_or_default();
        let path = uri.split('?').next().unwrap_or_default();
        match path.rsplit('/').next().unwrap_or_default() {
            "echo" => answer::echo(&request, out),
            "headers" => Answer::start(out, 200).send(answer::headers(&request).as_bytes()),
            "big-body" => answer::big(out),

            "spin" => plain::spin(),
            "sleep" => faults::sleep(),
            "grow" => plain::grow(),
            "recurse" => drop(plain::recurse(0)),
            "trap-deep" => {
                let text = steps_deep::outer_step();
                Answer::start(out, 200).send(text.as_bytes());
            }
            "trap-before" => panic!("trapped before the first byte, as asked"),
            "trap-after-first-byte" => faults::trap_after_first_byte(out),
            "never-set" => drop(out),
            "answer-twice" => faults::answer_twice(out),
            "log-flood" => faults::log_flood(out),

            "whoami" => Answer::start(out, 200).send(host::whoami().as_bytes()),
            "select" => Answer::start(out, 200).send(host::select().as_bytes()),
            "insert" => Answer::start(out, 200).send(host::insert().as_bytes()),
            "commit" => Answer::start(out, 200).send(host::transaction(true).as_bytes()),
            "abandon" => Answer::start(out, 200).send(host::transaction(false).as_bytes()),
            "near" => Answer::start(out, 200).send(host::near().as_bytes()),
            "config" => Answer::start(out, 200).send(host::config().as_bytes()),
            "file" => Answer::start(out, 200).send(host::file().as_bytes()),

            "behaviours-02" | "" => Answer::start(out, 200).send(b"ok\n"),
            _ => Answer::start(out, 404).send(b"there is no such behaviour\n"),
        }
    }
}

export!(Behaviours);
