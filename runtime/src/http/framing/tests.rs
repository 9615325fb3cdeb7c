use proptest::prelude::*;

use super::*;

fn watch_in_pieces(bytes: &[u8], piece: usize) -> Framing {
    let mut framing = Framing::default();
    for part in bytes.chunks(piece) {
        framing.watch(part);
    }
    framing
}

fn check(text: &str, ambiguous: bool, state: State) {
    let bytes = text.replace('\n', "\r\n");
    for piece in [1, 2, 7, 10_000] {
        let framing = watch_in_pieces(bytes.as_bytes(), piece);
        assert_eq!(
            framing.is_ambiguous(),
            ambiguous,
            "{text:?} in pieces of {piece}"
        );
        assert_eq!(framing.state, state, "{text:?} in pieces of {piece}");
    }
}

#[test]
fn ordinary_messages_are_followed_from_head_to_head() {
    check("GET / HTTP/1.1\nhost: a\n\n", false, State::Start);
    check(
        "GET / HTTP/1.1\nhost: a\n\nGET / HTTP/1.1\nhost: a\n\n",
        false,
        State::Start,
    );
    check(
        "POST / HTTP/1.1\ncontent-length: 3\n\nabcGET / HTTP/1.1\n",
        false,
        State::HeaderLine,
    );
    check(
        "POST / HTTP/1.1\ncontent-length: 5\n\nabc",
        false,
        State::Body(2),
    );
    let chunked = "POST / HTTP/1.1\ntransfer-encoding: chunked\n\n3\nabc\nA;x=y\n0123456789\n0\n\n";
    check(chunked, false, State::Start);
    check(
        "POST / HTTP/1.1\ntransfer-encoding: chunked\n\n0\nx: y\n\n",
        false,
        State::Start,
    );
}

#[test]
fn a_body_that_looks_like_a_head_is_still_a_body() {
    let inner = "X: y\ntransfer-encoding: chunked\ncontent-length: 1\n\n";
    let length = inner.replace('\n', "\r\n").len();
    check(
        &format!("POST / HTTP/1.1\ncontent-length: {length}\n\n{inner}"),
        false,
        State::Start,
    );
}

#[test]
fn lines_that_end_without_a_cr_are_flagged() {
    for (bytes, ambiguous) in [
        (&b"\n\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"[..], false),
        (b"GET / HTTP/1.1\nhost: a\r\n\r\n", true),
        (b"GET / HTTP/1.1\r\nhost: a\n\r\n", true),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\n", true),
    ] {
        for piece in [1, 5, 1000] {
            let framing = watch_in_pieces(bytes, piece);
            assert_eq!(
                framing.is_ambiguous(),
                ambiguous,
                "{}",
                bytes.escape_ascii()
            );
        }
    }
    let head = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    for (chunk, ambiguous) in [
        ("1;x=y\r\na\r\n", false),
        ("1;x=\"y z\"\t\r\na\r\n", false),
        ("1\na\r\n", true),
        ("1;x\ny\r\na\r\n", true),
        ("1;x\ry\r\na\r\n", true),
        ("1;x\0\r\na\r\n", true),
        ("1 x\r\na\r\n", true),
        ("0x1\r\na\r\n", true),
    ] {
        for piece in [1, 3, 1000] {
            let framing = watch_in_pieces(format!("{head}{chunk}").as_bytes(), piece);
            assert_eq!(framing.is_ambiguous(), ambiguous, "{chunk:?}");
        }
    }
}

#[test]
fn heads_with_two_readings_are_flagged() {
    for headers in [
        "content-length: 3\ntransfer-encoding: chunked\n",
        "transfer-encoding: chunked\ncontent-length: 3\n",
        "Content-Length: 3\nTRANSFER-ENCODING:chunked\n",
        "content-length: 3\ncontent-length: 3\n",
        "content-length: 3\ncontent-length: 4\n",
        "transfer-encoding: chunked\ntransfer-encoding: identity\n",
        "transfer-encoding: gzip, chunked\n",
        "transfer-encoding: xchunked\n",
    ] {
        check(
            &format!("POST / HTTP/1.1\nhost: a\n{headers}\nabc"),
            true,
            State::Off,
        );
    }
    check(
        "POST / HTTP/1.1\ntransfer-encoding: chunked\n\n0x3\nabc\n",
        true,
        State::Off,
    );
}

#[test]
fn a_number_hidden_behind_padding_is_flagged() {
    let (blanks, zeros) = (" ".repeat(200), "0".repeat(200));
    for head in [
        format!("content-length:{blanks}3\n\nabc"),
        format!("content-length: {zeros}3\n\nabc"),
        format!("transfer-encoding:{blanks}chunked\n\n0\n\n"),
        format!("transfer-encoding: chunked\n\n{zeros}3\nabc\n0\n\n"),
        "content-length: +3\n\nabc".to_owned(),
        "content-length:\n\n".to_owned(),
    ] {
        check(&format!("POST / HTTP/1.1\n{head}"), true, State::Off);
    }
    let long_extension = "x".repeat(500);
    let body = format!("3;{long_extension}\nabc\n0\n\n");
    check(
        &format!("POST / HTTP/1.1\ntransfer-encoding: chunked\n\n{body}"),
        false,
        State::Start,
    );
}

#[test]
fn the_second_request_on_a_connection_is_watched_as_well() {
    let first = "POST / HTTP/1.1\ncontent-length: 2\n\nhi";
    let second = "POST / HTTP/1.1\ncontent-length: 2\ntransfer-encoding: chunked\n\n";
    check(&format!("{first}{second}"), true, State::Off);
}

#[test]
fn http_2_is_left_alone() {
    check("PRI * HTTP/2.0\n\nSM\n\n", false, State::Off);
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_lead_to_the_same_place(
        tokens in proptest::collection::vec(prop_oneof![
            Just("POST / HTTP/1.1\r\n".to_owned()), Just("\r\n".to_owned()), Just("\n".to_owned()),
            Just("content-length: 7\r\n".to_owned()), Just("transfer-encoding: chunked\r\n".to_owned()),
            Just("3\r\nabc\r\n0\r\n".to_owned()), ".{0,9}",
        ], 0..20),
        piece in 1_usize..50,
    ) {
        let bytes = tokens.concat().into_bytes();
        let whole = watch_in_pieces(&bytes, 10_000);
        let parts = watch_in_pieces(&bytes, piece);
        prop_assert_eq!(whole.state, parts.state);
        prop_assert_eq!(whole.is_ambiguous(), parts.is_ambiguous());
    }
}
