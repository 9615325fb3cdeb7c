//! Watches the raw bytes of an HTTP/1 connection for heads whose length two servers could read
//! differently: `Content-Length` beside `Transfer-Encoding`, `Content-Length` twice, lines that end
//! without a CR, chunk extensions with control characters.
//!
//! hyper quietly drops one of the two headers before a service sees them, as the RFC permits to an
//! origin server; behind a proxy that chose the other one, this is request smuggling. The watcher
//! follows messages in parallel to hyper and never changes a byte: it only raises a flag, and the
//! listener then answers 400 and closes. Where it loses its way it raises the flag as well.

/// Follows one connection's incoming bytes.
#[derive(Debug, Default)]
pub(super) struct Framing {
    state: State,
    line: Line,
    head: Head,
    ambiguous: bool,
}

/// Where in a message the next byte falls.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a request line; blank lines are skipped, as hyper does.
    #[default]
    Start,
    HeaderLine,
    /// In a body of known length: bytes left.
    Body(u64),
    ChunkSize,
    /// In a chunk's data and the line end after it: bytes left.
    Chunk(u64),
    Trailer,
    /// HTTP/2, or already refused: nothing to watch.
    Off,
}

/// The start of the current line, as much as decides anything.
#[derive(Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    is_cut: bool,
    /// The last byte so far, kept or not.
    last: Option<u8>,
    /// It ended without a CR.
    is_bare: bool,
    /// A chunk's size with a control character behind it.
    has_control: bool,
}

#[derive(Debug, Default)]
struct Head {
    content_lengths: usize,
    content_length: u64,
    chunked: bool,
    transfer_encoding: bool,
}

/// Bytes of a line that are kept: the longest name that matters, and room for its value. A longer
/// length or chunk size than fits here is not one that a body limit would let through.
const LINE_KEPT_MAX: usize = 128;

/// The first line of an HTTP/2 connection (RFC 9113, 3.4).
const HTTP_2_PREFACE: &[u8] = b"PRI * HTTP/2.0";

impl Framing {
    /// True once a head could be read in two ways; stays true.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Whether what comes next is of a chunked body whose head was clear.
    pub(super) fn is_in_chunks(&self) -> bool {
        matches!(
            self.state,
            State::ChunkSize | State::Chunk(_) | State::Trailer
        )
    }

    /// Takes the next bytes as they come from the socket.
    pub(super) fn watch(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.state != State::Off {
            bytes = match self.state {
                State::Body(left) => self.skip(bytes, left, State::Body, State::Start),
                State::Chunk(left) => self.skip(bytes, left, State::Chunk, State::ChunkSize),
                _ => self.take_line(bytes),
            };
        }
    }

    fn skip<'a>(
        &mut self,
        bytes: &'a [u8],
        left: u64,
        still: fn(u64) -> State,
        then: State,
    ) -> &'a [u8] {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left.saturating_sub(taken as u64);
        self.state = if left == 0 { then } else { still(left) };
        bytes.get(taken..).unwrap_or_default()
    }

    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes.iter().position(|b| *b == b'\n');
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let is_after_cr = self.line.last == Some(b'\r') && !part.is_empty();
        self.line.push(part);
        if self.state == State::ChunkSize {
            // hyper reads over them; another server may see the end of the line in one.
            let is_odd = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r');
            let has_inner_cr = part.iter().rev().skip(1).any(|byte| *byte == b'\r');
            self.line.has_control |= part.iter().any(is_odd) || has_inner_cr || is_after_cr;
        }
        let Some(end) = end else { return &[] };
        let mut line = std::mem::take(&mut self.line);
        line.is_bare = line.last != Some(b'\r');
        self.state = self.next_state(&line);
        // The allocation is worth keeping: every head has a dozen lines.
        self.line.bytes = line.bytes;
        self.line.bytes.clear();
        bytes.get(end + 1..).unwrap_or_default()
    }

    fn next_state(&mut self, line: &Line) -> State {
        let text = line.text();
        // Some take a bare LF for the end of a line and some for a part of it. Where there is nothing
        // before a request line, that changes nothing.
        self.ambiguous |= line.is_bare && !(self.state == State::Start && text.is_empty());
        match self.state {
            _ if self.ambiguous => State::Off,
            State::Start if text.is_empty() => State::Start,
            State::Start if text == HTTP_2_PREFACE => State::Off,
            State::Start => {
                self.head = Head::default();
                State::HeaderLine
            }
            State::HeaderLine if !text.is_empty() => {
                self.take_header(line);
                State::HeaderLine
            }
            State::HeaderLine => self.end_of_head(),
            State::ChunkSize => self.take_chunk_size(line),
            State::Trailer if text.is_empty() => State::Start,
            State::Trailer => State::Trailer,
            State::Body(_) | State::Chunk(_) | State::Off => self.state,
        }
    }

    fn take_header(&mut self, line: &Line) {
        let text = line.text();
        let colon = text.iter().position(|b| *b == b':').unwrap_or(text.len());
        let (name, rest) = text.split_at(colon);
        let value = rest.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            self.head.content_lengths += 1;
            // A length that only shows after 100 blanks or zeros is meant to be misread.
            let length = number(value, 10).filter(|_| !line.is_cut);
            self.ambiguous |= length.is_none();
            self.head.content_length = length.unwrap_or_default();
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // A second coding line (`chunked` twice, `identity` after it) is as unclear as two lengths.
            self.ambiguous |= self.head.transfer_encoding;
            self.head.transfer_encoding = true;
            self.head.chunked = !line.is_cut && value.eq_ignore_ascii_case(b"chunked");
        }
    }

    fn end_of_head(&mut self) -> State {
        let head = &self.head;
        let both = head.transfer_encoding && head.content_lengths > 0;
        // Codings other than plain `chunked` are not implemented by hyper and end in doubt.
        let unknown_coding = head.transfer_encoding && !head.chunked;
        if both || unknown_coding || head.content_lengths > 1 {
            self.ambiguous = true;
        }
        match (self.ambiguous, head.chunked, head.content_length) {
            (true, _, _) => State::Off,
            (false, true, _) => State::ChunkSize,
            (false, false, 0) => State::Start,
            (false, false, length) => State::Body(length),
        }
    }

    fn take_chunk_size(&mut self, line: &Line) -> State {
        let text = line.text();
        let end = text.iter().position(|b| *b == b';');
        let size = text
            .get(..end.unwrap_or(text.len()))
            .unwrap_or_default()
            .trim_ascii_end();
        let is_clear = (!line.is_cut || end.is_some()) && !line.has_control;
        match number(size, 16).filter(|_| is_clear) {
            Some(0) => State::Trailer,
            // hyper insists on CR LF after the data.
            Some(size) => State::Chunk(size.saturating_add(2)),
            None => {
                self.ambiguous = true;
                State::Off
            }
        }
    }
}

impl Line {
    fn push(&mut self, part: &[u8]) {
        self.last = part.last().copied().or(self.last);
        let room = LINE_KEPT_MAX.saturating_sub(self.bytes.len());
        self.is_cut |= part.len() > room;
        self.bytes
            .extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
    }

    /// The kept part without the CR of its line end.
    fn text(&self) -> &[u8] {
        self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes)
    }
}

/// Digits only: no sign, no white space, no underscore.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests;
