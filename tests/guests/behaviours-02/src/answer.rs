//! Answers: head first, then the body as it is written.

use crate::wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use crate::wasi::io::streams::OutputStream;

/// The most that one blocking write takes.
const PIECE_BYTES: usize = 4096;

/// An answer whose head has gone out.
pub struct Answer {
    stream: Option<OutputStream>,
    body: Option<OutgoingBody>,
}

impl Answer {
    pub fn start(out: ResponseOutparam, status: u16) -> Self {
        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(status).expect("a valid status");
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        Self {
            stream: Some(stream),
            body: Some(body),
        }
    }

    /// Writes and ends the body.
    pub fn send(mut self, bytes: &[u8]) {
        self.write(bytes);
    }

    /// Writes; false where the caller has gone.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        let Some(stream) = &self.stream else {
            return false;
        };
        bytes
            .chunks(PIECE_BYTES)
            .all(|piece| stream.blocking_write_and_flush(piece).is_ok())
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // The stream is a child of the body: it must go first.
        self.stream = None;
        if let Some(body) = self.body.take() {
            let _ = OutgoingBody::finish(body, None);
        }
    }
}

/// Sends the request's body back while it arrives.
pub fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut answer = Answer::start(out, 200);
    while let Ok(piece) = stream.blocking_read(64 * 1024) {
        if !answer.write(&piece) {
            return;
        }
    }
}

/// 1 GiB of zeros.
pub fn big(out: ResponseOutparam) {
    let mut answer = Answer::start(out, 200);
    let piece = [0; PIECE_BYTES];
    for _ in 0..(1 << 30) / PIECE_BYTES {
        if !answer.write(&piece) {
            return;
        }
    }
}

/// The request's header fields, a line each.
pub fn headers(request: &IncomingRequest) -> String {
    let fields = request.headers().entries();
    let line = |(name, value): (String, Vec<u8>)| format!("{name}: {}\n", value.escape_ascii());
    fields.into_iter().map(line).collect()
}
