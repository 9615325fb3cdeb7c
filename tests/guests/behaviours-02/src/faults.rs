//! What a function must not do, done.

use std::time::Duration;

use crate::answer::Answer;
use crate::koyalite::host_sync::log;
use crate::wasi::http::types::{Fields, OutgoingResponse, ResponseOutparam};

pub fn sleep() {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

pub fn trap_after_first_byte(out: ResponseOutparam) {
    let mut answer = Answer::start(out, 200);
    answer.write(b"first\n");
    // So that the piece has left the host.
    std::thread::sleep(Duration::from_millis(100));
    panic!("trapped after the first byte, as asked");
}

/// Sets the answer, then sets it again through the handle that the first time used up.
pub fn answer_twice(out: ResponseOutparam) {
    let handle = out.take_handle();
    for _ in 0..2 {
        // SAFETY: the second is not valid, and that is what is tried: the host must notice.
        let out = unsafe { ResponseOutparam::from_handle(handle) };
        ResponseOutparam::set(out, Ok(OutgoingResponse::new(Fields::new())));
    }
}

/// 1 GiB of log, then an answer.
pub fn log_flood(out: ResponseOutparam) {
    let line = "x".repeat(8 * 1024);
    for _ in 0..(1 << 30) / line.len() {
        log::write(log::Level::Info, &line);
    }
    Answer::start(out, 200).send(b"logged\n");
}
