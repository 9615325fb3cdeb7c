//! What the first bytes of a file say that it is, held against what its sender says. Pure.
//!
//! Only kinds that have a signature are told apart. What is said to be one of them must begin like it;
//! what begins like one of them is not said to be of another kind.

/// As many bytes as any signature here needs.
pub const SNIFFED_BYTES: usize = 512;

/// What content is, where nobody says and nothing shows.
pub const UNKNOWN: &str = "application/octet-stream";

/// Where a signature begins, its bytes, and what it means.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBPVP", "image/webp"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"OggS", "application/ogg"),
    (8, b"WAVEfmt", "audio/wav"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"\0asm", "application/wasm"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ\x90\0", "application/x-msdownload"),
];

/// Kinds with a signature whose files also go under other names: archives and containers.
const CONTAINERS: &[&str] = &[
    "application/zip",
    "application/gzip",
    "application/ogg",
    "video/mp4",
    "video/webm",
    "audio/wav",
];

/// Kinds that a browser may show in place: none of them runs anything.
const INLINE: &[&str] = &[
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "video/mp4",
    "video/webm",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "text/plain",
];

/// What the content begins like; none where nothing shows.
pub fn kind(head: &[u8]) -> Option<&'static str> {
    let begins = |(at, signature, _): &&(usize, &[u8], &str)| {
        head.get(*at..)
            .is_some_and(|rest| rest.starts_with(signature))
    };
    let found = SIGNATURES.iter().find(begins);
    found.map(|(_, _, kind)| *kind)
}

/// What a file is: what its sender says, if it begins like that.
///
/// # Errors
/// What it begins like in place of what is said; none for nothing that is known.
pub fn settle(declared: Option<&str>, head: &[u8]) -> Result<String, Option<&'static str>> {
    let found = kind(head);
    let Some(declared) = declared else {
        return Ok(found.unwrap_or(UNKNOWN).to_owned());
    };
    let said = essence(declared);
    let has_signature = SIGNATURES.iter().any(|(_, _, kind)| *kind == said);
    let fits = match found {
        Some(found) if found == said || said == UNKNOWN => true,
        // An office document is a zip, a film may be sound alone: what has a signature of its own, or is
        // text, is none of these.
        Some(found) => CONTAINERS.contains(&found) && !has_signature && !is_text(&said),
        // No content begins like nothing.
        None => !has_signature || head.is_empty(),
    };
    match fits {
        true => Ok(declared.to_owned()),
        false => Err(found),
    }
}

/// Whether a browser may show content of that type in place.
pub fn is_inline(mime_type: &str) -> bool {
    INLINE.contains(&essence(mime_type).as_str())
}

/// Whether a type is one line of the form `type/subtype`, with or without parameters.
pub fn is_type(text: &str) -> bool {
    const BYTES_MAX: usize = 255;
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    let mut parts = text.splitn(2, ';');
    let halves = parts
        .next()
        .and_then(|essence| essence.trim_end().split_once('/'));
    let rest = parts.next().unwrap_or_default();
    text.len() <= BYTES_MAX
        && halves.is_some_and(|(of, sub)| token(of) && token(sub))
        && rest.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// Whether a type is one of a list such as `image/*, text/plain`; an empty list allows all.
pub fn is_allowed(mime_type: &str, allowed: &[String]) -> bool {
    let said = essence(mime_type);
    let of = said.split('/').next().unwrap_or_default();
    allowed.is_empty()
        || allowed.iter().any(|one| match one.strip_suffix("/*") {
            Some(family) => family.eq_ignore_ascii_case(of),
            None => one.eq_ignore_ascii_case(&said),
        })
}

/// The type without its parameters, in lower case.
fn essence(mime_type: &str) -> String {
    let essence = mime_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn is_text(essence: &str) -> bool {
    essence.starts_with("text/") || essence == "application/json"
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0";
    const HTML: &[u8] = b"<!doctype html><script>";
    const ZIP: &[u8] = b"PK\x03\x04\x14";

    #[test]
    fn what_is_said_must_fit_what_is_there() {
        let check = |declared: Option<&str>, head: &[u8], expected: Result<&str, Option<&str>>| {
            let got = settle(declared, head);
            assert_eq!(
                got.as_deref().map_err(|found| *found),
                expected,
                "{declared:?}"
            );
        };
        check(None, PNG, Ok("image/png"));
        check(None, HTML, Ok(UNKNOWN));
        check(Some("image/png"), PNG, Ok("image/png"));
        check(Some("Image/PNG"), PNG, Ok("Image/PNG"));
        check(Some("image/png"), HTML, Err(None));
        check(Some("image/png"), b"", Ok("image/png"));
        check(Some("image/jpeg"), PNG, Err(Some("image/png")));
        check(Some("text/plain"), PNG, Err(Some("image/png")));
        check(Some("text/plain"), ZIP, Err(Some("application/zip")));
        check(Some(UNKNOWN), PNG, Ok(UNKNOWN));
        check(
            Some("text/html; charset=utf-8"),
            HTML,
            Ok("text/html; charset=utf-8"),
        );
        check(
            Some("application/vnd.oasis.opendocument.text"),
            ZIP,
            Ok("application/vnd.oasis.opendocument.text"),
        );
        check(
            Some("video/quicktime"),
            b"\0\0\0\x20ftypqt  ",
            Ok("video/quicktime"),
        );
        check(
            Some("application/pdf"),
            b"\x7fELF",
            Err(Some("application/x-executable")),
        );
    }

    #[test]
    fn what_could_run_is_never_shown_in_place() {
        for kind in [
            "image/png",
            "IMAGE/PNG",
            "text/plain; charset=utf-8",
            "video/mp4",
        ] {
            assert!(is_inline(kind), "{kind}");
        }
        for kind in [
            "text/html",
            "image/svg+xml",
            "application/pdf",
            "application/xml",
            "text/javascript",
            "",
            "x",
        ] {
            assert!(!is_inline(kind), "{kind}");
        }
    }

    #[test]
    fn a_type_is_one_plain_line() {
        for good in [
            "image/png",
            "text/plain; charset=utf-8",
            "application/vnd.a+b",
        ] {
            assert!(is_type(good), "{good}");
        }
        for bad in [
            "",
            "image",
            "image/",
            "/png",
            "a/b\r\nset-cookie: x",
            "a b/c",
            "a/b;\u{e9}",
        ] {
            assert!(!is_type(bad), "{bad}");
        }
    }

    #[test]
    fn a_list_allows_kinds_and_families() {
        let list = ["image/*".to_owned(), "text/plain".to_owned()];
        for (kind, good) in [
            ("image/png", true),
            ("text/plain; charset=utf-8", true),
            ("text/html", false),
            ("imagex/png", false),
        ] {
            assert_eq!(is_allowed(kind, &list), good, "{kind}");
        }
        assert!(is_allowed("anything/else", &[]));
    }
}
