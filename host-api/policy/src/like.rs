//! `LIKE` patterns: `%` any run of characters, `_` one character, `\` takes the next as it is.
//!
//! Matching never takes more than pattern length × text length steps, whatever the two are.

/// Whether the pattern is well formed. Postgres raises an error at run time for one that ends in
/// its escape character; we refuse it when it is written.
pub(crate) fn is_valid(pattern: &str) -> bool {
    let trailing = pattern.chars().rev().take_while(|c| *c == '\\').count();
    trailing % 2 == 0
}

#[derive(Clone, Copy, PartialEq)]
enum Piece {
    Run,
    One,
    Exactly(char),
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut chars = pattern.chars();
    let mut pieces = Vec::new();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '%' => Piece::Run,
            '_' => Piece::One,
            '\\' => Piece::Exactly(chars.next().unwrap_or('\\')),
            c => Piece::Exactly(c),
        });
    }
    pieces
}

/// Whether the whole text matches the pattern.
pub(crate) fn matches(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pieces = pieces(pattern);
    let (mut at, mut piece) = (0, 0);
    // Where to go on after a mismatch: behind the last run seen, and how far that has reached. An
    // earlier run never needs to be tried again, because the last one can take over its share.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(found) = text.get(at) {
        match pieces.get(piece) {
            Some(Piece::Run) => {
                piece += 1;
                retry = Some((piece, at));
                continue;
            }
            Some(Piece::One) => {}
            Some(Piece::Exactly(c)) if c == found => {}
            _ => {
                let Some((behind, reach)) = &mut retry else {
                    return false;
                };
                *reach += 1;
                (at, piece) = (*reach, *behind);
                continue;
            }
        }
        at += 1;
        piece += 1;
    }
    pieces
        .get(piece..)
        .is_some_and(|rest| rest.iter().all(|piece| *piece == Piece::Run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_as_in_postgres() {
        let check = |text, pattern, expected| {
            assert_eq!(
                matches(text, pattern),
                expected,
                "{text:?} like {pattern:?}"
            );
        };
        check("", "", true);
        check("", "%", true);
        check("", "_", false);
        check("abc", "a%", true);
        check("abc", "%b%", true);
        check("abc", "a_c", true);
        check("abc", "ab", false);
        check("ab", "abc", false);
        check("aXbXc", "a%X%c", true);
        check("mississippi", "%iss%ip%", true);
        check("mississippi", "m%iss%iss%iss%", false);
        check("50%", r"50\%", true);
        check("500", r"50\%", false);
        check(r"a\b", r"a\\b", true);
        check("é", "_", true);
        check("a\nb", "a%b", true);
        assert!(is_valid(r"a\\") && !is_valid("a\\") && !is_valid("\\"));
    }

    /// The definition, without care for time.
    fn slowly(text: &[char], pieces: &[Piece]) -> bool {
        match pieces.split_first() {
            None => text.is_empty(),
            Some((Piece::Run, rest)) => (0..=text.len()).any(|skip| slowly(&text[skip..], rest)),
            Some((Piece::One, rest)) => !text.is_empty() && slowly(&text[1..], rest),
            Some((Piece::Exactly(c), rest)) => text.first() == Some(c) && slowly(&text[1..], rest),
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_its_definition(text in "[ab]{0,8}", pattern in "[ab%_]{0,8}") {
            let chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(matches(&text, &pattern), slowly(&chars, &pieces(&pattern)));
        }
    }
}
