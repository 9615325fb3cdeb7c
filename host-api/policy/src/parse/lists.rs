//! `x in ((select auth.uid()), y)`: the parser takes what starts with `(select` for a subquery and
//! stumbles over the comma.
//!
//! The wrapping says nothing here, so it is taken off before the parser sees it: the first item
//! becomes `(auth.uid())`. Places of tokens stay what they were.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// The tokens without `select` (and without an alias) in the first of several items of a list.
pub(super) fn unwrap_first_items(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    // Where the tokens of the language stand; between them is white space.
    let words: Vec<usize> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| !matches!(token.token, Token::Whitespace(_)))
        .map(|(index, _)| index)
        .collect();
    let token = |word: usize| {
        let token = words.get(word).and_then(|index| tokens.get(*index));
        token.map_or(&Token::EOF, |token| &token.token)
    };
    let mut dropped = Vec::new();
    for start in 0..words.len() {
        let opens = is_keyword(token(start), Keyword::IN)
            && *token(start + 1) == Token::LParen
            && *token(start + 2) == Token::LParen
            && is_keyword(token(start + 3), Keyword::SELECT);
        let Some(end) = opens.then(|| closing(&token, start + 2)).flatten() else {
            continue;
        };
        if *token(end + 1) != Token::Comma {
            continue;
        }
        dropped.push(start + 3);
        if is_keyword(token(end.saturating_sub(2)), Keyword::AS) {
            dropped.extend([end - 2, end - 1]);
        }
    }
    let dropped: Vec<usize> = dropped
        .into_iter()
        .filter_map(|word| words.get(word).copied())
        .collect();
    let mut kept = tokens;
    let mut index = 0;
    kept.retain(|_| {
        index += 1;
        !dropped.contains(&(index - 1))
    });
    kept
}

fn is_keyword(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

/// The parenthesis that closes the one at `open`.
fn closing<'a>(token: &dyn Fn(usize) -> &'a Token, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for word in open.. {
        match token(word) {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return Some(word),
            Token::RParen => depth -= 1,
            Token::EOF => return None,
            _ => {}
        }
    }
    None
}
