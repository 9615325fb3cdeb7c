//! An HTTP/1.1 answer from its bytes: what hyper's client would not show, such as one that breaks off.

/// One answer.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) trailers: Vec<(String, String)>,
    /// It broke off before its end.
    pub(crate) is_cut: bool,
}

impl Message {
    /// The first answer in these bytes that is not an interim one.
    pub(crate) fn read(bytes: &[u8]) -> Message {
        let text = String::from_utf8_lossy(bytes);
        let Some((head, rest)) = text.split_once("\r\n\r\n") else {
            return Message::default();
        };
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status
            .and_then(|code| code.parse().ok())
            .unwrap_or_default();
        if (100..200).contains(&status) {
            return Message::read(rest.as_bytes());
        }
        let mut message = Message {
            status,
            headers: fields(lines),
            ..Message::default()
        };
        message.read_body(rest);
        message
    }

    fn read_body(&mut self, rest: &str) {
        if self.header("transfer-encoding") == "chunked" {
            self.is_cut = self.read_chunks(rest).is_none();
            return;
        }
        rest.clone_into(&mut self.body);
        if let Ok(length) = self.header("content-length").parse::<usize>() {
            self.is_cut = rest.len() < length;
        }
    }

    /// None where the last chunk is missing.
    fn read_chunks(&mut self, mut rest: &str) -> Option<()> {
        loop {
            let (size, after) = rest.split_once("\r\n")?;
            let size = usize::from_str_radix(size, 16).ok()?;
            if size == 0 {
                let trailers = after.strip_suffix("\r\n")?;
                self.trailers = fields(trailers.lines());
                return Some(());
            }
            self.body.push_str(after.get(..size)?);
            rest = after.get(size..)?.strip_prefix("\r\n")?;
        }
    }

    /// All values of a header, with commas between them.
    pub(crate) fn header(&self, name: &str) -> String {
        let named = self.headers.iter().filter(|(other, _)| other == name);
        named
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>()
            .join(",")
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other == name)
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let pairs = lines.filter_map(|line| line.split_once(':'));
    pairs
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect()
}
