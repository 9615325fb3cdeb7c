//! What the headers of a request ask of a file: preconditions and parts, as RFC 9110 has them. Pure.

use http::HeaderName;
use http::header::{CONTENT_TYPE, HeaderMap, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use koyalite_host_api::HostError;
use koyalite_host_api::files::{FileInfo, Part, Precondition};

use super::quoted;
use crate::gateway::error::GatewayError;

/// What curl sends where nobody says: nothing is known by it.
const FORM: &str = "application/x-www-form-urlencoded";

/// The conditions of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    if_range: Option<String>,
    range: Option<Part>,
}

/// A list of ETags.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    Any,
    /// Those that are strong, with their quotation marks; what is weak stands for the same content here.
    These(Vec<String>),
}

impl Tags {
    fn hold(&self, file: &FileInfo) -> bool {
        match self {
            Tags::Any => true,
            Tags::These(tags) => tags.contains(&quoted(file)),
        }
    }
}

impl Conditions {
    /// Reads them.
    pub(super) fn of(headers: &HeaderMap) -> Result<Conditions, GatewayError> {
        Ok(Conditions {
            if_match: tags(headers, &IF_MATCH)?,
            if_none_match: tags(headers, &IF_NONE_MATCH)?,
            if_range: text(headers, &IF_RANGE).map(str::to_owned),
            range: text(headers, &RANGE).and_then(part),
        })
    }

    /// Whether the file is one that is meant.
    pub(super) fn may_read(&self, file: &FileInfo) -> bool {
        self.if_match.as_ref().is_none_or(|tags| tags.hold(file))
    }

    /// Whether the caller has it already.
    pub(super) fn has_it(&self, file: &FileInfo) -> bool {
        self.if_none_match
            .as_ref()
            .is_some_and(|tags| tags.hold(file))
    }

    /// The part that is meant; none: all of it.
    pub(super) fn part(&self, file: &FileInfo) -> Option<Part> {
        let same = self
            .if_range
            .as_ref()
            .is_none_or(|tag| *tag == quoted(file));
        self.range.filter(|_| same)
    }

    /// The part that is asked for, of whichever version.
    pub(super) fn asked(&self) -> Option<Part> {
        self.range
    }

    /// What must be there for a write.
    pub(super) fn of_write(&self) -> Result<Precondition, GatewayError> {
        let bare = |tag: &String| tag.trim_matches('"').to_owned();
        match (&self.if_match, &self.if_none_match) {
            (None, None) => Ok(Precondition::Anything),
            (Some(Tags::Any), None) => Ok(Precondition::Something),
            (Some(Tags::These(tags)), None) => {
                Ok(Precondition::OneOf(tags.iter().map(bare).collect()))
            }
            (None, Some(Tags::Any)) => Ok(Precondition::Nothing),
            (None, Some(Tags::These(_))) | (Some(_), Some(_)) => Err(GatewayError::BadQuery(
                "a write takes if-match with ETags, or if-none-match: *",
            )),
        }
    }
}

/// The media type that a request says its body has; none where it says nothing of the kind.
pub(super) fn media_type(headers: &HeaderMap) -> Result<Option<String>, GatewayError> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| HostError::invalid_type())?;
    Ok((!text.eq_ignore_ascii_case(FORM)).then(|| text.to_owned()))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, GatewayError> {
    let wrong = GatewayError::BadQuery("write ETags in quotation marks, as \"abc\", or *");
    let mut found: Option<Vec<String>> = None;
    for value in headers.get_all(name) {
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Some(Tags::Any));
        }
        for tag in text.split(',') {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            if tag.len() < 2 || !tag.starts_with('"') || !tag.ends_with('"') {
                return Err(wrong);
            }
            found.get_or_insert_default().push(tag.to_owned());
        }
    }
    Ok(found.map(Tags::These))
}

/// One part. Several, other units, and what cannot be read are passed over, as RFC 9110 allows: the answer
/// is the whole then.
fn part(text: &str) -> Option<Part> {
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    match (first, last) {
        ("", last) => Some(Part::Last(number(last)?)),
        (first, "") => Some(Part::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| Part::From(first, Some(last.saturating_add(1))))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_part_of_bytes_is_read_and_all_else_passed_over() {
        let check = |text: &str, expected: Option<Part>| assert_eq!(part(text), expected, "{text}");
        check("bytes=0-0", Some(Part::From(0, Some(1))));
        check("Bytes = 5-", Some(Part::From(5, None)));
        check("bytes=5-", Some(Part::From(5, None)));
        check("bytes=-5", Some(Part::Last(5)));
        check("bytes=5-4", None);
        check("bytes=0-1,3-4", None);
        check("lines=0-1", None);
        check("bytes=", None);
        check("bytes=-", None);
        check("bytes=+1-2", None);
        check("bytes=99999999999999999999-", None);
        check(
            "bytes=0-18446744073709551615",
            Some(Part::From(0, Some(u64::MAX))),
        );
    }

    fn conditions(headers: &[(HeaderName, &str)]) -> Result<Conditions, GatewayError> {
        let pairs = headers.iter();
        let map = pairs.map(|(name, text)| (name.clone(), HeaderValue::from_str(text).unwrap()));
        Conditions::of(&map.collect())
    }

    #[test]
    fn a_write_asks_for_something_nothing_or_a_version() {
        let check = |headers: &[(HeaderName, &str)], expected: Option<Precondition>| {
            let got = conditions(headers).and_then(|read| read.of_write()).ok();
            assert_eq!(got, expected, "{headers:?}");
        };
        check(&[], Some(Precondition::Anything));
        check(&[(IF_MATCH, "*")], Some(Precondition::Something));
        check(&[(IF_NONE_MATCH, "*")], Some(Precondition::Nothing));
        let two = Precondition::OneOf(vec!["a".to_owned(), "b".to_owned()]);
        check(&[(IF_MATCH, "\"a\", W/\"b\"")], Some(two));
        check(&[(IF_MATCH, "a")], None);
        check(&[(IF_MATCH, "\"")], None);
        check(&[(IF_NONE_MATCH, "\"a\"")], None);
        check(&[(IF_MATCH, "*"), (IF_NONE_MATCH, "*")], None);
    }

    proptest! {
        #[test]
        fn any_range_is_read_without_a_panic(text in "(bytes=)?[-0-9, =]{0,40}", size in 0_u64..100) {
            if let Some(Ok(range)) = part(&text).map(|part| part.of(size)) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
