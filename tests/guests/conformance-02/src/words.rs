//! What a row of the table asks of a guest: an action, the path's first segment, and words for it, the
//! query's pairs in their order. Both guests read them alike.

/// An action and its words.
pub struct Words {
    pub action: String,
    pairs: Vec<(String, Vec<u8>)>,
}

impl Words {
    /// Reads `/action?word=value&word=value`.
    pub fn read(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let action = path.trim_start_matches('/').split('/').next();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self {
            action: action.unwrap_or_default().to_owned(),
            pairs: pairs.map(pair).collect(),
        }
    }

    /// All words, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let pairs = self.pairs.iter();
        pairs.map(|(word, value)| (word.as_str(), value.as_slice()))
    }

    /// The value of a word, as text.
    pub fn get(&self, word: &str) -> Option<String> {
        self.all(word).next().map(text)
    }

    /// The value of a word, as a number.
    pub fn number(&self, word: &str) -> Option<u64> {
        self.get(word)?.parse().ok()
    }

    /// All values of a word.
    pub fn all<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.iter().filter(move |(name, _)| *name == word);
        named.map(|(_, value)| value)
    }

    /// All values of a word, as `name:value`.
    pub fn fields(&self, word: &str) -> Vec<(String, Vec<u8>)> {
        self.all(word).map(cut).collect()
    }
}

fn pair(pair: &str) -> (String, Vec<u8>) {
    let (word, value) = pair.split_once('=').unwrap_or((pair, ""));
    (word.to_owned(), decode(value))
}

/// The part before the first colon, and the part after it.
pub fn cut(value: &[u8]) -> (String, Vec<u8>) {
    let mut parts = value.splitn(2, |byte| *byte == b':');
    let name = parts.next().unwrap_or_default();
    (text(name), parts.next().unwrap_or_default().to_owned())
}

/// Bytes as text; what is no text shows as such.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Values, as a row writes them down.
pub fn listed(values: &[Vec<u8>]) -> String {
    let values: Vec<String> = values
        .iter()
        .map(|v| v.escape_ascii().to_string())
        .collect();
    format!("[{}]", values.join(","))
}

/// Names and values, as a row writes them down.
pub fn entries(entries: &[(String, Vec<u8>)]) -> String {
    let one = |(name, value): &(String, Vec<u8>)| format!("{name}={}", value.escape_ascii());
    let all: Vec<String> = entries.iter().map(one).collect();
    format!("[{}]", all.join(","))
}

/// The name of a variant, as WIT has it: `ErrorCode::ConnectionRefused` is `connection-refused`.
pub fn name(variant: &impl std::fmt::Debug) -> String {
    let shown = format!("{variant:?}");
    let shown = shown
        .rsplit_once("::")
        .map_or(shown.as_str(), |(_, last)| last);
    let word = shown.split(['(', ' ', '{']).next().unwrap_or_default();
    let mut name = String::new();
    for letter in word.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

fn decode(value: &str) -> Vec<u8> {
    let mut bytes = value.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte.unwrap_or(b'0')).to_digit(16).unwrap_or(0);
        decoded.push(match byte {
            b'%' => (digit(bytes.next()) * 16 + digit(bytes.next())) as u8,
            byte => byte,
        });
    }
    decoded
}
