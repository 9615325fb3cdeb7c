//! Just enough of HTTP to call a function on this machine: one request, one answer, one connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail};

/// The longest that a function may take to begin its answer, and a little.
const PATIENCE: Duration = Duration::from_secs(35);

/// What is called, and as whom.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) json: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// A GET as nobody.
    pub(crate) fn get(url: &'a str) -> Self {
        Self {
            method: "GET",
            url,
            token: None,
            json: None,
        }
    }

    /// The same as somebody.
    pub(crate) fn bearer(self, token: &'a str) -> Self {
        Self {
            token: Some(token),
            ..self
        }
    }

    /// The same as a POST of this JSON.
    pub(crate) fn post(self, json: &'a str) -> Self {
        Self {
            method: "POST",
            json: Some(json),
            ..self
        }
    }

    /// Sends it.
    ///
    /// # Errors
    /// Where nobody answers, or not in HTTP.
    pub(crate) fn send(self) -> anyhow::Result<Answer> {
        let rest = self
            .url
            .strip_prefix("http://")
            .context("only http:// is spoken here")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut stream = TcpStream::connect(authority)
            .with_context(|| format!("nobody listens at {authority}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = self.json.unwrap_or_default();
        let mut head = format!("{} /{path} HTTP/1.1\r\nhost: {authority}\r\n", self.method);
        head.push_str("connection: close\r\n");
        if let Some(token) = self.token {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        if self.json.is_some() {
            let length = body.len();
            head.push_str(&format!(
                "content-type: application/json\r\ncontent-length: {length}\r\n"
            ));
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
        let mut answer = Vec::new();
        stream
            .read_to_end(&mut answer)
            .with_context(|| format!("no whole answer from {}", self.url))?;
        parse(&String::from_utf8_lossy(&answer))
    }
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

fn parse(text: &str) -> anyhow::Result<Answer> {
    let (head, body) = text
        .split_once("\r\n\r\n")
        .context("the answer is not HTTP")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.context("the answer has no status")?;
    let chunked = head
        .to_ascii_lowercase()
        .contains("\r\ntransfer-encoding: chunked");
    let body = if chunked {
        join_chunks(body)?
    } else {
        body.to_owned()
    };
    Ok(Answer { status, body })
}

fn join_chunks(mut rest: &str) -> anyhow::Result<String> {
    let mut whole = String::new();
    loop {
        let (length, after) = rest
            .split_once("\r\n")
            .context("a chunk without a length")?;
        let length = usize::from_str_radix(length.trim(), 16).context("a chunk's length")?;
        let Some(chunk) = after.get(..length) else {
            bail!("the answer broke off");
        };
        if length == 0 {
            return Ok(whole);
        }
        whole.push_str(chunk);
        let after = after.get(length..).unwrap_or_default();
        rest = after
            .strip_prefix("\r\n")
            .context("a chunk is longer than it says")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_in_one_piece_or_in_chunks() {
        let check = |text, body: &str| assert_eq!(parse(text).unwrap().body, body);
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "hi");
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n all\r\n0\r\n\r\n";
        assert!(parse(chunks).is_err(), "a chunk longer than it says");
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n4\r\n all\r\n0\r\n\r\n";
        check(chunks, "hi all");
        assert!(parse("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhi").is_err());
        assert_eq!(parse("HTTP/1.1 403 No\r\n\r\n").unwrap().status, 403);
        assert!(parse("hello").is_err());
    }
}
