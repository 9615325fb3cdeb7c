//! The fields of one object, taken one by one. What is left when the known ones were taken is
//! unknown and named. Pure; knows nothing of manifests but what a path is.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use crate::registry::error::Mistake;

/// Paths are compared on every request.
const PATH_BYTES_MAX: usize = 256;

/// The fields of one object, taken one by one.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Json>,
    at: String,
    known: BTreeSet<&'static str>,
    pub(super) mistakes: &'a mut Vec<Mistake>,
}

/// Says that a value could not be read, in the place of the value.
pub(super) struct Wrong;

impl Wrong {
    pub(super) fn none<T>(self) -> Option<T> {
        None
    }
}

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Json, at: &str, mistakes: &'a mut Vec<Mistake>) -> Option<Self> {
        match value {
            Json::Object(map) => Some(Self {
                map,
                at: at.to_owned(),
                known: BTreeSet::new(),
                mistakes,
            }),
            _ => {
                mistakes.push(Mistake::new(at, "write a table of fields"));
                None
            }
        }
    }

    pub(super) fn name(&self, field: &str) -> String {
        match (self.at.is_empty(), field.is_empty()) {
            (true, _) => field.to_owned(),
            (false, true) => self.at.clone(),
            (false, false) => format!("{}.{field}", self.at),
        }
    }

    pub(super) fn wrong(&mut self, field: &str, message: impl std::fmt::Display) -> Wrong {
        let name = self.name(field);
        self.mistakes.push(Mistake::new(name, message));
        Wrong
    }

    pub(super) fn take(&mut self, field: &'static str) -> Option<&'a Json> {
        self.known.insert(field);
        self.map.get(field)
    }

    pub(super) fn rest(&mut self) -> Vec<(&'a String, &'a Json)> {
        self.map.iter().collect()
    }

    pub(super) fn text(&mut self, field: &'static str) -> Option<&'a str> {
        match self.take(field) {
            None => None,
            Some(Json::String(text)) => Some(text),
            Some(_) => self.wrong(field, "write text, in quotes").none(),
        }
    }

    /// A whole number from 1 to the operator's cap.
    pub(super) fn whole(&mut self, field: &'static str, usual: u64, cap: u64) -> u64 {
        match self.take(field).map(Json::as_u64) {
            None => usual,
            Some(Some(number)) if (1..=cap).contains(&number) => number,
            Some(_) => {
                self.wrong(field, format!("write a whole number from 1 to {cap}"));
                usual
            }
        }
    }

    /// The same, where nothing is usual.
    pub(super) fn perhaps_whole(&mut self, field: &'static str, cap: u64) -> Option<u64> {
        let is_said = self.take(field).is_some();
        is_said.then(|| self.whole(field, 1, cap))
    }

    /// A whole number from 0, which it is where nothing is said.
    pub(super) fn count(&mut self, field: &'static str, most: u64) -> u64 {
        match self.take(field).map(Json::as_u64) {
            None => 0,
            Some(Some(number)) if number <= most => number,
            Some(_) => {
                self.wrong(field, format!("write a whole number from 0 to {most}"));
                0
            }
        }
    }

    pub(super) fn word<T: Copy>(&mut self, field: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(field)?;
        let found = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.wrong(field, format!("write {}", all.join(" or ")));
        }
        found
    }

    /// A path as it is matched: absolute, plain segments, no end slash.
    pub(super) fn path(&mut self, field: &'static str) -> Option<String> {
        let text = self.text(field)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.bytes().all(plain);
        let rest = text
            .strip_prefix('/')
            .filter(|_| text.len() <= PATH_BYTES_MAX);
        let good = rest.is_some_and(|rest| rest.is_empty() || rest.split('/').all(segment));
        if !good {
            self.wrong(
                field,
                format!(
                    "write a path such as /orders or /api/v1: a slash before each part, parts of \
                 letters, digits, `-`, `_`, `.` and `~`, no slash at the end, at most \
                 {PATH_BYTES_MAX} bytes"
                ),
            );
        }
        good.then(|| text.to_owned())
    }

    pub(super) fn inner<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> Option<T> {
        let value = self.take(field)?;
        let at = self.name(field);
        let mut inner = Fields::of(value, &at, self.mistakes)?;
        Some(read(&mut inner))
    }

    /// Names every field that was not taken.
    pub(super) fn finish(&mut self) {
        for field in self
            .map
            .keys()
            .filter(|field| !self.known.contains(field.as_str()))
        {
            let known: Vec<&str> = self.known.iter().copied().collect();
            let message = format!("unknown field; known are {}", known.join(", "));
            let name = self.name(field);
            self.mistakes.push(Mistake::new(name, message));
        }
    }
}
