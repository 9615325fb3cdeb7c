//! CSV text as records of fields: RFC 4180, lines ending in LF or CRLF, blank lines passed over.
//!
//! Pure. A field remembers whether it stood in quotes, which tells an empty text from no value.

use anyhow::{Context as _, bail};

/// One line, or several where a field in quotes goes over their ends.
#[derive(Debug)]
pub(super) struct Record {
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    pub(super) fields: Vec<Field>,
}

/// What stands between two commas.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) text: String,
    pub(super) quoted: bool,
}

/// All records, the header too.
pub(super) fn read(text: &str) -> anyhow::Result<Vec<Record>> {
    let mut reader = Reader {
        // Spreadsheets begin with a mark of the byte order.
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 1,
    };
    let mut records = Vec::new();
    while !reader.rest.is_empty() {
        let record = reader.record()?;
        let blank =
            matches!(record.fields.as_slice(), [only] if only.text.is_empty() && !only.quoted);
        if !blank {
            records.push(record);
        }
    }
    Ok(records)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn record(&mut self) -> anyhow::Result<Record> {
        let (line, mut fields) = (self.line, Vec::new());
        loop {
            fields.push(self.field()?);
            if !self.goes_on()? {
                return Ok(Record { line, fields });
            }
        }
    }

    fn field(&mut self) -> anyhow::Result<Field> {
        if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            return self.quoted();
        }
        let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        let text = match rest.starts_with(',') {
            true => text,
            false => text.strip_suffix('\r').unwrap_or(text),
        };
        Ok(Field {
            text: text.to_owned(),
            quoted: false,
        })
    }

    /// The rest of a field whose opening quote is read.
    fn quoted(&mut self) -> anyhow::Result<Field> {
        let (opened, mut text) = (self.line, String::new());
        loop {
            let (piece, rest) = self
                .rest
                .split_once('"')
                .with_context(|| format!("line {opened}: a quote is never closed"))?;
            self.line += piece.matches('\n').count();
            self.rest = rest;
            text.push_str(piece);
            let Some(rest) = rest.strip_prefix('"') else {
                return Ok(Field { text, quoted: true });
            };
            text.push('"');
            self.rest = rest;
        }
    }

    /// Passes what follows a field; whether another one of the record comes.
    fn goes_on(&mut self) -> anyhow::Result<bool> {
        if let Some(rest) = self.rest.strip_prefix(',') {
            self.rest = rest;
            return Ok(true);
        }
        let line_end = self.rest.strip_prefix('\n');
        if let Some(rest) = line_end.or_else(|| self.rest.strip_prefix("\r\n")) {
            self.rest = rest;
            self.line += 1;
        } else if !self.rest.is_empty() {
            bail!(
                "line {}: text after a closing quote; a quote within quotes is written twice",
                self.line
            );
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(usize, &[&str])]) {
        let records = read(text).unwrap();
        let shown: Vec<(usize, Vec<String>)> = records
            .iter()
            .map(|record| {
                let field = |field: &Field| match field.quoted {
                    true => format!("<{}>", field.text),
                    false => field.text.clone(),
                };
                (record.line, record.fields.iter().map(field).collect())
            })
            .collect();
        let expected: Vec<(usize, Vec<String>)> = expected
            .iter()
            .map(|(line, fields)| (*line, fields.iter().map(|&f| f.to_owned()).collect()))
            .collect();
        assert_eq!(shown, expected, "{text:?}");
    }

    #[test]
    fn fields_keep_their_text_and_whether_they_were_quoted() {
        check("", &[]);
        check("a,b\n1,2\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("\u{feff}a\r\n1\r\n", &[(1, &["a"]), (2, &["1"])]);
        check("a,,\"\"", &[(1, &["a", "", "<>"])]);
        check("a,\n\n \nb", &[(1, &["a", ""]), (3, &[" "]), (4, &["b"])]);
        check("\"a,\"\"b\"\"\"\r\n", &[(1, &["<a,\"b\">"])]);
        check(
            "\"one\ntwo\",x\nnext",
            &[(1, &["<one\ntwo>", "x"]), (3, &["next"])],
        );
        check("5\" disk,é", &[(1, &["5\" disk", "é"])]);
    }

    #[test]
    fn a_quote_that_goes_wrong_is_told_with_its_line() {
        let check = |text: &str, said: &str| {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        };
        check("a\n\"b\nc", "line 2: a quote is never closed");
        check("a\n\"b\"c", "line 2: text after a closing quote");
    }
}
