//! What a file may be called: text to a path that means the same to every reader, or the reason why not.
//!
//! A path is kept in Unicode's composed form (NFC), so that two spellings of one word are one file. It
//! names no place in any file system: content lies under keys of its own. Pure.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization as _;

use crate::limits::{FILE_PATH_BYTES, FILE_SEGMENT_BYTES};

/// Where the host keeps its own; also what no file of a project is called.
pub const RESERVED: &str = ".koyalite";

/// Names that mean a device on some machines, with any ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The same, with a digit.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// A file's path: segments joined by `/`, none in front.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

/// Why a text is no path, and what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No text at all.
    #[error("a path has at least one character, as in avatars/ann.png")]
    Empty,
    /// `/a`
    #[error("a path begins with a name; leave out the slash in front")]
    Absolute,
    /// `a//b`, `a/`
    #[error("a path has a name between any two slashes, and none at its end")]
    EmptySegment,
    /// `.` or `..`
    #[error("a path has no segments . or ..; write the path that they lead to")]
    DotSegment,
    /// `\`
    #[error("a path has slashes, no backslashes")]
    Backslash,
    /// Control characters, characters that turn the direction of writing, and no characters at all.
    #[error("a path has no invisible character such as U+{0:04X}")]
    Invisible(u32),
    /// A name that somebody else would read as something else.
    #[error("{0:?} is a reserved name; choose another")]
    Reserved(String),
    /// `a.` or `a `
    #[error("{0:?} ends in a dot or a space, which some machines leave out; so leave it out")]
    Trailing(String),
    /// Longer than a URL likes.
    #[error("a path has at most {FILE_PATH_BYTES} bytes")]
    TooLong,
    /// Longer than a file system likes.
    #[error("each name in a path has at most {FILE_SEGMENT_BYTES} bytes")]
    SegmentTooLong,
}

impl FilePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first segment where there are several, else nothing: what policies call `folder`.
    pub fn folder(&self) -> &str {
        self.0.split_once('/').map_or("", |(folder, _)| folder)
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// In lower case: two files of a project differ in more than that.
    pub fn folded(&self) -> String {
        self.0.to_lowercase().nfc().collect()
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FilePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<FilePath, PathError> {
        // Composing shortens, so this bounds the work and is never too strict by more than that.
        if text.len() > 3 * FILE_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        let path: String = text.nfc().collect();
        check_whole(&path)?;
        path.split('/').try_for_each(check_segment)?;
        Ok(FilePath(path))
    }
}

/// What paths begin with, for lists: checked for what a path may never hold, and otherwise free.
///
/// # Errors
/// See [`PathError`].
pub fn prefix(text: &str) -> Result<String, PathError> {
    if text.len() > 3 * FILE_PATH_BYTES {
        return Err(PathError::TooLong);
    }
    let prefix: String = text.nfc().collect();
    match prefix.is_empty() {
        true => Ok(prefix),
        false => check_whole(&prefix).map(|()| prefix),
    }
}

fn check_whole(path: &str) -> Result<(), PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if path.len() > FILE_PATH_BYTES {
        return Err(PathError::TooLong);
    }
    if path.starts_with('/') {
        return Err(PathError::Absolute);
    }
    if path.contains('\\') {
        return Err(PathError::Backslash);
    }
    match path.chars().find(|c| is_invisible(*c)) {
        Some(c) => Err(PathError::Invisible(c.into())),
        None => Ok(()),
    }
}

fn check_segment(segment: &str) -> Result<(), PathError> {
    match segment {
        "" => return Err(PathError::EmptySegment),
        "." | ".." => return Err(PathError::DotSegment),
        _ => {}
    }
    if segment.len() > FILE_SEGMENT_BYTES {
        return Err(PathError::SegmentTooLong);
    }
    if is_reserved(segment) {
        return Err(PathError::Reserved(segment.to_owned()));
    }
    match segment.ends_with(['.', ' ']) || segment.starts_with(' ') {
        true => Err(PathError::Trailing(segment.to_owned())),
        false => Ok(()),
    }
}

/// What is not seen, and what makes something else be seen.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(u32::from(c) & 0xffff, 0xfffe | 0xffff)
}

fn is_reserved(segment: &str) -> bool {
    let lower = segment.to_lowercase();
    let stem = lower.split('.').next().unwrap_or_default();
    let numbered = |word: &&str| {
        let digit = stem.strip_prefix(*word);
        digit.is_some_and(|digit| matches!(digit.as_bytes(), [b'0'..=b'9']))
    };
    lower.starts_with(RESERVED)
        || DEVICES.contains(&stem)
        || NUMBERED_DEVICES.iter().any(|word| numbered(&word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<&str, PathError>) {
        let got = text.parse::<FilePath>();
        let got = got.as_ref().map(FilePath::as_str).map_err(Clone::clone);
        assert_eq!(got, expected, "{text:?}");
    }

    #[test]
    fn a_path_is_names_joined_by_slashes() {
        check("a", Ok("a"));
        check("avatars/ann.png", Ok("avatars/ann.png"));
        check("a b/ü/日本/…", Ok("a b/ü/日本/…"));
        check(".hidden/..a", Ok(".hidden/..a"));
        check("control/community", Ok("control/community"));
        check("com/lpt/com10", Ok("com/lpt/com10"));
    }

    #[test]
    fn two_spellings_are_one_file() {
        check("u\u{308}ber", Ok("\u{fc}ber"));
        check("\u{212b}", Ok("\u{c5}"));
        let folded = |text: &str| text.parse::<FilePath>().unwrap().folded();
        assert_eq!(folded("ÜBER.PNG"), folded("u\u{308}ber.png"));
        assert_ne!(folded("a.png"), folded("b.png"));
    }

    #[test]
    fn each_reason_is_its_own() {
        use PathError::*;
        check("", Err(Empty));
        check("/a", Err(Absolute));
        check("a//b", Err(EmptySegment));
        check("a/", Err(EmptySegment));
        check("a/../b", Err(DotSegment));
        check("..", Err(DotSegment));
        check("./a", Err(DotSegment));
        check("a\\b", Err(Backslash));
        check("a\0", Err(Invisible(0)));
        check("a\nb", Err(Invisible(10)));
        check("gnp.\u{202e}exe", Err(Invisible(0x202e)));
        check("\u{feff}a", Err(Invisible(0xfeff)));
        check("a\u{10ffff}", Err(Invisible(0x10_ffff)));
        for name in [
            ".koyalite",
            ".Koyalite-x",
            "CON",
            "nul.txt",
            "Com1",
            "lpt9.a.b",
        ] {
            check(&format!("a/{name}"), Err(Reserved(name.to_owned())));
        }
        check("a.", Err(Trailing("a.".to_owned())));
        check("a/b ", Err(Trailing("b ".to_owned())));
        check("a/ b", Err(Trailing(" b".to_owned())));
        check(&"a/".repeat(FILE_PATH_BYTES), Err(TooLong));
        check(&"a".repeat(FILE_SEGMENT_BYTES + 1), Err(SegmentTooLong));
        check(
            &"a".repeat(FILE_SEGMENT_BYTES),
            Ok(&"a".repeat(FILE_SEGMENT_BYTES)),
        );
    }

    #[test]
    fn a_prefix_may_end_anywhere_but_holds_what_a_path_may_hold() {
        assert_eq!(prefix(""), Ok(String::new()));
        assert_eq!(prefix("avatars/"), Ok("avatars/".to_owned()));
        assert_eq!(prefix("a\0"), Err(PathError::Invisible(0)));
        assert_eq!(prefix("/"), Err(PathError::Absolute));
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_in_one_form_or_none(text in any::<String>()) {
            if let Ok(path) = text.parse::<FilePath>() {
                prop_assert_eq!(path.as_str().parse::<FilePath>(), Ok(path.clone()));
                prop_assert!(path.as_str().len() <= FILE_PATH_BYTES);
                prop_assert!(path.as_str().split('/').all(|s| !s.is_empty() && s != "." && s != ".."));
            }
        }

        #[test]
        fn what_looks_like_a_path_is_read_without_a_panic(text in "[a-cA-C./\\\\ \u{300}\u{202e}]{0,24}") {
            if let Ok(path) = text.parse::<FilePath>() {
                prop_assert!(!path.name().is_empty());
                prop_assert!(path.as_str().starts_with(path.folder()));
            }
        }
    }
}
